"""Nobody was told what the log denies: the answers to calls, and what polls have shown of tasks on any replica."""

import json
from collections import defaultdict
from collections.abc import Iterator

from tests.chaos import answers
from tests.chaos.checker.lives import Life, lives_of
from tests.chaos.checker.violation import Violation
from tests.chaos.history import History, Seen

AGREES = "no answer contradicts the log"
KNOWN = "a task that a client was given is known everywhere"
FORWARD = "what a replica shows does not go back"
SOUND = "Portero does not fail in itself"
CALLED_OFF = "what was called off before it started does not start"

WORKING = frozenset({"requested", "pending-approval", "approved-queued", "executing"})


def check(history: History) -> Iterator[Violation]:
    lives = lives_of(history.log)
    by_argument = {life.argument: life for life in lives.values()}
    ran = {effect.id for effect in history.effects}
    for seen in history.seen:
        if seen.answer is None:
            continue
        if seen.op == "call":
            yield from _call(seen, by_argument.get(seen.about), ran)
        elif seen.op == "poll":
            yield from _poll(seen, lives.get(seen.about.partition("-")[0]))
    yield from _forward(history, lives)


# --- calls ------------------------------------------------------------------------------------------------------------


def _call(seen: Seen, life: Life | None, ran: set[str]) -> Iterator[Violation]:
    about = f"{seen.tool} {seen.about} on {seen.where}"
    assert seen.answer is not None
    told = answers.of_call(seen.answer)
    if told.kind == "broken":
        yield Violation(SOUND, about, told.text)
    if told.kind in {"unsent", "refused"} and seen.about in ran:
        yield Violation(AGREES, about, f"it was {told.kind}, and it has run: {told.text}")
    if life is None:
        if told.kind not in {"unsent", "unsaid", "failed", "cancelled", "broken"}:
            yield Violation(AGREES, about, f"it was told {told.kind}, and it is not on the log")
        return
    problem = _contradiction(told, life, seen)
    if problem:
        yield Violation(AGREES, about, f"told {told.kind}, and {problem} ({life.id}): {told.text[:200]}")


def _contradiction(told: answers.Told, life: Life, seen: Seen) -> str | None:
    started = bool(life.of("ExecutionStarted"))
    if told.kind == "done":
        return _not_done(told, life, seen)
    if told.kind == "pending" and told.task.partition("-")[0] != life.id:
        return f"task {told.task} is another call's"
    if told.kind == "pending" and not life.asked:
        return "nobody is asked"
    if told.kind == "refused" and started:
        return "it has started"
    return "it has never started" if told.kind == "unknown" and not started else None


def _not_done(told: answers.Told, life: Life, seen: Seen) -> str | None:
    if not any(not entry.data["is_error"] for entry in life.of("ExecutionSucceeded", "LateOutcomeRecorded")):
        return f"it never succeeded, it is {life.status}"
    return None if json.loads(told.text).get("id") == seen.about else "the answer is another call's"


# --- tasks ------------------------------------------------------------------------------------------------------------


def _poll(seen: Seen, life: Life | None) -> Iterator[Violation]:
    assert seen.answer is not None
    status = answers.status_of_task(seen.answer)
    about = f"task {seen.about} on {seen.where}"
    if status == "broken":
        yield Violation(SOUND, about, seen.answer["error"]["message"])
    elif status == "unknown-task":
        yield Violation(KNOWN, about, f"it was said to be unknown, {seen.done}")
    elif status is not None and life is None:
        yield Violation(AGREES, about, f"it is shown as {status}, and is not on the log")
    elif status is not None and life is not None:
        stood = {each for _, each in life.statuses}
        if not (stood & WORKING if status == "working" else status in stood):
            yield Violation(AGREES, about, f"it was shown as {status}, and only ever was {sorted(stood)}")
        if status == "cancelled" and "before it started" in json.dumps(seen.answer) and life.of("ExecutionStarted"):
            yield Violation(CALLED_OFF, about, "it was said to be cancelled before it started, and it has started")


def _forward(history: History, lives: dict[str, Life]) -> Iterator[Violation]:
    """On one process, an answer that was asked for after another had come is not older than that."""
    shown: dict[tuple[str, str], list[tuple[int, int, int]]] = defaultdict(list)
    for seen in sorted((seen for seen in history.seen if seen.op == "poll"), key=lambda seen: seen.sent):
        life = lives.get(seen.about.partition("-")[0])
        status = answers.status_of_task(seen.answer) if seen.answer is not None else None
        if life is None or status is None or seen.done is None:
            continue
        at = [place for place, (_, each) in enumerate(life.statuses) if each == status]
        if not at:
            continue
        before = shown[life.id, seen.where]
        oldest = max((first for first, done, _ in before if done <= seen.sent), default=0)
        if at[-1] < oldest:
            text = f"{status} at {seen.done}, after {life.statuses[oldest][1]} had been shown"
            yield Violation(FORWARD, f"task {life.id} on {seen.where}", text)
        before.append((at[0], seen.done, at[-1]))
