"""The events of one call, read from the log itself."""

from typing import Final

from portero.domain.call import Call
from portero.domain.ids import call_aggregate
from portero.log import START, Log, RecordedEvent

CLOCKS_MS: Final = 600_000
"""How far the store's clock, which names the entries, may be behind a gateway's."""


async def history_of(log: Log, call: Call) -> list[RecordedEvent]:
    """Oldest first; read from shortly before the request on, and from the beginning where that misses it."""
    events = await _read(log, call, f"{max(call.requested_at - CLOCKS_MS, 0)}-0")
    if events and events[0].version == 1:
        return events
    return await _read(log, call, START)


async def _read(log: Log, call: Call, after: str) -> list[RecordedEvent]:
    aggregate = call_aggregate(call.id)
    return [recorded async for batch in log.read(after) for recorded in batch if recorded.aggregate == aggregate]
