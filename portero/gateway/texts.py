"""What a model is told: where a call stands, and what to do next."""

from collections.abc import Callable
from typing import Final

import msgspec

from portero.domain.call import Call
from portero.domain.ids import CallId, Millis
from portero.domain.values import Reason, Resolution, Status, Tier
from portero.errors import LogError
from portero.gateway.times import iso, spoken

POLL: Final = "Call portero/check_task with task_id {task} (wait_seconds up to 25 waits for the outcome)"
ENTRUSTED: Final = "The server goes on with it as a task of its own, `{task}`: ask for that with tasks/get."
UNFOLLOWED: Final = (
    "The server goes on with it as a task of its own, which this client cannot follow. It may well take effect: do not "
    "repeat the call blindly."
)
ASKS: Final = (
    "The server asks something before there is a result. Call portero/check_task with this task's id: that says what "
    "it is, and takes the answer."
)
RAN: Final = "It ran; this is its result."

NOT_WATCHED: Final = (
    "{name} needs a person's approval each time, so it cannot be subscribed to. Read it when it is needed, or ask the "
    "user to allow it."
)


def pending(task: str, call: str, hint: str, expires_at: Millis) -> str:
    return (
        "This call waits for a person's approval and has not run. Tell the user that they can approve or deny it "
        f"{hint.format(task=call)}; it expires at {iso(expires_at)}. {POLL.format(task=task)}; go on with other work "
        "meanwhile, and do not repeat the call."
    )


def log_trouble(error: LogError) -> str:
    """That the log could not be asked or written to; most of its errors say so themselves."""
    text = str(error)
    return text if "log is unavailable" in text else f"The audit log is unavailable: {text}"


def refused(tool: str, reason: Reason) -> str:
    """Why the policy denies a call, and what could be done about it."""
    if reason.tier is Tier.LOCK:
        return f"{tool} was not run: a person has locked access to all tools for now. Ask the user before you go on."
    if reason.rule is not None:
        by = f"a rule that a person set for {reason.pattern} (rule {reason.rule})"
    elif reason.pattern is not None:
        by = f"the policy for {reason.pattern}"
    else:
        by = "the default policy"
    return f"{tool} was not run: {by} denies it. Do not try again unless the user says that they have changed this."


def standing(call: Call, task: str, hint: str, now: Millis, *, locked: bool) -> str:
    """Where a task stands, in a sentence or two. ``locked``: nothing is started now."""
    if call.status is Status.PENDING:
        since, left = spoken(now - call.requested_at), spoken((call.expires_at or now) - now)
        return (
            f"Waiting for a person's approval for {since}, expires in {left}. The user can approve or deny it "
            f"{hint.format(task=call.id)}. {POLL.format(task=task)}."
        )
    if call.finished:
        return _ENDS[call.status](call)
    return f"{_under_way(call, locked=locked)} {POLL.format(task=task)}."


def for_people(call: Call, hint: str, now: Millis, *, locked: bool) -> str:
    """The same for whoever looks after the task in their client."""
    if call.status is Status.PENDING:
        return waiting(call.id, hint, call.requested_at, call.expires_at or now, now)
    if call.finished:
        return _ENDS[call.status](call)
    if call.started_at is not None and not call.questions:
        return f"Running since {spoken(now - call.started_at)}."
    return _under_way(call, locked=locked)


def waiting(call: CallId, hint: str, since: Millis, until: Millis, now: Millis) -> str:
    return (
        f"Waiting for a person's approval since {spoken(now - since)}, expires in {spoken(until - now)}. "
        f"Approve or deny it {hint.format(task=call)}."
    )


def _under_way(call: Call, *, locked: bool) -> str:
    if locked and call.status is Status.QUEUED:
        return _FROZEN
    if call.questions:
        return "The server asks something in the middle of the call, and it waits for an answer."
    return _UNDER_WAY[call.status]


_UNDER_WAY: Final = {
    Status.REQUESTED: "It has been received.",
    Status.QUEUED: "Approved, and about to run.",
    Status.EXECUTING: "Running now.",
}
_FROZEN: Final = "Approved, but a person has locked access to all tools for now; it runs when they unlock."


def _completed(call: Call) -> str:
    if call.resolution is Resolution.HAPPENED:
        return "Its outcome was lost, but a person has confirmed that it took effect. There is no result to show."
    return "It ran, but its result is no longer kept."


class _Error(msgspec.Struct):
    message: str = "unknown error"


_error = msgspec.json.Decoder(_Error)


def error_message(call: Call) -> str:
    """The message of the error that a call ended with."""
    if call.error is not None:
        return _error.decode(call.error).message
    return call.unknown_reason or call.denied_reason or "unknown error"


def _denied(call: Call) -> str:
    said = f": {call.denied_reason}" if call.denied_reason else ""
    return f"A person denied it{said}. It was not run; do not try again without asking the user."


def _expired(call: Call) -> str:
    why = "It was approved, but could not run in time" if call.approved_at else "Nobody approved it in time"
    return f"{why}, so it was not run. Ask the user before you call the tool again."


def _cancelled(call: Call) -> str:
    said = f" ({call.cancel_reason})" if call.cancel_reason else ""
    ran = "after it had started, so it may have taken effect" if call.attempt else "before it started"
    return f"It was cancelled{said} {ran}."


def _unknown(call: Call) -> str:
    reason = call.unknown_reason or "its outcome was lost"
    return (
        f"It is not known whether it took effect: {reason.rstrip('.')}. "
        "Do not repeat it; tell the user, who can look and settle it."
    )


_ENDS: Final[dict[Status, Callable[[Call], str]]] = {
    Status.COMPLETED: _completed,
    Status.ERROR: lambda call: f"It ended with an error: {error_message(call)}",
    Status.DENIED: _denied,
    Status.EXPIRED: _expired,
    Status.CANCELLED: _cancelled,
    Status.UNKNOWN: _unknown,
}
