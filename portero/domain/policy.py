"""Which policy decides for a tool: lock, rules from chat, configuration by exact name, by pattern, and the default."""

from collections.abc import Callable, Iterable, Mapping
from itertools import chain
from typing import Final

import attrs
from msgspec.structs import replace

from portero.domain.digest import digest_of
from portero.domain.grant import Grant
from portero.domain.ids import Millis
from portero.domain.patterns import Pattern, readings
from portero.domain.rule import Rule
from portero.domain.values import Action, Reason, Tier
from portero.errors import Invalid

STRICTNESS: Final = {Action.DENY: 2, Action.ASK: 1, Action.ALLOW: 0}

FOREVER: Final = Millis(1 << 62)


@attrs.frozen
class ConfigPolicy:
    """``policies.json``: an action for each pattern, and one for all else. Raises Invalid naming a wrong pattern."""

    entries: Mapping[str, Action] = attrs.field(converter=dict)
    default: Action
    exact: Mapping[str, tuple[Pattern, Action]] = attrs.field(init=False, eq=False, repr=False)
    """By name: the patterns without a star."""
    addresses: tuple[tuple[Pattern, Action], ...] = attrs.field(init=False, eq=False, repr=False)
    """Those of them that name a resource."""
    patterns: tuple[tuple[Pattern, Action], ...] = attrs.field(init=False, eq=False, repr=False)
    """Those with a star, in no order."""

    @exact.default
    def _exact_names(self) -> Mapping[str, tuple[Pattern, Action]]:
        parsed = ((Pattern.parse(text), action) for text, action in self.entries.items() if "*" not in text)
        return {pattern.text: (pattern, action) for pattern, action in parsed}

    @addresses.default
    def _exact_addresses(self) -> tuple[tuple[Pattern, Action], ...]:
        return tuple((pattern, action) for name, (pattern, action) in self.exact.items() if readings(name))

    @patterns.default
    def _with_stars(self) -> tuple[tuple[Pattern, Action], ...]:
        return tuple((Pattern.parse(text), action) for text, action in self.entries.items() if "*" in text)

    @property
    def digest(self) -> str:
        """The same for the same policies, whatever the order they are written in."""
        lines = [part for text in sorted(self.entries) for part in (text, self.entries[text])]
        return digest_of("policies", self.default, *lines)


@attrs.frozen
class Beaten:
    """Something that matched and did not decide. ``why`` is for people."""

    action: Action
    reason: Reason
    why: str


@attrs.frozen
class Verdict:
    """``action`` is what holds, ``reason`` says by what, ``beaten`` all else that matched, in order of priority."""

    action: Action
    reason: Reason
    beaten: tuple[Beaten, ...] = ()
    until: Millis = FOREVER
    """A grant that lifts it, or stands ready to, ends then: after that, decide again."""


@attrs.frozen
class _Candidate:
    action: Action
    reason: Reason
    specificity: int

    def order(self) -> tuple[int, int, str]:
        """Smallest first: most specific, then strictest, then by text so that every replica says the same."""
        return -self.specificity, -STRICTNESS[self.action], f"{self.reason.pattern} {self.reason.rule}"

    def is_stricter_than(self, other: "_Candidate") -> bool:
        return STRICTNESS[self.action] > STRICTNESS[other.action]


def decide_policy(
    tool: str,
    client: str | None,
    *,
    config: ConfigPolicy,
    rules: Iterable[Rule],
    grants: Iterable[Grant],
    locked: bool,
    now: Millis,
) -> Verdict:
    """What holds for ``tool`` (a policy name) when ``client`` calls it; ``client`` None: any client.

    An address is decided as it is written and in every reading of it, and the strictest decision holds. In a reading,
    what forbids or asks matches in whatever way that is written; what permits must match the address as written too.
    So no spelling opens what another one does not, and a grant for one spelling is for that one only.
    """
    rules = tuple(rules)
    read = readings(tool)
    winner, *losers = _as_written(tool, config, rules, locked=locked)
    written = winner
    for number, name in read:
        if winner.action is not Action.DENY:
            found = _as_read(tool, name, number, config, rules, locked=locked)
            if found and found[0].is_stricter_than(winner):
                winner, *losers = found
    beaten = [Beaten(loser.action, loser.reason, _why(loser, winner)) for loser in losers]
    if winner is not written:
        beaten.insert(0, Beaten(written.action, written.reason, _READ))
    action, reason, until = winner.action, winner.reason, FOREVER
    standing = sorted(
        (
            grant
            for grant in grants
            if grant.active(now) and grant.matches(tool, client) and all(grant.means(name, n) for n, name in read)
        ),
        key=_grant_order,
    )
    if standing and action is Action.ASK:
        action, reason = Action.ALLOW, replace(reason, grant=standing[0].id)
        beaten.insert(0, Beaten(winner.action, winner.reason, f"grant {standing[0].id} lifts it"))
        until = standing[0].expires_at
        why = f"grant {standing[0].id} is used before it"
    else:
        why = "a grant never lifts a denial" if action is Action.DENY else "not needed: it is allowed anyway"
    unused = standing if reason.grant is None else standing[1:]
    beaten += [Beaten(Action.ALLOW, Reason(winner.reason.tier, grant.pattern, grant=grant.id), why) for grant in unused]
    return Verdict(action, reason, tuple(beaten), until)


_Holds = Callable[[Pattern, Action], int | None]
"""How specific a pattern is, where it holds for what is asked."""


def _as_written(tool: str, config: ConfigPolicy, rules: Iterable[Rule], *, locked: bool) -> list[_Candidate]:
    """All that holds for the name itself, what decides first."""
    server, _, name = tool.partition("/")
    exact = [config.exact[tool]] if tool in config.exact else []

    def holds(pattern: Pattern, _: Action) -> int | None:
        return pattern.specificity if pattern.matches(server, name) else None

    return _ranked(config, rules, exact, holds, locked=locked)


def _as_read(
    tool: str, name: str, number: int, config: ConfigPolicy, rules: Iterable[Rule], *, locked: bool
) -> list[_Candidate]:
    """The same for a reading of it; nothing where nothing is different. No reading of what asks beats a denial."""

    def means(pattern: Pattern, action: Action) -> int | None:
        """A permission is worth no more than in its shortest form: how it is spelt must not make it win."""
        found = pattern.means(name, number if action is Action.ALLOW else None)
        return (min if action is Action.ALLOW else max)(found) if found else None

    def ranked(weakest: Action) -> list[_Candidate]:
        def holds(pattern: Pattern, action: Action) -> int | None:
            counts = STRICTNESS[action] >= STRICTNESS[weakest] or pattern.matches_name(tool)
            return means(pattern, action) if counts else None

        return _ranked(config, rules, config.addresses, holds, locked=locked)

    def differs(pattern: Pattern, action: Action) -> bool:
        return means(pattern, action) != (pattern.specificity if pattern.matches_name(tool) else None)

    set_by_people = [(rule.parsed, rule.action) for rule in rules if rule.action is not None]
    if not any(differs(*entry) for entry in chain(set_by_people, config.addresses, config.patterns)):
        return []
    denies, asks = ranked(Action.DENY), ranked(Action.ASK)
    return asks if asks[0].is_stricter_than(denies[0]) else denies


def _ranked(
    config: ConfigPolicy,
    rules: Iterable[Rule],
    exact: Iterable[tuple[Pattern, Action]],
    holds: _Holds,
    *,
    locked: bool,
) -> list[_Candidate]:
    tiers = (
        [_Candidate(Action.DENY, Reason(Tier.LOCK, "*"), 0)] if locked else [],
        _from_rules(rules, holds),
        _from_config(Tier.EXACT, exact, holds),
        _from_config(Tier.PATTERN, config.patterns, holds),
        [_Candidate(config.default, Reason(Tier.DEFAULT), 0)],
    )
    return [candidate for tier in tiers for candidate in sorted(tier, key=_Candidate.order)]


def _from_rules(rules: Iterable[Rule], holds: _Holds) -> list[_Candidate]:
    """A rule that a newer release wrote on may still forbid, but not permit."""
    return [
        _Candidate(rule.action, Reason(Tier.RULE, rule.pattern, rule.id), specificity)
        for rule in rules
        if rule.action is not None
        and not (rule.foreign and rule.action is Action.ALLOW)
        and (specificity := holds(rule.parsed, rule.action)) is not None
    ]


def _from_config(tier: Tier, entries: Iterable[tuple[Pattern, Action]], holds: _Holds) -> list[_Candidate]:
    return [
        _Candidate(action, Reason(tier, pattern.text), specificity)
        for pattern, action in entries
        if (specificity := holds(pattern, action)) is not None
    ]


def _grant_order(grant: Grant) -> tuple[bool, int, str]:
    """Those without a use limit first, so that uses are not spent where they need not be; then the longest."""
    return grant.uses is not None, -grant.expires_at, grant.id


def _why(loser: _Candidate, winner: _Candidate) -> str:
    tier = winner.reason.tier
    if loser.reason.tier is not tier:
        return _TIER_FIRST[tier]
    if loser.specificity < winner.specificity:
        return f"{winner.reason.pattern} is more specific"
    if loser.action is not winner.action:
        return f"{winner.reason.pattern} is as specific and stricter"
    return f"{winner.reason.pattern} says the same"


_READ: Final = "another way to write the same address is decided more strictly"

_TIER_FIRST: Final = {
    Tier.LOCK: "everything is locked",
    Tier.RULE: "a rule set by a person comes first",
    Tier.EXACT: "the configuration names this tool itself",
    Tier.PATTERN: "a pattern of the configuration comes before its default",
    Tier.DEFAULT: "the default decides",
}


def parse_action(word: str) -> Action:
    """Raises Invalid for any word but the three."""
    try:
        return Action(word)
    except ValueError as unknown:
        words = ", ".join(action.value for action in Action)
        raise Invalid(f"{word!r} is not a policy. Write one of: {words}.") from unknown
