"""What events, statuses and policy decisions are called on the command line."""

from collections.abc import Callable
from typing import Any, Final

from portero.cli.times import clock, span
from portero.domain import events as e
from portero.domain.call import Call
from portero.domain.values import Action, Actor, Reason, Status, Tier, ToolFacts
from projections.lines import ASKS, SAID_TO_TASKS, line_of

EVENTS: Final = {
    "ToolCallRequested": "requested",
    "PolicyDecided": "policy",
    "ApprovalRequested": "asks",
    "ApprovalNotified": "message sent",
    "ApprovalNotifyFailed": "message failed",
    "CallApproved": "approved",
    "CallDenied": "rejected",
    "ApprovalExpired": "expired",
    "CallCancelled": "cancelled",
    "ExecutionQueued": "queued",
    "ExecutionStarted": "started",
    "ExecutionSucceeded": "ran",
    "ExecutionFailed": "failed",
    "ExecutionOutcomeUnknown": "outcome unknown",
    "LateOutcomeRecorded": "late answer",
    "InputRequested": "asks the client",
    "InputGiven": "client answered",
    "InputWithdrawn": "question dropped",
    "TaskGiven": "became a task",
    "UpstreamTaskShown": "task looked at",
    "CallContinued": "went on",
    "OutcomeResolved": "settled",
    "ResultRead": "result read",
    "GrantIssued": "granted",
    "GrantUsed": "grant used",
    "GrantRevoked": "grant revoked",
    "GrantExpired": "grant ended",
    "RuleSet": "rule set",
    "RuleRemoved": "rule removed",
    "AdminPaired": "paired",
    "AdminRemoved": "unpaired",
    "UpstreamConnected": "connected",
    "UpstreamLost": "connection lost",
    "CatalogueChanged": "tools changed",
    "OwnershipTaken": "taken over",
    "OwnershipEnded": "given back",
    "ResourceUpdated": "resource changed",
    "StreamOpened": "stream opened",
    "ResourcesSubscribed": "subscribed",
    "ResourcesUnsubscribed": "unsubscribed",
    "LogLevelSet": "log level set",
    "RequestCancelled": "request called off",
    "SessionEnded": "session ended",
    "ReplicaStarted": "gateway started",
    "ReplicaStopped": "gateway stopped",
    "ConfigLoaded": "configuration",
    "AccessLocked": "locked",
    "AccessUnlocked": "unlocked",
    "HandlerGaveUp": "gave up",
    "SegmentArchived": "archived",
    "SegmentsRemoved": "archive cut",
    "LogDiverged": "log diverged",
}
"""A type that is not here (of a newer release) is shown by its own name."""


def event_word(type_name: str, action: Action | None = None) -> str:
    """``action`` is what the policy said of the call, or what a rule says."""
    if type_name == "PolicyDecided" and action is Action.DENY:
        return "denied"
    if type_name == "RuleSet" and action is not None:
        return f"rule set: {action.value}"
    return EVENTS.get(type_name, type_name)


def who(actor: Actor, client: str | None = None) -> str:
    """A person, or the client whose call it was; Portero itself where neither."""
    if client is not None and actor.kind in {"system", "client"}:
        return client
    return actor.id if actor.kind == "client" else str(actor)


def reason_words(reason: Reason | None) -> str:
    """What decided, in a few words: ``rule r12ab34c for github/*, lifted by grant g1234567``."""
    if reason is None:
        return "not decided yet"
    match reason.tier:
        case Tier.LOCK:
            words = "everything is locked"
        case Tier.RULE:
            words = f"rule {reason.rule} for {reason.pattern}"
        case Tier.EXACT | Tier.PATTERN:
            words = f"policies.json, {reason.pattern}"
        case Tier.DEFAULT:
            words = "policies.json, defaultPolicy"
    if reason.continues is not None:
        return f"{words}; goes on under what was decided for {reason.continues}"
    return f"{words}; lifted by grant {reason.grant}" if reason.grant else words


def marks(facts: ToolFacts) -> str:
    """What the server itself says of the tool; nobody has checked it."""
    said = [
        word
        for word, holds in (
            ("read-only", facts.read_only is True),
            ("writes", facts.read_only is False),
            ("destructive", facts.destructive is True),
            ("repeatable", facts.idempotent is True),
            ("talks to the world", facts.open_world is True),
        )
        if holds
    ]
    return ", ".join(said) or "nothing"


STATUSES: Final = {
    Status.REQUESTED: "received",
    Status.PENDING: "waits for a decision",
    Status.QUEUED: "approved, waits to run",
    Status.EXECUTING: "running",
    Status.COMPLETED: "ran",
    Status.ERROR: "ended with an error",
    Status.DENIED: "refused",
    Status.EXPIRED: "expired before it ran",
    Status.CANCELLED: "cancelled",
    Status.UNKNOWN: "outcome unknown: it may have happened",
}


def standing(call: Call) -> str:
    """Where a call stands, in a few words."""
    if call.questions:
        asked = ", ".join(dict.fromkeys(question.method for question in call.questions))
        return f"waits for its client to answer ({asked})"
    if call.asks:
        by = call.dialogue.continued_by if call.dialogue else None
        return (
            f"asked its client for more; went on as task {by}"
            if by
            else "asks its client for more; nothing came of it yet"
        )
    return STATUSES[call.status]


DECIDED: Final = {
    "approved-queued": "approved",
    "executing": "approved, and running",
    "completed": "approved, and has run",
    "error": "approved, and ended with an error",
    "outcome-unknown": "approved, and its outcome is unknown",
}
"""Where a call stands, said to somebody who comes too late."""


def event_detail(event: Any) -> str:
    """The rest of one event's line in a call's history."""
    say = _DETAILS.get(type(event))
    if say is not None:
        return say(event)
    line = line_of(event)
    took = f"after {span(line.duration_ms)}" if line.duration_ms else None
    return ", ".join(part for part in (line.detail, took) if part)


def _requested(event: e.ToolCallRequested) -> str:
    beside = f", {event.extra_bytes} bytes beside them" if event.extra_bytes else ""
    what = SAID_TO_TASKS.get(event.kind)
    beside += f", {what}" if what is not None else ""
    return f"{event.upstream}/{event.name}, {event.arguments_bytes} bytes of arguments{beside}"


def _succeeded(event: e.ExecutionSucceeded) -> str:
    outcome = "the tool reports an error" if event.is_error else ASKS if event.asks else "done"
    return f"{outcome}, {event.result_bytes} bytes in {span(event.duration_ms)}"


_DETAILS: Final[dict[Any, Callable[[Any], str]]] = {
    e.ToolCallRequested: _requested,
    e.PolicyDecided: lambda event: f"{event.action.value} ({reason_words(event.reason)})",
    e.ApprovalRequested: lambda event: f"until {clock(event.expires_at)}",
    e.ApprovalNotified: lambda event: f"by {event.channel}",
    e.ExecutionQueued: lambda event: f"asked for on {event.replica}",
    e.ExecutionStarted: lambda event: f"attempt {event.attempt}, on {event.replica}",
    e.ExecutionSucceeded: _succeeded,
}
