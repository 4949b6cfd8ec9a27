"""The arguments of a call, wherever the log keeps them."""

from portero.domain.call import Call
from portero.log import Log

GONE = '"(no longer kept)"'


async def arguments_of(log: Log, call: Call) -> str:
    """Their JSON text, fakes only, complete."""
    if call.arguments_blob is None:
        return call.arguments or GONE
    found = await log.blob(call.arguments_blob)
    return found.decode() if found is not None else GONE
