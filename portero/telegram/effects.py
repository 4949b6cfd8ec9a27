"""What a pattern would do, before it does it: which tools it means now, and which configured denials it would lift."""

from collections.abc import Iterable

import attrs

from portero.domain.events import CatalogueTool
from portero.domain.patterns import Pattern
from portero.domain.policy import ConfigPolicy
from portero.domain.values import Action


@attrs.frozen
class Effect:
    """``tools`` match now; ``destructive`` of them say that they destroy, ``unclear`` say nothing of it.

    ``lifts``: configured denials (patterns; ``default``) that a rule to allow would override, at least in part.
    """

    tools: tuple[str, ...]
    destructive: tuple[str, ...]
    unclear: int
    lifts: tuple[str, ...]


def effect_of(pattern: Pattern, tools: Iterable[tuple[str, CatalogueTool]], config: ConfigPolicy) -> Effect:
    """``tools`` are all that are known, as ``server/tool``. A pattern may also mean tools that are not known yet."""
    matching = [(name, tool.facts) for name, tool in tools if pattern.matches_name(name)]
    writing = [(name, facts) for name, facts in matching if not facts.read_only]
    return Effect(
        tuple(name for name, _ in matching),
        tuple(name for name, facts in writing if facts.destructive),
        sum(facts.destructive is None for _, facts in writing),
        tuple(_lifted(pattern, config)),
    )


def _lifted(pattern: Pattern, config: ConfigPolicy) -> Iterable[str]:
    for text, action in config.entries.items():
        if action is Action.DENY and overlap(pattern, Pattern.parse(text)):
            yield text
    if config.default is Action.DENY:
        yield "default"


def overlap(one: Pattern, other: Pattern) -> bool:
    """Whether some name is matched by both."""
    (server, tool), (other_server, other_tool) = _parts(one), _parts(other)
    return _meet(server, other_server) and _meet(tool, other_tool)


def _parts(pattern: Pattern) -> tuple[list[str], list[str]]:
    """Server and tool part, character by character; ``""`` stands for a star."""
    if pattern.text == "*" and not pattern.is_literal:
        return [""], [""]
    server, _, tool = pattern.text.partition("/")
    star = "*" if not pattern.is_literal else None
    return ["" if c == star else c for c in server], ["" if c == star else c for c in tool]


def _meet(one: list[str], other: list[str]) -> bool:
    """Both are walked together; a star stands for nothing, or swallows what the other one has next."""
    reachable = {0}  # positions in ``other`` at which the walk of ``one`` may stand
    reachable = _skip_stars(reachable, other)
    for token in one:
        following: set[int] = set()
        if token == "":
            following = set(range(min(reachable), len(other) + 1)) if reachable else set()
        else:
            for at in reachable:
                if at < len(other) and other[at] == token:
                    following.add(at + 1)
                if at > 0 and other[at - 1] == "":
                    following.add(at)
        reachable = _skip_stars(following, other)
    return len(other) in reachable


def _skip_stars(positions: set[int], other: list[str]) -> set[int]:
    found = set(positions)
    for at in positions:
        while at < len(other) and other[at] == "":
            at += 1  # noqa: PLW2901 - walks over the stars that follow
            found.add(at)
    return found
