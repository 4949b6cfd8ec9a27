"""Cards brought up to date when a call begins to wait for its client, or stops waiting: nobody is told, a text changes.

That can wait, so it does: for a moment, because many a question is answered at once, and until the edit delays no
message. Whichever replica runs a call does it for that call; if it dies, the call ends, and that is shown anyhow.
"""

import asyncio
from typing import Any, Final

import structlog

from handlers.core import Core
from portero.domain.events import CallContinued, InputGiven, InputRequested, InputWithdrawn, Recorded
from portero.domain.ids import CallId
from portero.errors import LogError
from portero.telegram.cards import CARD, Cards
from portero.telegram.client import NotNow, TelegramError

logger = structlog.get_logger("portero.telegram")

REST_SECONDS: Final = 2.0
LONGEST_PAUSE_SECONDS: Final = 60.0
MOST_WAITING: Final = 1_000
"""Cards that wait to be drawn again; of more, the oldest are left as they are until something else is shown."""
KINDS: Final = (InputRequested, InputGiven, InputWithdrawn, CallContinued)


class Redrawing:
    """``run`` draws, for ever, what ``later`` was told of. ``rest_seconds`` is for tests."""

    def __init__(self, core: Core, cards: Cards, *, rest_seconds: float = REST_SECONDS) -> None:
        self._core, self._cards, self._rest = core, cards, rest_seconds
        self._waiting: dict[CallId, None] = {}
        self._wake = asyncio.Event()
        cards.grown_old = self.later
        for kind in KINDS:
            core.view.subscribe(self._seen, kind)

    def later(self, call: CallId) -> None:
        self._waiting[call] = None
        if len(self._waiting) > MOST_WAITING:
            del self._waiting[next(iter(self._waiting))]
        self._wake.set()

    def _seen(self, recorded: Recorded[Any]) -> None:
        call = self._core.view.calls.get(CallId(recorded.aggregate.partition("/")[2]))
        if call is not None and call.replica == self._core.log.replica and call.ref(CARD) is not None:
            self.later(call.id)

    async def run(self) -> None:
        pause = self._rest
        while True:
            await self._wake.wait()
            self._wake.clear()
            await asyncio.sleep(pause)
            pause = max(self._rest, await self._draw_all(pause))

    async def _draw_all(self, pause: float) -> float:
        """The pause before the next time, in seconds."""
        for call in list(self._waiting):
            try:
                if not await self._cards.redraw(call):
                    self._wake.set()
                    return self._rest
            except (TelegramError, LogError) as error:
                pause = max(min(pause * 2, LONGEST_PAUSE_SECONDS), error.seconds if isinstance(error, NotNow) else 0.0)
                logger.info("a card waits to be drawn again", call=call, error=str(error), retry_in=pause)
                self._wake.set()
                return pause
            self._waiting.pop(call, None)
        return 0.0
