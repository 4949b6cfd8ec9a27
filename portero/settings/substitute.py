"""``${NAME}`` in the strings of configuration files: the variable's value; ``$${`` is a plain ``${``."""

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

_PLACE: Final = re.compile(r"\$\$\{|\$\{([^}]*)\}")
_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class Substitution:
    """Fills in one piece of configuration and remembers what it met."""

    def __init__(self, values: Mapping[str, str]) -> None:
        self._values = values
        self.unset: list[str] = []
        """Names that are unset or empty, in the order they were met."""
        self.malformed: list[str] = []
        """What stands between braces and is no name."""
        self.used: dict[str, str] = {}

    def fill(self, value: Any) -> Any:
        """The value with every string in it filled in; an unset name leaves nothing in its place."""
        if isinstance(value, str):
            return _PLACE.sub(self._one, value)
        if isinstance(value, list):
            return [self.fill(part) for part in value]
        if isinstance(value, dict):
            return {key: self.fill(part) for key, part in value.items()}
        return value

    def _one(self, found: re.Match[str]) -> str:
        name = found[1]
        if name is None:
            return "${"
        if not _NAME.fullmatch(name):
            self.malformed.append(found[0])
            return found[0]
        value = self._values.get(name, "")
        if not value:
            self.unset.append(name)
        self.used[name] = value
        return value


def filled(
    value: Any, values: Mapping[str, str], where: str, problems: list[str], on_unset: Callable[[str], None]
) -> tuple[Any, Substitution] | None:
    """The filled-in value and what was used for it; None after a problem or ``on_unset``, which gets "A is not set"."""
    substitution = Substitution(values)
    result = substitution.fill(value)
    problems.extend(
        f"{where}: {text} names no variable. Write ${{NAME}}, or $${{ for a plain ${{."
        for text in dict.fromkeys(substitution.malformed)
    )
    if substitution.malformed:
        return None
    if substitution.unset:
        names = list(dict.fromkeys(substitution.unset))
        on_unset(f"{' and '.join(names)} {'is' if len(names) == 1 else 'are'} not set")
        return None
    return result, substitution
