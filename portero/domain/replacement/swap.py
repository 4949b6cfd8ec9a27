"""One direction of the table: what stands in a text becomes what the table says, in one pass over it."""

import json
import re
from collections.abc import Sequence
from typing import Final

from portero.domain.replacement.scan import Match, Scanner

_WHOLE_NUMBER: Final = re.compile(r"-?(?:0|[1-9][0-9]*)")
_ROUNDS: Final = 8
"""How often a text is gone over again when what was put in makes a new match with its surroundings."""


class Swap:
    """Replaces what ``scanner`` finds by ``targets``, by the number of the entry.

    ``clean``: nothing that the scanner looks for may be left. What one pass puts in can, together with the characters
    around it, spell out what was to be hidden; such a text is gone over again, and emptied if that does not end.
    ``renames``: keys of one object that become equal are told apart by a number; else they are an error.
    """

    def __init__(
        self, scanner: Scanner, sources: Sequence[str], targets: Sequence[str], *, clean: bool, renames: bool
    ) -> None:
        self.scanner = scanner
        self.clean = clean
        self.renames = renames
        self._targets = targets
        self.numbers = {
            source.encode(): _as_number(target).encode("utf-8", "replace")
            for source, target in zip(sources, targets, strict=True)
            if _WHOLE_NUMBER.fullmatch(source)
        }
        """JSON numbers that are replaced, each where it is all of a number: a number becomes a number if it can."""

    def matches(self, text: str) -> list[Match]:
        return self.scanner.find(text)

    def plain(self, text: str) -> str:
        """A text that is not JSON. The same object when nothing matched."""
        matches = self.matches(text)
        for _ in range(_ROUNDS):
            if not matches:
                return text
            text, inserted = self._splice(text, matches)
            if not self.clean or self._is_clean_around(text, inserted):
                return text
            matches = self.matches(text)
        return ""

    def _splice(self, text: str, matches: list[Match]) -> tuple[str, list[tuple[int, int]]]:
        """The new text, and where in it something was put in."""
        parts: list[str] = []
        inserted: list[tuple[int, int]] = []
        at = length = 0
        for match in matches:
            target = match.style(self._targets[match.entry])
            length += match.start - at
            inserted.append((length, length + len(target)))
            length += len(target)
            parts += (text[at : match.start], target)
            at = match.end
        parts.append(text[at:])
        return "".join(parts), inserted

    def _is_clean_around(self, text: str, inserted: list[tuple[int, int]]) -> bool:
        """A new match must touch what was put in, so that nothing else of a long text is searched again."""
        reach = self.scanner.reach
        if len(inserted) * 2 * reach > len(text):
            return not self.matches(text)
        return not any(self.matches(text[max(0, start - reach) : end + reach]) for start, end in inserted)


def _as_number(target: str) -> str:
    return target if _WHOLE_NUMBER.fullmatch(target) else json.dumps(target, ensure_ascii=False)
