"""Calls under way on one connection, and the one timer that watches all their deadlines."""

import asyncio
from collections.abc import Callable
from typing import Any, Final

import attrs

from portero.errors import UpstreamError

MAX_CALL_SECONDS: Final = 24 * 3600.0
"""No call lives longer, whatever progress it reports: the protocol asks for such a limit."""

Late = Callable[[bytes | UpstreamError], None]
"""Gets the result, or the error, of a call that nobody waits for any more."""


@attrs.define(eq=False)
class Call:
    """A request of ours that waits for its answer.

    ``sent`` is True from the moment at which a byte of it may have left; from then on its outcome can be lost.
    """

    id: int
    method: str
    params: bytes
    future: asyncio.Future[bytes]
    idle: float | None
    """Seconds it may be silent; None: it may stay open for as long as the connection (a subscription)."""
    deadline: float
    ends: float
    on_progress: Callable[[bytes], None] | None = None
    on_late: Late | None = None
    context: Any = None
    cancellable: bool = True
    sent: bool = False
    questions: int = 0
    """What the server asks meanwhile, and nobody has answered yet: it waits for us then, and not we for it."""

    def alive(self, now: float) -> None:
        """A sign of life: the silence is counted from here again."""
        if self.idle is not None:
            self.deadline = min(now + self.idle, self.ends)


class Deadlines:
    """One timer for all calls: it rings at the earliest deadline (one each would cost 5–16 µs a call)."""

    def __init__(self, calls: dict[int, Call], expire: Callable[[Call], None]) -> None:
        self._calls, self._expire = calls, expire
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None

    def watch(self, call: Call) -> None:
        """Call this for every new call."""
        if call.idle is None:
            return
        timer = self._timer
        if timer is None or timer.when() > call.deadline:
            if timer is not None:
                timer.cancel()
            self._timer = self._loop.call_at(call.deadline, self._ring)

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _ring(self) -> None:
        self._timer = None
        now = self._loop.time()
        for call in [call for call in self._calls.values() if call.idle is not None and call.deadline <= now]:
            self._expire(call)
        waiting = [call.deadline for call in self._calls.values() if call.idle is not None]
        if waiting:
            self._timer = self._loop.call_at(min(waiting), self._ring)
