"""The end of a call that waits to run and is not sent: too late, refused at the last look, or nobody could send it."""

from typing import Final

import msgspec
from msgspec import Struct

from portero.domain.call_state import Call
from portero.domain.events import ApprovalExpired, CallDenied, CallEvent, ExecutionFailed, ExecutionOutcomeUnknown
from portero.domain.ids import Millis
from portero.domain.values import Status
from portero.errors import UPSTREAM_UNAVAILABLE


class _Error(Struct):
    message: str = "unknown error"


_error: Final = msgspec.json.Decoder(_Error)


def too_late_to_start(state: Call, now: Millis) -> bool:
    return state.start_by is not None and now >= state.start_by


def waited_in_vain(state: Call) -> ApprovalExpired | ExecutionFailed:
    if state.asked:
        return ApprovalExpired()
    text = f"No replica could run {state.upstream} in time; nothing was sent. Try again."
    error = msgspec.json.encode({"code": UPSTREAM_UNAVAILABLE, "message": text}).decode()
    return ExecutionFailed(error, sent=False)


def not_run(state: Call, end: CallDenied | ApprovalExpired | ExecutionFailed) -> list[CallEvent]:
    """``end``, unless the call was sent before: that may have happened, and what came of it is still not known."""
    sent_before = state.attempt - (state.status is Status.EXECUTING)
    if sent_before == 0 or (type(end) is ExecutionFailed and end.sent):
        return [end]
    return [ExecutionOutcomeUnknown(as_before(_why(end)), 0)]


def as_before(why: str) -> str:
    """The reason of an unknown outcome that stays so, because the call does not run again."""
    return f"It did not run again ({why.rstrip('.')}), and what came of it before is not known"


def _why(end: CallDenied | ApprovalExpired | ExecutionFailed) -> str:
    if isinstance(end, CallDenied):
        return end.reason or "it was denied"
    if isinstance(end, ExecutionFailed):
        return _error.decode(end.error).message
    return "it could not start in time"
