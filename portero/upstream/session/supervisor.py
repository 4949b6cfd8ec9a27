"""The owner of one upstream: connects it, and connects it again whenever it is lost."""

import asyncio
import random
import time
from collections.abc import Callable

import structlog

from portero.domain.ids import Millis
from portero.errors import UpstreamError, UpstreamUnavailable
from portero.settings import UpstreamConfig
from portero.upstream.limits import Limits
from portero.upstream.permit import Permit
from portero.upstream.session.eras import Server
from portero.upstream.session.link import Link
from portero.upstream.session.listing import Listing
from portero.upstream.session.session import Session
from portero.upstream.session.status import State, UpstreamStatus
from portero.upstream.session.watching import Watching

log = structlog.get_logger("portero.upstream")


class Supervisor:
    """One task runs ``run``; the rest may be called from anywhere in the loop."""

    def __init__(
        self,
        config: UpstreamConfig,
        limits: Limits,
        *,
        new_link: Callable[[], Link],
        mask: Callable[[str], str],
        on_connected: Callable[["Supervisor", Server, Listing], None],
        on_listing: Callable[["Supervisor", Listing], None],
        on_lost: Callable[["Supervisor", str], None],
        permit: Permit | None = None,
    ) -> None:
        self.config, self._permit = config, permit
        self.failures = self.restarts = 0
        self.retry_at: Millis | None = None
        self.state = State.DISABLED if config.disabled else State.STARTING
        if config.single and permit is None and not config.disabled:
            self.state = State.ELSEWHERE
        self.tried = asyncio.Event()
        """Set once the first attempt has ended, one way or the other."""
        self.watching = Watching()
        """The resources that somebody wants to hear of."""
        self.server: Server | None = None
        """As it introduced itself last."""
        self.grace = limits.grace
        self.mask = mask
        self._limits, self._new_link = limits, new_link
        self._on_connected, self._on_listing, self._on_lost = on_connected, on_listing, on_lost
        self._since = _now()
        self._last_error: str | None = None
        self._link: Link | None = None
        self._session: Session | None = None
        self._connected = asyncio.Event()
        self._ask_modern = True
        self._retry_on = 0.0
        if config.disabled:
            self.tried.set()

    @property
    def session(self) -> Session:
        """The connection to ask. Raises UpstreamUnavailable where there is none."""
        if self._session is None:
            raise UpstreamUnavailable(f"{self.config.name} is not connected ({self._why_not()}); nothing was sent.")
        return self._session

    async def connected(self, timeout: float) -> bool:
        """Whether it is, or becomes so in time."""
        try:
            async with asyncio.timeout(timeout):
                await self._connected.wait()
        except TimeoutError:
            return False
        return True

    def status(self) -> UpstreamStatus:
        session = self._session
        server = session.server if session is not None else None
        return UpstreamStatus(
            name=self.config.name,
            state=self.state,
            since=self._since,
            transport="http" if self.config.url is not None else "stdio",
            failures=self.failures,
            restarts=self.restarts,
            retry_at=self.retry_at,
            last_error=self._last_error,
            server=self.mask(f"{server.name} {server.version}") if server is not None else None,
            protocol=server.protocol if server is not None else None,
            instructions=self.mask(server.instructions) if server is not None and server.instructions else None,
            pid=self._link.pid if self._link is not None else None,
            in_flight=session.peer.in_flight if session is not None else 0,
            garbage=session.peer.garbage if session is not None else 0,
        )

    # --- the owner's task --------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Connect, again and again, until cancelled."""
        try:
            while self._permit is None or self._permit.valid:
                await self._one_life()
                await asyncio.sleep(self._retry_on - asyncio.get_running_loop().time())
                self.restarts += 1
        finally:
            self.retry_at = None
            self._becomes(State.STOPPED)

    async def _one_life(self) -> None:
        """From a start to a loss. Leaves ``failures``, ``state`` and the last error as they then are."""
        self._link = link = self._new_link()
        modern = self._ask_modern
        try:
            reason, lasted = await self._live(link, modern)
            in_vain = modern and link.in_vain
            if not in_vain:
                self._end(reason, lasted)
        finally:
            await self._close(link)
        if in_vain:
            # Some servers end when the first question is not "initialize": once more, the old way, at once.
            self._ask_modern = False
            await self._one_life()

    async def _close(self, link: Link) -> None:
        try:
            await link.close(self.grace)
        except Exception:
            log.exception("a connection could not be closed properly", upstream=self.config.name)

    async def _live(self, link: Link, modern: bool) -> tuple[str, float]:
        """Why it ended, and for how many seconds it was connected."""
        loop = asyncio.get_running_loop()
        since: float | None = None
        try:
            async with asyncio.timeout(self._limits.start):
                session, listing = await link.open(modern=modern)
            since = loop.time()
            self._begin(session, listing)
            reason = await link.follow(listing, lambda fresh: self._on_listing(self, fresh))
        except TimeoutError:
            reason = link.why_closed(f"it was not ready within {self._limits.start:g} s")
        except UpstreamError as error:
            reason = link.why_closed(str(error))
        except Exception as error:
            # Whatever a server can provoke here costs it its own connection, and nobody else's.
            log.exception("an upstream's owner failed", upstream=self.config.name)
            reason = f"Portero could not handle it ({type(error).__name__})"
        return reason, 0.0 if since is None else loop.time() - since

    def _begin(self, session: Session, listing: Listing) -> None:
        self._session, self.server = session, session.server
        session.peer.on_lost = self._disconnected
        self._ask_modern = session.server.modern
        self.retry_at = None
        self._becomes(State.CONNECTED)
        server = session.server
        log.info(
            "upstream connected",
            upstream=self.config.name,
            server=self.mask(f"{server.name} {server.version}"),
            protocol=server.protocol,
            tools=len(listing.tools),
        )
        self._on_connected(self, server, listing)
        self._connected.set()
        self.tried.set()

    def _disconnected(self) -> None:
        self._session = None
        self._connected.clear()
        self._becomes(State.LOST)

    def _end(self, reason: str, lasted: float) -> None:
        self._disconnected()
        self._last_error = self.mask(reason)
        self._ask_modern = self._ask_modern or not lasted
        self.failures = 1 if lasted >= self._limits.stable else self.failures + 1
        self._becomes(State.CRASH_LOOP if self._limits.crash_loop(self.failures) else State.LOST)
        delay = self._limits.delay(self.failures, random.random())  # noqa: S311 - spreads load, keeps no secret
        self.retry_at = Millis(_now() + round(delay * 1000))
        self._retry_on = asyncio.get_running_loop().time() + delay  # closing goes on meanwhile; clocks may be set
        log.warning(
            "upstream lost",
            upstream=self.config.name,
            reason=self._last_error,
            failures=self.failures,
            state=self.state.value,
        )
        self._on_lost(self, self._last_error)
        self.tried.set()

    def _becomes(self, state: State) -> None:
        if state is not self.state:
            self.state, self._since = state, _now()

    def _why_not(self) -> str:
        if self.state in (State.DISABLED, State.STOPPED, State.STARTING):
            return self.state.value
        if self.state is State.ELSEWHERE:
            return "another replica runs it"
        return f"{self.state.value}: {self._last_error}"


def _now() -> Millis:
    return Millis(time.time_ns() // 1_000_000)
