"""A rule is a policy that a person set in chat or on the command line, and that holds until it is removed."""

import hashlib

import attrs

from portero.domain.commands import RuleCommand, SetRule
from portero.domain.events import Recorded, RuleEvent, RuleRemoved, RuleSet
from portero.domain.ids import CallId, Millis, RuleId
from portero.domain.patterns import Pattern
from portero.domain.values import Action, Actor
from portero.errors import DecisionError, Invalid, NotFound


@attrs.frozen
class Rule:
    """One rule as it stands; ``action`` None once it is removed."""

    id: RuleId
    version: int
    pattern: str
    literal: bool
    action: Action | None
    by: Actor
    at: Millis
    call: CallId | None = None
    """The call on whose card it was set."""
    foreign: bool = False
    """A newer release wrote on it something that this one cannot read."""

    @property
    def parsed(self) -> Pattern:
        return Pattern.of(self.pattern, literal=self.literal)


def rule_id(pattern: str, *, literal: bool) -> RuleId:
    """One rule per pattern: the same pattern has the same id, however it was set. Without a star, all are literal."""
    kind = "literal" if literal and "*" in pattern else "pattern"
    return RuleId("r" + hashlib.sha256(f"{kind} {pattern}".encode("utf-8", "surrogatepass")).hexdigest()[:7])


def evolve(state: Rule | None, recorded: Recorded[RuleEvent | None]) -> Rule:
    event, version, at = recorded.event, recorded.version, recorded.meta.at
    match event:
        case RuleSet():
            identity = RuleId(recorded.aggregate.partition("/")[2])
            return Rule(identity, version, event.pattern, event.literal, event.action, event.by, at, event.call)
        case _ if state is None:
            raise NotFound(f"{recorded.aggregate} has no beginning on this log.")
        case RuleRemoved():
            return attrs.evolve(state, version=version, action=None, by=event.by, at=at)
        case None:
            return attrs.evolve(state, version=version, foreign=True)


def decide(state: Rule | None, command: RuleCommand, now: Millis) -> list[RuleEvent]:
    """Raises Invalid or NotFound. Setting a rule again as it stands is recorded too: a person said so."""
    if state is not None and state.foreign:
        raise DecisionError(f"A newer release of Portero wrote on rule {state.id}; this one leaves it alone.")
    if isinstance(command, SetRule):
        pattern = Pattern.of(command.pattern, literal=command.literal)
        if state is not None and state.action is not None and not _same(state, pattern):
            raise Invalid(
                f"Rule {state.id} stands for {state.pattern}: remove it first, its id is the same by accident."
            )
        return [RuleSet(command.pattern, command.literal, command.action, command.by, command.call)]
    if state is None or state.action is None:
        raise NotFound("There is no such rule.")
    return [RuleRemoved(command.by)]


def _same(state: Rule, pattern: Pattern) -> bool:
    return Pattern.of(state.pattern, literal=state.literal) == pattern
