"""What a call sends, wherever the log keeps it, as text for people."""

from handlers.calls import kept
from portero.domain.call import Call
from portero.log import Log

GONE = '"(no longer kept)"'


async def arguments_of(log: Log, call: Call) -> str:
    """Their JSON text, fakes only, complete."""
    return _text(await kept.arguments_of(log, call))


async def params_of(log: Log, call: Call) -> tuple[str, str | None]:
    """The same with the JSON text of what is sent beside the arguments; None: nothing."""
    found = await kept.params_of(log, call)
    extra = None if found.extra is None and not found.extra_is_gone else _text(found.extra)
    return _text(found.arguments), extra


def _text(found: bytes | None) -> str:
    return GONE if found is None else found.decode() or "{}"
