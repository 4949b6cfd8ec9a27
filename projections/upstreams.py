"""Upstreams as each replica sees them, and the tools that they offer."""

from collections.abc import Iterator, Mapping

import attrs

from portero.domain.events import CatalogueChanged, CatalogueTool, Recorded, UpstreamConnected, UpstreamEvent
from portero.domain.ids import Millis, ReplicaId


@attrs.frozen
class UpstreamState:
    """One upstream on one replica. ``retry_at`` None while it is lost: it is not tried again."""

    upstream: str
    replica: ReplicaId
    connected: bool
    since: Millis
    server: str = ""
    version: str = ""
    protocol: str = ""
    tools: int = 0
    reason: str | None = None
    failures: int = 0
    crash_loop: bool = False
    retry_at: Millis | None = None


@attrs.frozen
class CatalogueState:
    """What an upstream offers, by the newest report of any replica."""

    upstream: str
    at: Millis
    replica: ReplicaId
    digest: str
    tools: tuple[CatalogueTool, ...]
    dropped: tuple[str, ...]
    lists: str | None = None
    """Where all its lists are kept, if only one replica runs it."""


@attrs.frozen
class UpstreamsState:
    states: tuple[UpstreamState, ...]
    catalogues: tuple[CatalogueState, ...]


class Upstreams:
    """A replica's view of its upstreams goes when the replica goes; the tools stay while a configuration names them."""

    def __init__(self) -> None:
        self._states: dict[str, dict[ReplicaId, UpstreamState]] = {}
        self._catalogues: dict[str, CatalogueState] = {}

    def states(self, upstream: str | None = None) -> list[UpstreamState]:
        """By upstream, then by replica."""
        names = sorted(self._states) if upstream is None else [upstream]
        return [state for name in names for _, state in sorted(self._states.get(name, {}).items())]

    def catalogue(self, upstream: str) -> CatalogueState | None:
        return self._catalogues.get(upstream)

    @property
    def catalogues(self) -> Mapping[str, CatalogueState]:
        return self._catalogues

    def tools(self) -> Iterator[tuple[str, CatalogueTool]]:
        """All tools as ``server/tool``, by upstream and in the upstream's own order."""
        for name in sorted(self._catalogues):
            for tool in self._catalogues[name].tools:
                yield f"{name}/{tool.name}", tool

    # --- folding ------------------------------------------------------------------------------------------------------

    def fold(self, recorded: Recorded[UpstreamEvent]) -> None:
        event, at = recorded.event, recorded.meta.at
        name = recorded.aggregate.partition("/")[2]
        if isinstance(event, CatalogueChanged):
            self._catalogues[name] = CatalogueState(
                name, at, event.replica, event.digest, event.tools, event.dropped, event.lists
            )
            return
        if isinstance(event, UpstreamConnected):
            state = UpstreamState(
                name, event.replica, True, at, event.server, event.version, event.protocol, event.tools
            )
        else:
            before = self._states.get(name, {}).get(event.replica)
            since = before.since if before is not None and not before.connected else at
            state = UpstreamState(
                name,
                event.replica,
                False,
                since,
                reason=event.reason,
                failures=event.failures,
                crash_loop=event.crash_loop,
                retry_at=event.retry_at,
            )
        self._states.setdefault(name, {})[event.replica] = state

    def forget_replica(self, replica: ReplicaId) -> None:
        for name in list(self._states):
            self._states[name].pop(replica, None)
            if not self._states[name]:
                del self._states[name]

    def keep_replica(self, upstream: str, replica: ReplicaId) -> None:
        """Only this one runs it from now on."""
        states = self._states.get(upstream, {})
        for other in set(states) - {replica}:
            del states[other]
        if not states:
            self._states.pop(upstream, None)

    def keep_only(self, names: set[str]) -> None:
        """``names`` are those that some replica is configured with; the tools of others are forgotten."""
        for name in set(self._catalogues) - names:
            del self._catalogues[name]

    # --- snapshot -----------------------------------------------------------------------------------------------------

    def dump(self) -> UpstreamsState:
        catalogues = tuple(self._catalogues[name] for name in sorted(self._catalogues))
        return UpstreamsState(tuple(self.states()), catalogues)

    def load(self, state: UpstreamsState) -> None:
        for item in state.states:
            self._states.setdefault(item.upstream, {})[item.replica] = item
        self._catalogues = {item.upstream: item for item in state.catalogues}
