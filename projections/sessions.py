"""Sessions: who is subscribed to what, and what else clients have said of themselves that outlives a request."""

from collections import OrderedDict
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

import attrs

from portero.domain.events import Recorded, ResourceUpdated
from portero.domain.ids import ClientId, SessionId
from portero.domain.session import Session, covers, evolve, places
from portero.domain.values import Watched
from projections.limits import Limits

_NOBODY: Final[Mapping[str, Mapping[SessionId, ClientId]]] = MappingProxyType({})


@attrs.frozen
class SessionsState:
    """Both in the order in which they are forgotten; ``updated``: sequence of the last update by resource."""

    watching: tuple[Session, ...]
    others: tuple[Session, ...]
    updated: tuple[tuple[Watched, int], ...]


class Sessions:
    """Those with subscriptions are all held; of the others, so many as were changed last."""

    def __init__(self, limits: Limits) -> None:
        self._limit = limits.sessions
        self._watching: dict[SessionId, Session] = {}
        self._others: OrderedDict[SessionId, Session] = OrderedDict()
        self._watchers: dict[str, dict[str, dict[SessionId, ClientId]]] = {}
        """Upstream, then URI, then who."""
        self._updated: dict[Watched, int] = {}
        self.count = 0
        """Subscriptions of all sessions together."""

    # --- reading ------------------------------------------------------------------------------------------------------

    def get(self, session: SessionId) -> Session | None:
        return self._watching.get(session) or self._others.get(session)

    def watching(self) -> list[Session]:
        """Those with subscriptions."""
        return list(self._watching.values())

    def watched(self, upstream: str) -> Mapping[str, Mapping[SessionId, ClientId]]:
        """Who is subscribed to which resource of an upstream."""
        return self._watchers.get(upstream, _NOBODY)

    def concerned(self, upstream: str, uri: str) -> bool:
        """Whether anybody wants to hear of an update of this resource."""
        return covers(self.watched(upstream), uri)

    def updated(self, resource: Watched) -> int:
        """The position on the log of the last update that concerned it since it is subscribed to; 0: there was none."""
        return self._updated.get(resource, 0)

    # --- folding ------------------------------------------------------------------------------------------------------

    def fold(self, recorded: Recorded[Any]) -> None:
        key = SessionId(recorded.aggregate[8:])
        before = self._watching.pop(key, None) or self._others.pop(key, None)
        after = evolve(before, recorded)
        if after is None:
            return
        if after.watched:
            self._watching[key] = after
        else:
            self._others[key] = after
            if len(self._others) > self._limit:
                self._others.popitem(last=False)
        old = before.watched if before is not None else ()
        if after.watched != old:
            self._move(after, set(old), set(after.watched))

    def _move(self, session: Session, before: set[Watched], after: set[Watched]) -> None:
        for item in before - after:
            resources = self._watchers[item.upstream]
            del resources[item.uri][session.id]
            if not resources[item.uri]:
                del resources[item.uri]
                self._updated.pop(item, None)
                if not resources:
                    del self._watchers[item.upstream]
        for item in after - before:
            self._watchers.setdefault(item.upstream, {}).setdefault(item.uri, {})[session.id] = session.client
        self.count += len(after) - len(before)

    def fold_update(self, recorded: Recorded[ResourceUpdated]) -> None:
        upstream, uri = recorded.aggregate[9:], recorded.event.uri
        watched = self.watched(upstream)
        for place in places(uri):
            if place in watched:
                self._updated[Watched(upstream, place)] = recorded.seq

    # --- snapshot -----------------------------------------------------------------------------------------------------

    def dump(self) -> SessionsState:
        updated = sorted(self._updated.items(), key=lambda item: (item[0].upstream, item[0].uri))
        return SessionsState(tuple(self._watching.values()), tuple(self._others.values()), tuple(updated))

    def load(self, state: SessionsState) -> None:
        self._watching = {session.id: session for session in state.watching}
        self._others = OrderedDict((session.id, session) for session in state.others)
        for session in state.watching:
            self._move(session, set(), set(session.watched))
        self._updated = dict(state.updated)
