"""Which tables are refused: those in which one pass, longest match first, could mean two things or show a real."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from itertools import combinations

import attrs

from portero.domain.replacement.entry import Entry
from portero.domain.replacement.fold import canonical, caseless
from portero.domain.replacement.scan import Scanner


@attrs.frozen
class Table:
    """The entries with a scanner for each side. Messages name entries by number and fake, and never hold a real."""

    entries: Sequence[Entry]
    fakes: Scanner
    reals: Scanner

    def problems(self) -> Iterator[str]:
        """What makes the table unusable, a sentence each."""
        yield from self._same(lambda entry: entry.fake, "have the same fake, so it stands for two reals")
        yield from self._same(lambda entry: entry.real, "have the same real, so two fakes stand for it")
        for index, entry in enumerate(self.entries):
            yield from self._shows_a_real(index, entry)
            if not entry.bidirectional:
                yield from self._answers_with_a_fake(index, entry)

    def warnings(self) -> Iterator[str]:
        """What can be meant, and surprises where it is not."""
        for index, entry in enumerate(self.entries):
            for other in sorted({match.entry for match in self.fakes.find(entry.real)} - {index}):
                yield (
                    f"The real of {self._name(index)} contains the fake of {self._name(other)}. Where the model writes "
                    "that fake with the right words around it, it names the other real."
                )

    def _same(self, side: Callable[[Entry], str], complaint: str) -> Iterator[str]:
        groups: dict[str, list[int]] = defaultdict(list)
        for index, entry in enumerate(self.entries):
            groups[caseless(side(entry))].append(index)
        for group in groups.values():
            for one, two in combinations(group, 2):
                first, second = self.entries[one], self.entries[two]
                both_exact = first.case_sensitive and second.case_sensitive
                if both_exact and canonical(side(first)) != canonical(side(second)):
                    continue
                yield f"{self._name(one)} and {self._name(two)} {complaint}. Remove one of them."

    def _shows_a_real(self, index: int, entry: Entry) -> Iterator[str]:
        shown = {"fake": entry.fake} | (
            {} if entry.bidirectional else {"responseReplacement": entry.response_replacement}
        )
        for field, text in shown.items():
            for other in sorted({match.entry for match in self.reals.find(text)}):
                whose = "its own real" if other == index else f"the real of {self._name(other)}"
                yield f"The {field} of {self._name(index)} contains {whose}, which should be hidden. Choose another."

    def _answers_with_a_fake(self, index: int, entry: Entry) -> Iterator[str]:
        for other in sorted({match.entry for match in self.fakes.find(entry.response_replacement)} - {index}):
            yield (
                f"The responseReplacement of {self._name(index)} contains the fake of {self._name(other)}: sent back, "
                "it would become that entry's real. Choose another responseReplacement."
            )

    def _name(self, index: int) -> str:
        entry = self.entries[index]
        return name(entry, index, show_fake=not self.reals.find(entry.fake))


def name(entry: Entry, index: int, *, show_fake: bool = True) -> str:
    number = entry.number or index + 1
    return f"entry {number} (fake {entry.fake!r})" if show_fake else f"entry {number}"


def problems_of(entry: Entry, index: int) -> Iterator[str]:
    """What is wrong with one entry alone, a sentence each."""
    who = name(entry, index)
    if not entry.fake.strip():
        yield f"The fake of entry {entry.number or index + 1} is empty: it would match everywhere. Give it a text."
        return
    if not entry.real.strip():
        yield f"The real of {who} is empty: it would match everywhere. Give it a text, or remove the entry."
        return
    if not all(map(_is_unicode, (entry.fake, entry.real, entry.response_replacement))):
        yield f"Entry {entry.number or index + 1} holds characters that are no valid Unicode text."
        return
    if canonical(entry.fake) == canonical(entry.real):
        yield f"The fake and the real of entry {entry.number or index + 1} are the same, so nothing is hidden."
    elif not entry.case_sensitive and caseless(entry.fake) == caseless(entry.real):
        yield (
            f"The fake and the real of entry {entry.number or index + 1} differ by case only, and the entry does not "
            "look at case. Choose another fake, or set caseSensitive."
        )


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
