"""Whether a history keeps every promise: a pure function that knows the promises and nothing of Portero's code."""

from collections.abc import Callable, Iterator

from tests.chaos.checker import answers, effects, lives, order, owners, policy, times
from tests.chaos.checker.violation import Violation
from tests.chaos.history import History

PROMISES: tuple[Callable[[History], Iterator[Violation]], ...] = (
    order.check,
    lives.check,
    policy.check,
    effects.check,
    times.check,
    answers.check,
    owners.check,
)


def check(history: History) -> list[Violation]:
    """Everything that is wrong, in no particular order; empty when all promises were kept."""
    return [violation for promise in PROMISES for violation in promise(history)]


__all__ = ["Violation", "check"]
