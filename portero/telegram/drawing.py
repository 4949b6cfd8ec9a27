"""Cards from calls: fetches what is kept beside the log, knows the replacements, draws what is large in a thread."""

import asyncio
import json
from datetime import tzinfo
from typing import Final

import structlog

from handlers.calls.kept import Params, params_of
from handlers.core import Core
from portero.domain.call import Call
from portero.domain.values import Status
from portero.telegram.render.arguments import parse
from portero.telegram.render.attachment import LIMIT
from portero.telegram.render.card import Setting, bare_card, card
from portero.telegram.render.message import Message
from portero.telegram.render.reveal import pages
from portero.telegram.render.standing import Hour
from portero.telegram.render.visible import Replaced

logger = structlog.get_logger("portero.telegram")

LARGE_BYTES: Final = 20_000
"""Arguments from this size on are drawn in a thread: 20 KB take about 5 ms, and the gateway's calls must not wait."""


class Drawing:
    def __init__(self, core: Core, zone: tzinfo | None, *, show_real: bool = False) -> None:
        self._core, self._zone, self._show_real = core, zone, show_real

    @property
    def hour(self) -> Hour:
        return Hour(self._core.clock(), self._zone)

    async def card(self, call: Call) -> Message:
        """Raises LogUnavailable. Whatever is wrong with the arguments, there is a card."""
        params = await params_of(self._core.log, call)
        setting = Setting(self.hour, self._marks, self._show_real)
        if params.gone is not None:
            return self.bare(call, params.gone)
        result = await self.result(call)
        try:
            if max(len(params.arguments or b""), len(params.extra or b""), len(result or "")) < LARGE_BYTES:
                message = self._draw(call, params, setting, result)
            else:
                message = await asyncio.to_thread(self._draw, call, params, setting, result)
        except Exception:  # a card that cannot be drawn would be an approval that nobody ever sees
            logger.exception("a card could not be drawn", call=call.id, tool=call.tool)
            return self.bare(call, "The arguments cannot be drawn here.")
        if message.attachment is not None and len(message.attachment.content) > LIMIT:
            return self.bare(call, "The arguments are larger than a file on Telegram may be.")
        return message

    def bare(self, call: Call, why: str) -> Message:
        return bare_card(call, Setting(self.hour, self._marks, self._show_real), why)

    async def result(self, call: Call) -> str | None:
        """JSON text of the result, while it is kept."""
        if call.result_blob is None:
            return None
        found = await self._core.log.blob(call.result_blob)
        return found.decode() if found is not None else None

    async def reals(self, call: Call) -> list[str]:
        """What each fake of the call becomes, in pages for an alert."""
        return pages(self._pairs(*_texts(await params_of(self._core.log, call))).items())

    # --- parts ------------------------------------------------------------------------------------------------------

    def _draw(self, call: Call, params: Params, setting: Setting, result: str | None) -> Message:
        arguments, extra = _texts(params)
        reveals = 0
        if call.status is Status.PENDING and not self._show_real:
            reveals = len(pages(self._pairs(arguments, extra).items()))
        full = Setting(setting.hour, setting.marks, setting.reals_shown, reveals)
        return card(call, arguments, extra, full, result=result)

    def _marks(self, text: str) -> tuple[Replaced, ...]:
        spans = self._core.replacer.spans(text)
        if not self._show_real:
            return tuple(Replaced(start, end) for start, end in spans)
        return tuple(Replaced(start, end, self._real(text[start:end])) for start, end in spans)

    def _pairs(self, arguments: str, extra: str | None) -> dict[str, str]:
        found: dict[str, str] = {}
        for leaf in parse(arguments, extra).leaves:
            texts = [step for step in leaf.path if isinstance(step, str)] + [leaf.text]
            for text in texts:
                for start, end in self._core.replacer.spans(text):
                    fake = text[start:end]
                    if fake not in found:
                        found[fake] = self._real(fake)
        return found

    def _real(self, fake: str) -> str:
        return str(json.loads(self._core.replacer.to_real(json.dumps(fake).encode())))


def _texts(params: Params) -> tuple[str, str | None]:
    return (params.arguments or b"").decode(), params.extra.decode() if params.extra is not None else None
