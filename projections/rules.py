"""Rules that hold, in the order they were first set."""

from collections.abc import Iterator

from portero.domain.events import Recorded, RuleEvent, RuleSet
from portero.domain.ids import RuleId
from portero.domain.rule import Rule, evolve


class Rules:
    """Iterating gives the rules that hold; a removed one is forgotten (the log remembers it)."""

    def __init__(self) -> None:
        self._rules: dict[RuleId, Rule] = {}

    def get(self, rule: RuleId) -> Rule | None:
        return self._rules.get(rule)

    def __iter__(self) -> Iterator[Rule]:
        return iter(self._rules.values())

    def __len__(self) -> int:
        return len(self._rules)

    def fold(self, recorded: Recorded[RuleEvent | None]) -> Rule | None:
        """None when there was no such rule."""
        before = self._rules.get(RuleId(recorded.aggregate.partition("/")[2]))
        if before is None and not isinstance(recorded.event, RuleSet):
            return None
        after = evolve(before, recorded)
        if after.action is None:
            self._rules.pop(after.id, None)
        else:
            self._rules[after.id] = after
        return after

    def dump(self) -> tuple[Rule, ...]:
        return tuple(self._rules.values())

    def load(self, state: tuple[Rule, ...]) -> None:
        self._rules = {rule.id: rule for rule in state}
