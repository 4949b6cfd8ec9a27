"""Examples of what the bot says beside cards: notices, lists, answers."""

from collections.abc import Callable
from datetime import UTC

from portero.domain.admin import Lock
from portero.domain.archive import Archived
from portero.domain.events import CallApproved, ExecutionOutcomeUnknown, ExecutionSucceeded
from portero.domain.grant import Grant
from portero.domain.ids import CallId, ClientId, GrantId, Millis, ReplicaId, RuleId
from portero.domain.owner import Owner
from portero.domain.rule import Rule
from portero.domain.values import Action
from portero.telegram.effects import Effect
from portero.telegram.render import answers, journal, notices, rich, status
from portero.telegram.render.listing import page
from portero.telegram.render.message import Message
from portero.telegram.render.notices import Ran
from portero.telegram.render.standing import Hour
from projections.activity import Entry
from projections.replicas import Replica
from projections.upstreams import UpstreamState
from tests.telegram.calls import ANA, ASKED, HOUR, asked
from tests.telegram.examples import EXAMPLES, STARTED

NOW = Hour(ASKED + HOUR, UTC)
R1, R2 = ReplicaId("gate-1"), ReplicaId("gate-2")
CALLS = [
    asked("stripe/create_refund", {"payment_intent": "pi_1"}, identity=CallId("aaaaaaaaaaaaaaaa")),
    asked("evil/@admin\n/lock", {}, identity=CallId("bbbbbbbbbbbbbbbb")),
]
UNKNOWN = asked("x/y", {}, CallApproved(ANA), STARTED, ExecutionOutcomeUnknown("The process ended."))
DONE = asked("x/y", {}, CallApproved(ANA), STARTED, ExecutionSucceeded(False, duration_ms=1234))
ASKING = [EXAMPLES[name]() for name in ("asks_its_client", "asked_back", "went_on")]


def entry(kind: str, subject: str, **more: object) -> Entry:
    given = {"aggregate": "call/x", "actor": ANA, "client": ClientId("claude"), **more}
    return Entry(1, Millis(ASKED), kind, given.pop("aggregate"), subject, given.pop("actor"), **given)  # type: ignore[arg-type]


ENTRIES = [
    entry("ExecutionSucceeded", "fs/read_file", action=Action.ALLOW, duration_ms=12),
    entry("ExecutionFailed", "fs/write_file", is_error=True, detail="no space\nleft", duration_ms=3),
    entry("CallApproved", "stripe/create_refund"),
    entry("RuleSet", "github/*", action=Action.DENY, client=None),
    entry("PolicyDecided", "x/hidden", action=Action.DENY),
    entry("UpstreamLost", "notion", detail="exit 1 (on gate-1)", is_error=True, client=None),
]
STANDING = status.Standing(
    pending=3,
    unknown=1,
    untold=1,
    executing=2,
    grants=1,
    rules=4,
    locked=Lock(ANA, Millis(ASKED), "strange"),
    upstreams=[
        UpstreamState("github", R1, True, Millis(ASKED), tools=85),
        UpstreamState(
            "notion", R1, False, Millis(ASKED), reason="exit 1", failures=9, crash_loop=True, retry_at=Millis(1)
        ),
        UpstreamState("stripe", R2, False, Millis(ASKED + HOUR - 5000), reason="EOF", retry_at=Millis(1)),
    ],
    owners=[
        Owner("files", 3, 7, R2, Millis(ASKED)),
        Owner("ledger", 4, 8, None, Millis(ASKED), "Portero stops"),
    ],
    tools=85,
    replicas=[
        Replica(R1, "0.1.0", 1, "host", "http://x", Millis(ASKED), Millis(ASKED + HOUR)),
        Replica(R2, "0.1.0", 2, "host", "http://x", Millis(ASKED), Millis(ASKED)),
    ],
    skipped=["google is skipped: GOOGLE_OAUTH_CLIENT_ID is not set"],
    store="Valkey 9.1.2, fsync always",
    problems=["Memory is nearly full."],
    lag=7,
    archived=Archived(1, 5000, "5-0", "d", "x", Millis(ASKED)),
    trouble="Telegram asks to wait for 5 s",
)
EFFECT = Effect(("s/a", "s/b", "s/c"), ("s/c",), 1, ("s/c*", "default"))

SPOKEN: dict[str, Callable[[], Message]] = {
    "said_outcome": lambda: notices.outcome(DONE, NOW, '{"content":[{"type":"text","text":"done"}]}'),
    "said_unknown": lambda: notices.outcome(UNKNOWN, NOW, None),
    "said_reminder": lambda: notices.reminder(CALLS, NOW),
    "said_reminder_of_one": lambda: notices.reminder(CALLS[:1], NOW),
    "said_pinned": lambda: notices.pinned(CALLS, NOW),
    "said_pinned_empty": lambda: notices.pinned([], NOW),
    "said_summary": lambda: notices.summary(
        [
            Ran("fs/read_file", "0123456789abcdef", done=40, tool_errors=2, clients=frozenset({"claude", "codex"})),
            Ran("x/hidden", "fedcba9876543210", denied=3, clients=frozenset({"claude"})),
        ],
        ASKED,
        NOW,
    ),
    "said_failure": lambda: notices.failure("fs/write_file", "0123456789abcdef", "claude", "no space\nleft", 4),
    "said_crash_loop": lambda: notices.happening("💥", "A server crashes again and again:", "notion", "exit 1"),
    "list_pending": lambda: page(answers.tasks(CALLS, NOW, "pending", "⏳ Pending")),
    "list_tasks": lambda: page(answers.tasks([UNKNOWN, DONE, *ASKING], NOW, "tasks", "Tasks, newest first")),
    "list_grants": lambda: page(
        answers.grants(
            [Grant(GrantId("g1234567"), 1, "github/*", False, Millis(ASKED), Millis(ASKED + 2 * HOUR), ANA, 5, 2)], NOW
        )
    ),
    "list_rules": lambda: page(
        answers.rules([Rule(RuleId("r1234567"), 1, "x/*", True, Action.DENY, ANA, Millis(ASKED))], NOW)
    ),
    "list_logs": lambda: page(journal.journal(ENTRIES, NOW, "")),
    "list_status": lambda: page(status.status(STANDING, NOW)),
    "answer_help": answers.help_text,
    "answer_effect": lambda: Message(rich.lines([*answers.effect_lines(EFFECT), answers.lifted(EFFECT)])),
}
