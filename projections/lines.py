"""What one event says in a line of the activity."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from portero.domain import events as e
from portero.domain.call import Call
from portero.domain.values import Action, Actor, Kind

SAID_TO_TASKS: Final = {Kind.TASK_UPDATE: "answers to its task", Kind.TASK_CANCEL: "its task is to end"}
"""What a call is that is named after a tool, and does not call it."""
ASKS: Final = "and asks its client for more before it goes on"
"""What a call came to that is gone on with by another one."""
LONGEST: Final = 300
"""Characters of a detail; the log has all of it."""


def in_short(call: Call) -> str:
    """A call's status, and whether it is its client's turn."""
    if call.questions:
        return f"{call.status.value}, waits for its client"
    if call.asks and (call.dialogue is None or call.dialogue.continued_by is None):
        return f"{call.status.value}, asks its client for more"
    return call.status.value


class Line(msgspec.Struct, frozen=True):
    by: Actor | None = None
    """Who, where the event itself says so."""
    detail: str | None = None
    is_error: bool = False
    duration_ms: int | None = None
    subject: str | None = None
    """What it is about, where the aggregate does not say so."""
    action: Action | None = None


class _ErrorText(msgspec.Struct):
    message: str = ""


_error_text = msgspec.json.Decoder(_ErrorText)


def line_of(event: Any) -> Line:
    make = _LINES.get(type(event))
    return make(event) if make is not None else _PLAIN


_PLAIN: Final = Line()


def _short(text: str | None) -> str | None:
    return text if text is None or len(text) <= LONGEST else text[: LONGEST - 1] + "…"


def _by(event: Any) -> Line:
    return Line(event.by)


def _by_with_reason(event: Any) -> Line:
    return Line(event.by, _short(event.reason))


def _succeeded(event: e.ExecutionSucceeded) -> Line:
    return Line(None, ASKS if event.asks else None, event.is_error, event.duration_ms)


def _failed(event: e.ExecutionFailed) -> Line:
    return Line(None, _error_message(event.error), True, event.duration_ms)


def _late(event: e.LateOutcomeRecorded) -> Line:
    return Line(None, _error_message(event.error) if event.error else None, event.is_error)


def _error_message(error: str) -> str | None:
    """The message in an error's JSON text; the text itself where it holds none."""
    try:
        return _short(_error_text.decode(error).message or error)
    except msgspec.MsgspecError:
        return _short(error)


def _granted(event: e.GrantIssued) -> Line:
    uses = f", {event.uses} uses" if event.uses is not None else ""
    client = f", for {event.client}" if event.client is not None else ""
    until = datetime.fromtimestamp(event.expires_at // 1000, UTC).isoformat().replace("+00:00", "Z")
    return Line(event.by, f"until {until}{uses}{client}", subject=event.pattern)


def _connected(event: e.UpstreamConnected) -> Line:
    return Line(None, _short(f"{event.server} {event.version}, {event.tools} tools, on {event.replica}"))


def _lost(event: e.UpstreamLost) -> Line:
    return Line(None, _short(f"{event.reason} (on {event.replica})"), event.crash_loop)


def _catalogue(event: e.CatalogueChanged) -> Line:
    dropped = f"; refused: {', '.join(event.dropped)}" if event.dropped else ""
    return Line(None, _short(f"{len(event.tools)} tools{dropped}"))


def _watched(event: e.ResourcesSubscribed | e.ResourcesUnsubscribed) -> Line:
    names = ", ".join(f"{item.upstream}/resource:{item.uri}" for item in event.resources)
    reason = getattr(event, "reason", None)
    return Line(detail=_short(f"{names} ({reason})" if reason else names))


def _configured(event: e.ConfigLoaded) -> Line:
    skipped = f"; skipped: {', '.join(event.skipped)}" if event.skipped else ""
    return Line(None, _short(f"{len(event.upstream_names)} upstreams{skipped}"))


_LINES: Final[dict[Any, Callable[[Any], Line]]] = {
    e.UpstreamTaskShown: lambda event: Line(detail=event.status.replace("_", " ")),
    e.InputRequested: lambda event: Line(detail=event.method),
    e.InputGiven: lambda event: Line(detail="with an error" if event.refused else None),
    e.InputWithdrawn: lambda event: Line(detail=_short(event.reason)),
    e.CallContinued: lambda event: Line(detail=f"as task {event.by}"),
    e.ExecutionSucceeded: _succeeded,
    e.ExecutionFailed: _failed,
    e.ExecutionOutcomeUnknown: lambda event: Line(None, _short(event.reason), True, event.duration_ms),
    e.LateOutcomeRecorded: _late,
    e.OutcomeResolved: lambda event: Line(event.by, event.resolution.value),
    e.CallApproved: _by,
    e.CallDenied: _by_with_reason,
    e.CallCancelled: _by_with_reason,
    e.ApprovalNotifyFailed: lambda event: Line(None, _short(event.error), True),
    e.GrantIssued: _granted,
    e.GrantRevoked: _by,
    e.RuleSet: lambda event: Line(event.by, subject=event.pattern, action=event.action),
    e.RuleRemoved: _by,
    e.AdminPaired: lambda event: Line(subject=event.name),
    e.AdminRemoved: _by,
    e.UpstreamConnected: _connected,
    e.UpstreamLost: _lost,
    e.CatalogueChanged: _catalogue,
    e.OwnershipTaken: lambda event: Line(None, f"on {event.replica}"),
    e.OwnershipEnded: lambda event: Line(None, _short(f"{event.reason} (on {event.replica})")),
    e.ResourcesSubscribed: _watched,
    e.ResourcesUnsubscribed: _watched,
    e.ReplicaStarted: lambda event: Line(None, f"{event.version}, process {event.pid} on {event.host}"),
    e.ReplicaStopped: lambda event: Line(None, _short(event.reason)),
    e.ConfigLoaded: _configured,
    e.AccessLocked: _by_with_reason,
    e.AccessUnlocked: _by,
    e.HandlerGaveUp: lambda event: Line(None, _short(event.error), True, subject=event.about),
    e.SegmentArchived: lambda event: Line(None, f"{event.first} to {event.last}, {event.size} bytes"),
    e.SegmentsRemoved: lambda event: Line(None, f"up to {event.before - 1}"),
    e.LogDiverged: lambda event: Line(None, _short(event.detail), True),
}
