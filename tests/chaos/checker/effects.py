"""Effects happen at most once, only for calls that have started, and never for what was called off before."""

from collections import defaultdict
from collections.abc import Iterator

from tests.chaos.checker.lives import Life, lives_of
from tests.chaos.checker.violation import Violation
from tests.chaos.history import Effect, History

ONCE = "an effect happens at most once"
STARTED = "nothing happens that has not started on the log"
UNSENT = "what is said not to have been sent has not happened"
HAPPENED = "what is said to have succeeded has happened"
CLOCK_MS = 5
"""The log's times and those of effects come from one clock, but are rounded each for itself."""


def check(history: History) -> Iterator[Violation]:
    by_id: dict[str, list[Effect]] = defaultdict(list)
    for effect in history.effects:
        by_id[effect.id].append(effect)
    lives = {life.argument: life for life in lives_of(history.log).values()}
    for identity, effects in by_id.items():
        life = lives.get(identity)
        if life is None:
            yield Violation(STARTED, identity, f"{effects[0].tool} has run and is on no log")
        else:
            yield from _of_call(life, effects, history)
    for identity, life in lives.items():
        if life.of("ExecutionSucceeded") and identity not in by_id:
            yield Violation(HAPPENED, f"call {life.id}", f"{life.tool} succeeded, and nothing has happened")


def _of_call(life: Life, effects: list[Effect], history: History) -> Iterator[Violation]:
    about = f"call {life.id} ({life.argument})"
    starts = life.of("ExecutionStarted")
    if not starts:
        yield Violation(STARTED, about, f"{life.tool} has run, and the call is {life.status}")
        return
    if min(effect.at for effect in effects) < starts[0].at - CLOCK_MS:
        yield Violation(STARTED, about, f"it ran before it started at {starts[0].n}")
    if life.status in {"denied", "expired"}:
        yield Violation(UNSENT, about, f"it has run, and has ended as {life.status}")
    unsent = sum(not entry.data["sent"] for entry in life.of("ExecutionFailed"))
    if len(effects) > len(starts) - unsent:
        promise = UNSENT if unsent else ONCE
        yield Violation(promise, about, f"{len(effects)} effects, {len(starts)} starts, {unsent} of them unsent")
    again = sum(entry.data["resolution"] == "run-again" for entry in life.of("OutcomeResolved"))
    if len(effects) > 1 + again and life.tool not in history.rules.repeatable:
        yield Violation(ONCE, about, f"{len(effects)} effects, and {again} times somebody said: run it again")
    by_itself = any(entry.data["by"]["kind"] == "system" for entry in life.of("OutcomeResolved"))
    if by_itself and life.tool not in history.rules.repeatable:
        yield Violation(ONCE, about, f"{life.tool} ran again by itself")
