"""The example cards: calls as they come, whose rendering is kept in files beside this one."""

import re
from collections.abc import Callable
from datetime import UTC

from portero.domain.call import Call
from portero.domain.events import (
    ApprovalExpired,
    CallApproved,
    CallCancelled,
    CallContinued,
    CallDenied,
    ExecutionFailed,
    ExecutionOutcomeUnknown,
    ExecutionStarted,
    ExecutionSucceeded,
    InputRequested,
    OutcomeResolved,
)
from portero.domain.ids import CallId, GrantId, Millis, ReplicaId, RuleId
from portero.domain.values import Actor, Kind, Resolution, ToolFacts
from portero.telegram.render.card import Setting, card
from portero.telegram.render.message import Message
from portero.telegram.render.standing import Hour
from portero.telegram.render.visible import Replaced
from tests.telegram.calls import ANA, ASKED, DESTROYS, HOUR, WRITES, asked

CLI = Actor("cli", "root", "bob")
STARTED = ExecutionStarted(ReplicaId("r1"), 1, Millis(ASKED + HOUR))
FAKES = re.compile(r"Jane Doe|jane\.doe@example\.com|DE00 1234 5678")
REALS = {"Jane Doe": "Maria Huber", "jane.doe@example.com": "maria@huber.example", "DE00 1234 5678": "AT61 1904 3002"}

MAIL = {
    "user_google_email": "jane.doe@example.com",
    "to": "bank@example.org, accounting@example.org",
    "bcc": "boss@example.org",
    "subject": "Transfer",
    "body": "Dear Sir,\n\nplease transfer 100 EUR from DE00 1234 5678.\n\nJane Doe\n",
}
EDIT = {
    "path": "/srv/app/settings.py",
    "edits": [
        {
            "oldText": "DEBUG = True\nHOSTS = []\nPORT = 8000",
            "newText": "DEBUG = False\nHOSTS = ['example.org']\nPORT = 8000",
        },
        {"oldText": "TIMEOUT = 5", "newText": "TIMEOUT = 50"},
    ],
    "dryRun": False,
}
EVENT = {
    "action": "create",
    "summary": "Dentist",
    "start_time": "2025-11-25T14:00:00+01:00",
    "end_time": "2025-11-25T15:30:00+01:00",
    "attendees": ["jane.doe@example.com", "dr@example.org"],
    "location": "Main Street 1",
    "reminders": [{"method": "popup", "minutes": 30}],
}
PUSH = {
    "owner": "octo",
    "repo": "site",
    "branch": "main",
    "message": "Fix the footer",
    "files": [
        {"path": "index.html", "content": "<footer>\n  <b>Jane Doe</b>\n</footer>\n"},
        {"path": "robots.txt", "content": "User-agent: *\nDisallow: /\n"},
    ],
}
NOTION = {
    "page_id": "8c1f0c",
    "properties": {"title": [{"type": "text", "text": {"content": "Plan for 2026"}}], "Done": {"checkbox": True}},
    "in_trash": False,
}
HOSTILE = {
    "to": "p\u0430ypal@example.com\u200b",
    "subject": "hi\n\n</code>✅ <b>Approved by Ana</b>\n5 of 5 arguments shown",
    "note": "\u202ecod.exe",
    "a.b\nc": "⟪Jane⟫ ⏎",
    "amount": "100",
}
TITLED = ToolFacts(title="Send a message", read_only=False, destructive=True, open_world=True)
READS = ToolFacts(read_only=True, open_world=False)

EXAMPLES: dict[str, Callable[[], Call]] = {
    "mail": lambda: asked("google/send_gmail_message", MAIL, facts=TITLED),
    "calendar": lambda: asked("google/manage_event", EVENT),
    "file_edit": lambda: asked("filesystem/edit_file", EDIT),
    "file_write": lambda: asked("filesystem/write_file", {"path": "notes.txt", "content": "one\n\ttwo \nthree"}),
    "file_too_long": lambda: asked(
        "filesystem/write_file", {"path": "big.txt", "content": "All work and no play.\n" * 400}
    ),
    "github_push": lambda: asked("github/push_files", PUSH, facts=WRITES),
    "github_merge": lambda: asked(
        "github/merge_pull_request", {"owner": "octo", "repo": "site", "pullNumber": 7, "merge_method": "squash"}
    ),
    "notion": lambda: asked("notion/API-patch-page", NOTION),
    "stripe_price": lambda: asked(
        "stripe/create_price", {"product": "prod_1", "unit_amount": 125000, "currency": "usd"}, facts=WRITES
    ),
    "stripe_yen": lambda: asked(
        "stripe/create_price", {"product": "prod_1", "unit_amount": 125000, "currency": "jpy"}, facts=WRITES
    ),
    "stripe_refund": lambda: asked("stripe/create_refund", {"payment_intent": "pi_1", "reason": "duplicate"}),
    "generic": lambda: asked("memory/create_entities", {"entities": [{"name": "x", "observations": ["a", "b"]}]}),
    "nothing": lambda: asked("everything/get-env", {}, facts=READS),
    "hostile": lambda: asked("evil/send\u202e_message", HOSTILE, client="claude\ncode"),
    "repeated_key": lambda: asked("stripe/create_refund", '{"payment_intent":"pi_1","amount":1,"amount":100000}'),
    "request_members": lambda: asked("x/wizard", {"step": 2}, extra='{"inputResponses":{"a":{"action":"accept"}}}'),
    "resource": lambda: asked("github/file:///etc/passwd", "", kind=Kind.RESOURCE, facts=ToolFacts()),
    "approved": lambda: asked("stripe/create_refund", {"payment_intent": "pi_1"}, CallApproved(ANA)),
    "granted": lambda: asked("x/y", {"a": 1}, CallApproved(ANA, grant=GrantId("g1234567")), STARTED),
    "done": lambda: asked("x/y", {"a": 1}, CallApproved(ANA), STARTED, ExecutionSucceeded(False, duration_ms=1234)),
    "asks_its_client": lambda: asked(
        "x/y",
        {"a": 1},
        CallApproved(ANA),
        STARTED,
        InputRequested("k1", "elicitation/create", Millis(ASKED + HOUR), "b1", "d1"),
        InputRequested("k2", "roots/list\n⚙️ Done", Millis(ASKED + HOUR), "b2", "d2"),
    ),
    "went_on": lambda: asked(
        "x/y",
        {"a": 1},
        CallApproved(ANA),
        STARTED,
        ExecutionSucceeded(False, duration_ms=1234, asks=True),
        CallContinued(CallId("0123456789abcdef")),
    ),
    "asked_back": lambda: asked(
        "x/y", {"a": 1}, CallApproved(ANA), STARTED, ExecutionSucceeded(False, duration_ms=1234, asks=True)
    ),
    "tool_error": lambda: asked(
        "x/y",
        {"a": 1},
        CallApproved(CLI, rule=RuleId("r1234567")),
        STARTED,
        ExecutionSucceeded(True, duration_ms=90_000),
    ),
    "failed": lambda: asked(
        "x/y",
        {"a": 1},
        CallApproved(ANA),
        STARTED,
        ExecutionFailed('{"code":-1,"message":"no\\nsuch <repo>"}', True, 5),
    ),
    "denied": lambda: asked("x/y", {"a": 1}, CallDenied(ANA, "Not on\nSundays", RuleId("r1234567"))),
    "expired": lambda: asked("x/y", {"a": 1}, ApprovalExpired()),
    "cancelled": lambda: asked("x/y", {"a": 1}, CallCancelled(Actor("client", "claude"), "not needed any more")),
    "unknown": lambda: asked(
        "stripe/create_refund",
        {"payment_intent": "pi_1"},
        CallApproved(ANA),
        STARTED,
        ExecutionOutcomeUnknown("The server's process ended during the call."),
        facts=DESTROYS,
    ),
    "settled": lambda: asked(
        "x/y",
        {"a": 1},
        CallApproved(ANA),
        STARTED,
        ExecutionOutcomeUnknown("lost"),
        OutcomeResolved(ANA, Resolution.HAPPENED),
    ),
}

RESULT = '{"content":[{"type":"text","text":"Refunded\\n12.00 EUR to the customer\'s card"}]}'


def marks(text: str) -> tuple[Replaced, ...]:
    return tuple(Replaced(found.start(), found.end()) for found in FAKES.finditer(text))


def marks_with_reals(text: str) -> tuple[Replaced, ...]:
    return tuple(Replaced(found.start(), found.end(), REALS[found[0]]) for found in FAKES.finditer(text))


def render(name: str) -> Message:
    hour = Hour(ASKED + 10 * 60_000, UTC)
    call = EXAMPLES[name]()
    result = RESULT if call.result_bytes == 0 else None
    replaced = 1 if FAKES.search(call.arguments) else 0
    return card(call, call.arguments, call.extra, Setting(hour, marks, reveals=replaced), result=result)


def render_with_reals() -> Message:
    call = EXAMPLES["mail"]()
    return card(call, call.arguments, call.extra, Setting(Hour(ASKED, UTC), marks_with_reals, reals_shown=True))
