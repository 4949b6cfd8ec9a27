"""Updates of resources: from what is subscribed to on the log to what upstreams are asked, and back on the log.

Every replica keeps its own connections subscribed to what any client of any replica wants, because a change may show
on one of them only; what it hears goes on the log, and from there to whoever listens, wherever that is.
"""

import asyncio
from typing import Any, Final

import msgspec
import structlog

from handlers.core import Core
from handlers.naming import address_there
from portero.domain.events import (
    POLICY_EVENTS,
    Event,
    Recorded,
    ResourcesSubscribed,
    ResourcesUnsubscribed,
    ResourceUpdated,
    SessionEnded,
)
from portero.domain.ids import ClientId, Millis, upstream_aggregate
from portero.domain.patterns import policy_name
from portero.domain.policy import Verdict
from portero.domain.values import SYSTEM, Action, Kind, Watched
from portero.errors import LogError
from portero.log import Write
from portero.upstream import Notification, Upstreams

logger = structlog.get_logger()

UPDATE_SECONDS: Final = 1.0
"""Updates of one resource within this become one on the log."""
_MOVING: Final[frozenset[type[Event]]] = frozenset({ResourcesSubscribed, ResourcesUnsubscribed, SessionEnded})
WATCHED: Final = _MOVING | POLICY_EVENTS
"""The events from which follows what upstreams are asked to tell."""


class _Updated(msgspec.Struct):
    uri: str


_updated = msgspec.json.Decoder(_Updated)
_text = msgspec.json.Decoder(str)


class Updates:
    """One instance per process."""

    def __init__(self, core: Core, upstreams: Upstreams, *, pause: float = UPDATE_SECONDS) -> None:
        self._core = core
        self._upstreams = upstreams
        self._pause = pause
        self._heard: dict[Watched, None] = {}
        self._woken = asyncio.Event()
        self._stale: set[str] = set()
        self._watched: set[str] = set()
        """Upstreams that somebody wants to hear of, whether or not the policy lets them now."""

    # --- what upstreams tell ------------------------------------------------------------------------------------------

    def updated(self, note: Notification) -> None:
        """Takes ``notifications/resources/updated``; what concerns nobody, or cannot be read, is dropped."""
        try:
            uri = self.stored(_updated.decode(note.params).uri)
        except (msgspec.DecodeError, RecursionError):
            logger.info("an update that cannot be read is dropped", upstream=note.upstream)
            return
        if self._core.view.sessions.concerned(note.upstream, uri):
            self._heard[Watched(note.upstream, uri)] = None
            self._woken.set()

    async def run(self) -> None:
        """Writes updates as they come, for ever; while the log is away they wait, each once."""
        while True:
            await self._woken.wait()
            self._woken.clear()
            heard, self._heard = self._heard, {}
            try:
                await self._write(heard)
            except LogError as error:
                logger.warning("updates of resources wait for the log", error=str(error))
                self._heard = heard | self._heard
                self._woken.set()
            await asyncio.sleep(self._pause)

    async def _write(self, heard: dict[Watched, None]) -> None:
        core = self._core
        events: dict[str, list[ResourceUpdated]] = {}
        for item in heard:
            if core.view.sessions.concerned(item.upstream, item.uri):
                events.setdefault(item.upstream, []).append(ResourceUpdated(item.uri))
        if events:
            writes = [Write(upstream_aggregate(name), None, tuple(updates)) for name, updates in events.items()]
            await core.log.append(*writes, actor=SYSTEM, now=core.clock())

    # --- what upstreams are asked to tell -----------------------------------------------------------------------------

    def seen(self, recorded: Recorded[Any]) -> None:
        """To be told of every event of ``WATCHED``: from it follows what this replica's connections subscribe to."""
        if type(recorded.event) in _MOVING:
            named = getattr(recorded.event, "resources", None)
            self._refresh(self._watched if named is None else {item.upstream for item in named})
        else:
            self._refresh(self._watched)

    def start(self) -> None:
        """To be called when the view has been loaded, before it is followed."""
        sessions = self._core.view.sessions.watching()
        self._refresh({item.upstream for session in sessions for item in session.watched})

    def _refresh(self, upstreams: set[str]) -> None:
        """What changes in one turn is looked at once."""
        if upstreams and not self._stale:
            asyncio.get_running_loop().call_soon(self._watch)
        self._stale |= upstreams
        self._watched |= upstreams

    def _watch(self) -> None:
        core = self._core
        now = core.clock()
        stale, self._stale = self._stale, set()
        for upstream in stale:
            resources = core.view.sessions.watched(upstream)
            wanted = {
                uri
                for uri, watchers in resources.items()
                if any(self.allowed(Watched(upstream, uri), client, now) for client in watchers.values())
            }
            if not resources:
                self._watched.discard(upstream)
            self._upstreams.watch(upstream, frozenset(self.real(upstream, uri) for uri in wanted))

    # --- may it be told -----------------------------------------------------------------------------------------------

    def allowed(self, item: Watched, client: ClientId, now: Millis) -> bool:
        """Whether the client may hear of this resource without anybody being asked."""
        return self.verdict(item, client, now).action is Action.ALLOW

    def verdict(self, item: Watched, client: ClientId, now: Millis) -> Verdict:
        return self._core.decide_policy(policy_name(Kind.RESOURCE, item.upstream, item.uri), client, now)

    # --- fake and real ------------------------------------------------------------------------------------------------

    def stored(self, uri: str) -> str:
        return _text.decode(self._core.replacer.to_fake_stored(msgspec.json.encode(uri)))

    def real(self, upstream: str, uri: str) -> str:
        return address_there(self._upstreams.catalogue, self._core.replacer, upstream, uri)
