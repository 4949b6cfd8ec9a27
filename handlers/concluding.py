"""One command about one call as it stands by then, for whoever has nothing to add to what comes of it."""

from handlers.core import Core
from portero.domain import call as calls
from portero.domain.call import Call
from portero.domain.commands import CallCommand
from portero.domain.events import CallEvent
from portero.domain.ids import CallId, Millis, call_aggregate
from portero.domain.values import SYSTEM, Actor, Status
from portero.log import Write


async def conclude(core: Core, call: CallId, command: CallCommand, *, by: Actor = SYSTEM) -> None:
    """Decides the command and appends what it leads to, if anything. Raises DecisionError and LogError."""

    def build(now: Millis) -> tuple[Write, ...]:
        state = core.view.calls.get(call)
        events = tuple(calls.decide(state, command, now)) if state is not None else ()
        return (written(state, events, now),) if state is not None and events else ()

    await core.commit(build, actor=by, urgent=True)


def written(state: Call, events: tuple[CallEvent, ...], now: Millis) -> Write:
    """Events of a call with what follows from them: its timer, who is to act on it, whether it has ended."""
    after = calls.preview(state, events, now, SYSTEM)
    work = ("execution",) if after.status is Status.QUEUED else ("notification",)
    return Write(call_aggregate(state.id), state.version, events, calls.timer(after), work, after.finished)
