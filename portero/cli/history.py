"""The events of one call, read from the log itself, and from the archive where they are there by now."""

from typing import Final

from portero.domain.call import Call
from portero.domain.ids import call_aggregate
from portero.log import Log, RecordedEvent

CLOCKS_MS: Final = 600_000
"""How far the store's clock, which names the entries, may be behind a gateway's."""


async def history_of(log: Log, call: Call) -> list[RecordedEvent]:
    """Oldest first; only what lies between its first and its last event is read."""
    aggregate = call_aggregate(call.id)
    found: list[RecordedEvent] = []
    near = f"{max(call.requested_at - CLOCKS_MS, 0)}-0"
    async for batch in log.read(call.requested_seq - 1, near):
        found += (recorded for recorded in batch if recorded.aggregate == aggregate)
        if batch[-1].seq >= call.last_seq:
            break
    return found
