"""Rules and grants as they stand, for tests of what follows from them."""

from portero.domain.grant import Grant
from portero.domain.ids import ClientId, GrantId, Millis
from portero.domain.rule import Rule, rule_id
from portero.domain.values import Action
from tests.domain.stories import ANA, MINUTE, NOW


def rule(pattern: str, action: Action, *, literal: bool = False, foreign: bool = False) -> Rule:
    return Rule(rule_id(pattern, literal=literal), 1, pattern, literal, action, ANA, NOW, foreign=foreign)


def grant(
    name: str,
    pattern: str = "*",
    *,
    uses: int | None = None,
    client: str | None = None,
    minutes: int = 60,
    literal: bool = False,
) -> Grant:
    until = Millis(NOW + minutes * MINUTE)
    owner = ClientId(client) if client else None
    return Grant(GrantId(name), 1, pattern, literal, NOW, until, ANA, uses=uses, client=owner)
