"""After a log was brought back from its archive: what came later is not known, so nothing that was open goes on."""

from functools import partial
from typing import Final

from handlers.core import Core
from portero.domain import call as calls
from portero.domain.call import Call
from portero.domain.commands import Cancel, RecordUnknown
from portero.domain.events import AccessLocked
from portero.domain.ids import LOCK_AGGREGATE, Millis, call_aggregate
from portero.domain.values import Actor, Status
from portero.log import Write

WHY: Final = "the log was restored from its archive, and what came after that is not known"


async def settle_restored(core: Core, by: Actor) -> int:
    """Locks everything first, then ends every open call; says how many. Safe to repeat. Raises LogError."""
    await core.commit(lambda _now: _lock(core, by), actor=by)
    await core.catch_up()
    ended = 0
    while opened := core.view.calls.open():
        for call in opened:
            await core.commit(partial(_end, core, call, by), actor=by)
            ended += 1
        await core.catch_up()
    return ended


def _lock(core: Core, by: Actor) -> tuple[Write, ...]:
    if core.view.locked is not None:
        return ()
    return (Write(LOCK_AGGREGATE, None, (AccessLocked(by, f"{WHY}: look at the rules, then unlock"),)),)


def _end(core: Core, call: Call, by: Actor, now: Millis) -> tuple[Write, ...]:
    """One that an upstream had is in doubt; one that waited is called off, though it too may have run since."""
    state = core.view.calls.get(call.id)
    if state is None or state.finished:
        return ()
    command = RecordUnknown(state.attempt, WHY, 0) if state.status is Status.EXECUTING else Cancel(by, WHY)
    events = tuple(calls.decide(state, command, now))
    after = calls.preview(state, events, now, by)
    aggregate, due = call_aggregate(call.id), calls.timer(after)
    return (Write(aggregate, state.version, events, due, ("notification",), after.finished),)
