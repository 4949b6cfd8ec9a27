"""Durations as people write them: ``30m``, ``1h``, ``2h30m``, ``45s``, ``2d``."""

import re
from typing import Final

from portero.errors import Invalid

UNITS: Final = {"d": 86_400_000, "h": 3_600_000, "m": 60_000, "s": 1_000}
"""Milliseconds, longest first."""

LONGEST_DAYS: Final = 366
"""More is a mistake: what shall hold for good is a rule, not a duration."""

_FORM: Final = re.compile("".join(f"(?:([0-9]{{1,9}}){unit})?" for unit in UNITS))


def parse_duration(text: str) -> int:
    """Milliseconds. Units from long to short, each at most once. Raises Invalid, saying how to write it."""
    found = _FORM.fullmatch(text.strip().lower())
    if found is None or not any(found.groups()):
        raise Invalid(f"{text!r} is not a duration. Write 45s, 30m, 1h, 2h30m or 2d.")
    total = sum(int(count) * size for count, size in zip(found.groups(), UNITS.values(), strict=True) if count)
    if total == 0:
        raise Invalid(f"{text!r} is no time at all. Write 45s, 30m, 1h, 2h30m or 2d.")
    if total > LONGEST_DAYS * UNITS["d"]:
        raise Invalid(f"{text!r} is too long: at most {LONGEST_DAYS}d.")
    return total


def format_duration(ms: int) -> str:
    """The shortest text that ``parse_duration`` reads back, to the second below; ``0s`` for less than one."""
    rest, parts = max(0, ms), []
    for unit, size in UNITS.items():
        count, rest = divmod(rest, size)
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts) or "0s"
