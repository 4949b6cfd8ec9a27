"""What happened lately, a line each."""

import pytest
from msgspec.structs import replace

from portero.domain import events as e
from portero.domain.ids import LOCK_AGGREGATE, Millis
from portero.domain.values import SYSTEM, Action, Kind, Resolution, ToolFacts
from projections.limits import Limits
from projections.lines import SAID_TO_TASKS
from tests.domain.stories import (
    ALLOWED,
    ANA,
    BEN,
    CALL,
    CLIENT,
    COMPLETED,
    DENIED_BY_POLICY,
    ERRED,
    HOUR,
    LATE,
    LOST,
    NOW,
    PENDING,
    R1,
    SUCCEEDED,
    UNKNOWN,
)
from tests.projections.tape import Tape, call_id


def types(entries) -> list[str]:
    return [entry.type for entry in entries]


def test_an_allowed_call_is_one_line_when_it_ends():
    [entry] = Tape().call(*ALLOWED, SUCCEEDED).view().activity.recent()
    assert (entry.type, entry.subject, entry.client, entry.action) == (
        "ExecutionSucceeded", "github/create_issue", CLIENT, Action.ALLOW,
    )  # fmt: skip
    assert (entry.seq, entry.at, entry.aggregate) == (4, NOW, f"call/{CALL}")
    assert (entry.duration_ms, entry.is_error) == (12, False)


@pytest.mark.parametrize("kind", [Kind.TASK_UPDATE, Kind.TASK_CANCEL])
def test_what_is_said_to_a_task_does_not_look_like_a_call_of_its_tool(kind):
    requested, *rest = ALLOWED
    [entry] = Tape().call(replace(requested, kind=kind), *rest, SUCCEEDED).view().activity.recent()
    assert (entry.subject, entry.detail) == ("github/create_issue", SAID_TO_TASKS[kind])


def test_what_a_task_of_an_upstream_comes_to_is_a_line():
    shown = e.UpstreamTaskShown("input_required", "d", 7)
    entry, _ = Tape().call(*ALLOWED, SUCCEEDED, shown).view().activity.recent()
    assert (entry.type, entry.detail) == ("UpstreamTaskShown", "input required")


def test_a_call_that_was_asked_for_leaves_a_line_for_each_step_that_matters():
    tape = Tape().call(*PENDING, e.ApprovalNotified("telegram", "1:2"), *COMPLETED[3:], e.ResultRead())
    assert types(tape.view().activity.recent()) == ["ExecutionSucceeded", "CallApproved", "ApprovalRequested"]


@pytest.mark.parametrize(
    ("history", "by", "detail", "is_error"),
    [
        (DENIED_BY_POLICY, SYSTEM, None, False),
        ((*PENDING, e.CallApproved(ANA)), ANA, None, False),
        ((*PENDING, e.CallDenied(ANA, "not today")), ANA, "not today", False),
        ((*PENDING, e.CallCancelled(BEN, "enough")), BEN, "enough", False),
        ((*PENDING, e.ApprovalExpired()), SYSTEM, None, False),
        ((*PENDING, e.ApprovalNotifyFailed("telegram", "429", 1, None)), SYSTEM, "429", True),
        (ERRED, SYSTEM, "no", True),
        ((*ERRED[:-1], e.ExecutionFailed("no JSON", sent=False)), SYSTEM, "no JSON", True),
        ((*ALLOWED, replace(SUCCEEDED, is_error=True)), SYSTEM, None, True),
        (UNKNOWN, SYSTEM, LOST.reason, True),
        ((*UNKNOWN, LATE), SYSTEM, None, False),
        ((*UNKNOWN, e.LateOutcomeRecorded(True, error='{"message":"late no"}')), SYSTEM, "late no", True),
        ((*UNKNOWN, e.OutcomeResolved(ANA, Resolution.HAPPENED)), ANA, "happened", False),
    ],
)
def test_a_line_says_who_and_what(history, by, detail, is_error):
    entry = Tape().call(*history).view().activity.recent(1)[0]
    assert (entry.type, entry.actor, entry.detail) == (type(history[-1]).__name__, by, detail)
    assert (entry.is_error, entry.subject) == (is_error, "github/create_issue")


END = Millis(NOW + HOUR)
CONNECTED = e.UpstreamConnected(R1, "mcp-git", "1.2", "2025-11-25", 12)
STARTED = e.ReplicaStarted(R1, "0.1.0", 77, "host")
CATALOGUE = e.CatalogueChanged(R1, "d", (e.CatalogueTool("x", ToolFacts()),), ("y: name too long",))


@pytest.mark.parametrize(
    ("aggregate", "event", "subject", "by", "detail"),
    [
        ("grant/g1", e.GrantIssued("a/*", False, END, ANA, 3), "a/*", ANA, "until 2027-01-15T09:00:00Z, 3 uses"),
        ("rule/r1", e.RuleSet("a/*", False, Action.DENY, ANA), "a/*", ANA, None),
        ("admin/1", e.AdminPaired(1, "Ana", 2), "Ana", SYSTEM, None),
        ("upstream/git", CONNECTED, "git", SYSTEM, "mcp-git 1.2, 12 tools, on r1"),
        ("upstream/git", e.UpstreamLost(R1, "exit 1", 3, True, None), "git", SYSTEM, "exit 1 (on r1)"),
        ("upstream/git", CATALOGUE, "git", SYSTEM, "1 tools; refused: y: name too long"),
        ("replica/r1", STARTED, "r1", SYSTEM, "0.1.0, process 77 on host"),
        ("replica/r1", e.ReplicaStopped(R1, "asked to"), "r1", SYSTEM, "asked to"),
        (
            "replica/r1", e.ConfigLoaded(R1, "p", "r", "u", Action.ASK, ("a", "b"), ("c: no TOKEN",)),
            "r1", SYSTEM, "2 upstreams; skipped: c: no TOKEN",
        ),
        (LOCK_AGGREGATE, e.AccessLocked(ANA, "holiday"), "lock", ANA, "holiday"),
        (LOCK_AGGREGATE, e.AccessUnlocked(BEN), "lock", BEN, None),
        ("system/log", e.HandlerGaveUp("execution", "call/1", 5, "boom"), "call/1", SYSTEM, "boom"),
        ("system/archive", e.SegmentArchived(1, 9, "d", "p", "x", 100), "archive", SYSTEM, "1 to 9, 100 bytes"),
        ("system/archive", e.SegmentsRemoved(10, "d"), "archive", SYSTEM, "up to 9"),
        ("system/log", e.LogDiverged(R1, 4, 6, "gap"), "log", SYSTEM, "gap"),
    ],
)  # fmt: skip
def test_what_people_and_replicas_do_is_a_line_too(aggregate, event, subject, by, detail):
    [entry] = Tape().write(aggregate, event).view().activity.recent()
    assert (entry.type, entry.subject, entry.actor, entry.detail) == (type(event).__name__, subject, by, detail)


def test_the_end_of_a_grant_or_rule_names_its_pattern():
    tape = Tape().write("grant/g1", e.GrantIssued("a/*", False, Millis(NOW + HOUR), ANA), e.GrantRevoked(BEN))
    tape.write("rule/r1", e.RuleSet("b/*", False, Action.DENY, ANA), e.RuleRemoved(BEN))
    removed, _, revoked, _ = tape.view().activity.recent()
    assert (removed.subject, removed.actor, revoked.subject, revoked.actor) == ("b/*", BEN, "a/*", BEN)


def test_long_texts_are_cut():
    [entry] = Tape().call(*PENDING, e.CallDenied(ANA, "x" * 5_000)).view().activity.recent(1)
    assert (len(entry.detail), entry.detail[-2:]) == (300, "x…")


def pages(limit=None):
    tape = Tape()
    for number in range(6):
        tape.call(*ALLOWED, SUCCEEDED, call=call_id(number))
    return tape.view(limit).activity


def test_lines_come_newest_first_and_in_pages():
    assert [entry.seq for entry in pages().recent(2)] == [24, 20]
    assert [entry.seq for entry in pages().recent(2, before=20)] == [16, 12]
    assert [entry.seq for entry in pages().recent(9, where=lambda entry: entry.seq % 8 == 0)] == [24, 16, 8]


def test_lines_since_a_position_come_oldest_first():
    assert [entry.seq for entry in pages().since(12)] == [16, 20, 24]
    assert pages().since(24) == []


def test_old_lines_are_forgotten_but_counted():
    activity = pages(Limits(activity=2))
    assert (len(activity.recent(99)), activity.counts) == (2, {"ExecutionSucceeded": 6})
