"""The answer to /logs: one line for each decision, result and event that people care for."""

from collections.abc import Callable, Sequence
from typing import Final

from portero.domain.values import Action
from portero.telegram.render import rich
from portero.telegram.render.facts import brief
from portero.telegram.render.listing import Item, Listing
from portero.telegram.render.standing import Hour, who
from portero.telegram.render.times import span
from projections.activity import Entry

_ICONS: Final = {
    "PolicyDecided": "⛔",
    "ApprovalRequested": "🔔",
    "CallApproved": "👍",
    "CallDenied": "⛔",
    "ApprovalExpired": "⌛",
    "CallCancelled": "🚫",
    "ExecutionSucceeded": "✅",
    "ExecutionFailed": "❌",
    "ExecutionOutcomeUnknown": "❓",
    "LateOutcomeRecorded": "🐌",
    "OutcomeResolved": "☑️",
    "ApprovalNotifyFailed": "📡",
}
_WORDS: Final = {
    "PolicyDecided": "denied by policy",
    "ApprovalRequested": "asked",
    "CallApproved": "approved by",
    "CallDenied": "denied by",
    "ApprovalExpired": "expired",
    "CallCancelled": "cancelled by",
    "ExecutionSucceeded": "done",
    "ExecutionFailed": "failed",
    "ExecutionOutcomeUnknown": "outcome unknown",
    "LateOutcomeRecorded": "answered too late",
    "OutcomeResolved": "settled by",
    "ApprovalNotifyFailed": "could not be shown on Telegram",
    "GrantIssued": "granted by",
    "GrantUsed": "grant used",
    "GrantRevoked": "grant revoked by",
    "GrantExpired": "grant ended",
    "RuleSet": "rule set by",
    "RuleRemoved": "rule removed by",
    "AdminPaired": "paired",
    "AdminRemoved": "removed by",
    "AccessLocked": "locked by",
    "AccessUnlocked": "unlocked by",
    "UpstreamConnected": "connected",
    "UpstreamLost": "lost",
    "OwnershipTaken": "taken over",
    "OwnershipEnded": "given back",
    "HandlerGaveUp": "given up",
}

DECISIONS: Final = frozenset(
    {"PolicyDecided", "CallApproved", "CallDenied", "ApprovalExpired", "CallCancelled", "OutcomeResolved"}
)
RESULTS: Final = frozenset({"ExecutionSucceeded", "ExecutionFailed", "ExecutionOutcomeUnknown", "LateOutcomeRecorded"})
RULES: Final = frozenset(kind for kind in _WORDS if kind.startswith(("Grant", "Rule", "Admin", "Access")))
UPSTREAMS: Final = frozenset(
    {"UpstreamConnected", "UpstreamLost", "CatalogueChanged", "OwnershipTaken", "OwnershipEnded"}
)

_NAMED: Final[dict[str, Callable[[Entry], bool]]] = {
    "": lambda entry: entry.type in DECISIONS | RESULTS | RULES | {"HandlerGaveUp", "ApprovalNotifyFailed"},
    "all": lambda entry: True,
    "decisions": lambda entry: entry.type in DECISIONS,
    "results": lambda entry: entry.type in RESULTS,
    "errors": lambda entry: entry.is_error,
    "denied": lambda entry: (
        entry.type == "CallDenied" or (entry.type == "PolicyDecided" and entry.action is Action.DENY)
    ),
    "rules": lambda entry: entry.type in RULES,
    "servers": lambda entry: entry.type in UPSTREAMS,
}


def chosen(words: str) -> Callable[[Entry], bool]:
    """By a name of a filter, or by a word in what the entry is about, who did it, for which client."""
    named = _NAMED.get(words.lower())
    if named is not None:
        return named
    wanted = words.lower()
    return lambda entry: any(wanted in str(text).lower() for text in (entry.subject, entry.actor, entry.client or ""))


def journal(entries: Sequence[Entry], hour: Hour, words: str) -> Listing:
    title = rich.bold("📝 Log")
    if words:
        title = rich.join((title, rich.text(" "), rich.code(brief(words, 60))))
    return Listing("logs", title, tuple(Item(_line(entry, hour)) for entry in entries), "Nothing like that lately.")


def _line(entry: Entry, hour: Hour) -> rich.Rich:
    words = _WORDS.get(entry.type, entry.type)
    if words.endswith(" by"):
        words = f"{words} {who(entry.actor)}"
    icon = "⚠️" if entry.is_error and entry.type == "ExecutionSucceeded" else _ICONS.get(entry.type, "▫️")
    took = f" in {span(entry.duration_ms)}" if entry.duration_ms is not None else ""
    when = hour.clock(entry.at)
    detail = rich.join((rich.text(" "), rich.code(brief(entry.detail, 100)))) if entry.detail else ()
    return rich.join(
        (rich.text(f"{icon} {when} "), rich.code(brief(entry.subject, 80)), rich.text(f" {words}{took}"), detail)
    )
