"""What sessions ask for: decided and on the log before an upstream hears of it."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Final

import structlog

from handlers.between.passing import TAKE_SECONDS, Passing
from handlers.core import Core
from handlers.resources.updates import Updates
from portero.domain import session as sessions
from portero.domain.commands import EndSession, OpenStream, SessionCommand, SetLevel, Subscribe, Unsubscribe
from portero.domain.events import RequestCancelled
from portero.domain.ids import ClientId, Millis, SessionId, session_aggregate
from portero.domain.policy import Verdict
from portero.domain.session import preview
from portero.domain.values import SYSTEM, Action, Actor, Watched
from portero.errors import METHOD_NOT_FOUND, Invalid, LogError, NotFound, UpstreamError, UpstreamRefused
from portero.log import Appended, Write
from portero.upstream import Upstreams

logger = structlog.get_logger()

SESSION_MS: Final = 600_000
"""How long a subscription outlives the stream that tells of it: its client may come back, to another replica."""
MAX_SUBSCRIPTIONS: Final = 10_000
"""Of all sessions together."""

Refusal = Verdict | UpstreamError
"""Why a resource is not subscribed to: what the policy says, or what the upstream does."""
Making = Callable[[Millis], SessionCommand]


class Subscriptions:
    """One instance per process."""

    def __init__(self, core: Core, upstreams: Upstreams, passing: Passing, updates: Updates) -> None:
        self._core = core
        self._upstreams, self._passing = upstreams, passing
        self._updates = updates
        self._serving: dict[SessionId, int] = {}
        """Sessions whose streams this replica holds, and how many."""

    # --- what clients ask for -----------------------------------------------------------------------------------------

    async def subscribe(
        self, client: ClientId, session: SessionId, resources: Sequence[tuple[str, str]]
    ) -> list[Refusal | None]:
        """Subscribes to ``(upstream, URI as the client knows it)``; for each, None or why not.

        Raises NotFound (the session has ended), Invalid (too many) or LogError; then nothing has changed.
        """
        wanted = [Watched(upstream, self._updates.stored(uri)) for upstream, uri in resources]
        refusals: dict[Watched, Refusal] = {}

        def command(now: Millis) -> Subscribe:
            refusals.clear()
            for item in wanted:
                if (refusal := self._refusal(item, client, now)) is not None:
                    refusals[item] = refusal
            allowed = tuple(item for item in wanted if item not in refusals)
            if self._core.view.sessions.count + len(allowed) > MAX_SUBSCRIPTIONS:
                raise Invalid(f"There are {MAX_SUBSCRIPTIONS} subscriptions already. Try again when some have ended.")
            return Subscribe(client, allowed)

        await self._do(client, session, command)
        taken = [item for item in dict.fromkeys(wanted) if item not in refusals]
        errors = await asyncio.gather(*map(self._taken, taken))
        refusals |= {item: error for item, error in zip(taken, errors, strict=True) if error is not None}
        if lost := tuple(item for item in taken if item in refusals):
            await self._do(client, session, lambda _: Unsubscribe(lost, "its server did not take it"))
        return [refusals.get(item) for item in wanted]

    def _refusal(self, item: Watched, client: ClientId, now: Millis) -> Refusal | None:
        """A grant for so many uses is for uses, of which this would be none."""
        verdict = self._updates.verdict(item, client, now)
        grant = verdict.reason.grant
        if verdict.action is not Action.ALLOW or (grant is not None and self._core.view.grants.limited(grant)):
            return verdict
        if not self._upstreams.can_be_watched(item.upstream):
            return UpstreamRefused(METHOD_NOT_FOUND, f"{item.upstream} does not tell of changes to its resources.")
        return None

    async def _taken(self, item: Watched) -> UpstreamError | None:
        try:
            await self._passing.watched(item.upstream, item.uri, TAKE_SECONDS)
        except UpstreamError as error:
            return error
        except TimeoutError:
            logger.info("a subscription waits for its server", upstream=item.upstream)
        return None

    async def unsubscribe(self, client: ClientId, session: SessionId, upstream: str, uri: str) -> None:
        """Raises NotFound (the session has ended) or LogError."""
        gone = (Watched(upstream, self._updates.stored(uri)),)
        await self._do(client, session, lambda _: Unsubscribe(gone))

    async def leave(self, client: ClientId, session: SessionId) -> None:
        """Ends all subscriptions of a session. Raises LogError."""
        await self._do(client, session, lambda _: Unsubscribe())

    async def set_level(self, client: ClientId, session: SessionId, level: str) -> None:
        """Raises NotFound (the session has ended) or LogError."""
        await self._do(client, session, lambda _: SetLevel(client, level))

    async def end(self, client: ClientId, session: SessionId) -> None:
        """Nothing is told to the session any more. Raises NotFound (it has ended) or LogError."""
        await self._do(client, session, lambda _: EndSession(client))

    async def call_off(self, client: ClientId, session: SessionId, request: str) -> None:
        """Tells the other replicas that a request of theirs is cancelled; ``request``: digest of its id."""
        core = self._core
        write = Write(session_aggregate(session), None, (RequestCancelled(client, request),), ends=True)
        await core.log.append(write, actor=Actor("client", client), now=core.clock())

    # --- streams ------------------------------------------------------------------------------------------------------

    async def opened(self, client: ClientId, session: SessionId, stream: str) -> None:
        """This replica holds the session's stream from now on. Raises NotFound (the session has ended) or LogError."""
        replica = self._core.log.replica
        await self._do(client, session, lambda _: OpenStream(client, replica, stream))

    def serve(self, session: SessionId) -> None:
        """Until ``served``, the session's subscriptions do not lapse."""
        self._serving[session] = self._serving.get(session, 0) + 1

    def served(self, session: SessionId) -> None:
        left = self._serving[session] - 1
        if left:
            self._serving[session] = left
        else:
            del self._serving[session]

    def may_hear(self, item: Watched, client: ClientId) -> bool:
        """Whether the policy lets the client hear of the resource now."""
        return self._updates.allowed(item, client, self._core.clock())

    async def heartbeat(self) -> None:
        """Keeps the subscriptions of those who are served here, for ever."""
        core = self._core
        while True:
            await asyncio.sleep(SESSION_MS / 3000)
            due = Millis(core.clock() + SESSION_MS)
            try:
                await core.log.prolong({session_aggregate(session): due for session in self._serving})
            except LogError as error:
                logger.warning("subscriptions not prolonged", sessions=len(self._serving), error=str(error))

    async def wake(self, session: SessionId) -> Millis | None:
        """Time is up: nobody has listened for long, unless somebody is served here."""
        if session in self._serving:
            return Millis(self._core.clock() + SESSION_MS)
        state = self._core.view.sessions.get(session)
        if state is not None and state.watched:
            await self._do(state.client, session, lambda _: Unsubscribe(None, "nobody listens"), by=SYSTEM)
        return None

    # --- parts --------------------------------------------------------------------------------------------------------

    async def _do(self, client: ClientId, session: SessionId, command: Making, *, by: Actor | None = None) -> None:
        """Appends what the command leads to, and waits until it is seen here."""
        core = self._core

        def build(now: Millis) -> tuple[Write, ...]:
            state = core.view.sessions.get(session)
            if state is not None and state.client != client:
                raise NotFound("There is no such session.")
            events = tuple(sessions.decide(state, command(now)))
            if not events:
                return ()
            # Only what is subscribed to something is looked after, and kept by the store for good. A session of which
            # nothing is known may have been forgotten, and its version with it; the fold takes events in any order.
            watches = bool(preview(state, session, events).watched)
            timer = Millis(now + SESSION_MS) if watches else None
            expected = state.version if state is not None else None
            return (Write(session_aggregate(session), expected, events, timer=timer, ends=not watches),)

        appended: Appended | None = await core.commit(build, actor=by or Actor("client", client))
        if appended is not None:
            await core.reach(appended.last)
