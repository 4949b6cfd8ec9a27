"""What the client of a call is told that another replica, or another part of this one, has carried out."""

from handlers.calls.outcomes import Done, Execution, Failed, called_off, failure_of
from handlers.calls.recording import not_given_out
from handlers.calls.requests import Answer, Refused
from handlers.core import Core
from portero.domain.call import Call
from portero.domain.values import Action, Status
from portero.errors import DENIED, OUTCOME_UNKNOWN, LogError


async def answer_of(core: Core, execution: Execution, state: Call) -> Answer:
    """The same as if it had been carried out right here. ``state`` has ended. Raises LogUnavailable."""
    call = execution.call
    match state.status:
        case Status.COMPLETED:
            return await _result(core, execution, state)
        case Status.ERROR:
            return failure_of(state)
        case Status.DENIED:
            return _denied(core, state)
        case Status.CANCELLED if state.attempt:
            return called_off(execution)
        case Status.CANCELLED:
            return Failed(call, DENIED, f"It was not run: cancelled ({state.cancel_reason or 'no reason given'}).")
    reason = (state.unknown_reason or "its outcome was lost").rstrip(".")
    text = f"{reason}. It is not known whether the call took effect, and it is not tried again."
    return Failed(call, OUTCOME_UNKNOWN, text)


async def _result(core: Core, execution: Execution, state: Call) -> Done | Failed:
    try:
        result = await core.log.blob(state.result_blob) if state.result_blob is not None else None
    except LogError as error:
        raise not_given_out(execution) from error
    if result is None:
        text = "It ran, but its result is not kept any more. Do not repeat it blindly."
        return Failed(execution.call, OUTCOME_UNKNOWN, text)
    return Done(execution.call, result)


def _denied(core: Core, state: Call) -> Failed | Refused:
    """By the policy as it is now, or because something changed in between."""
    verdict = core.decide_policy(state.tool, state.client, core.clock())
    if verdict.action is Action.DENY:
        return Refused(state.id, verdict.reason)
    return Failed(state.id, DENIED, f"It was not run. {state.denied_reason}")
