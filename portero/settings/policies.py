"""``policies.json``: what may run, what must not, and what a person is asked about."""

from collections.abc import Collection, Mapping
from typing import Any, Final

from portero.domain.patterns import Pattern, check_fakes
from portero.domain.policy import ConfigPolicy
from portero.domain.replacement import Replacer
from portero.domain.values import Action
from portero.errors import Invalid
from portero.settings.files import POLICIES
from portero.settings.shape import Shape, nearest
from portero.settings.substitute import filled

ACTIONS: Final = tuple(action.value for action in Action)


def read_policies(document: Any, values: Mapping[str, str], problems: list[str]) -> ConfigPolicy:
    """Anything but the three words, spelt exactly, is a problem: a slip must not decide."""
    shape = Shape(POLICIES, problems)
    result = filled(
        document, values, POLICIES, problems, lambda unset: shape.wrong("", f"a variable is used, but {unset}.")
    )
    if result is None:
        return ConfigPolicy({}, Action.ASK)
    top = shape.table(result[0], "", ("policies", "defaultPolicy"))
    entries = {}
    for text, word in (shape.get(top, "policies", dict, "") or {}).items():
        action = _action(word, repr(text), shape)
        try:
            Pattern.parse(text)
        except Invalid as error:
            shape.wrong(repr(text), str(error))
            continue
        if action is not None:
            entries[text] = action
    default = _action(top["defaultPolicy"], "defaultPolicy", shape) if "defaultPolicy" in top else None
    return ConfigPolicy(entries, default or Action.ASK)


def _action(word: Any, where: str, shape: Shape) -> Action | None:
    if word in ACTIONS:
        return Action(word)
    near = nearest(word, ACTIONS) if isinstance(word, str) else None
    hint = f"Is {near!r} meant?" if near else f"Write one of {', '.join(ACTIONS)}."
    shape.wrong(where, f"{word!r} is not an action. {hint}")
    return None


def refuse_reals(policy: ConfigPolicy, replacer: Replacer, problems: list[str]) -> None:
    """Names are known with fakes: a denial that says a real would deny nothing."""
    for text in policy.entries:
        try:
            check_fakes(text, replacer.stored_text)
        except Invalid as error:
            problems.append(f"{POLICIES}: {error}")


def warn_of_strangers(policy: ConfigPolicy, servers: Collection[str], warnings: list[str]) -> None:
    """Policies for servers that ``mcps.json`` does not name, where the name is spelt out: probably a slip."""
    for text in policy.entries:
        server = text.partition("/")[0]
        if "*" in server or server in servers:
            continue
        near = nearest(server, servers)
        hint = f" Is {near!r} meant?" if near else ""
        warnings.append(f"{POLICIES}: {text!r} is for a server that mcps.json does not name.{hint}")
