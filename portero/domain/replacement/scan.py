"""Finding: where the texts of a table stand in a text, all in one pass, the leftmost and longest of them chosen."""

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from typing import Final, NamedTuple

import attrs
from ahocorasick_rs import MATCHKIND_LEFTMOST_FIRST, MATCHKIND_STANDARD, BytesAhoCorasick

from portero.domain.replacement.fold import Fold, Folded, canonical, caseless, encode
from portero.domain.replacement.spelling import Style, spellings

_ESCAPE_BEFORE: Final = re.compile(r"(?:\\[bfnrt]|\\u[0-9A-Fa-f]{4}|%[0-9A-Fa-f]{2})\Z")
_LONGEST_ESCAPE: Final = 6
_MOST_PER_CHARACTER: Final = 4
"""Characters in the longest canonical decomposition of one."""


@attrs.frozen
class Term:
    """A text to look for, with the rules of its entry. ``entry`` is the number of its entry in the table, from 0."""

    entry: int
    text: str = attrs.field(repr=False)
    case_sensitive: bool
    whole_word: bool


class Match(NamedTuple):
    """``start`` and ``end`` count characters; ``style`` is how the text is spelt there."""

    start: int
    end: int
    rank: int
    entry: int
    style: Style


class _Needle(NamedTuple):
    entry: int
    whole_word: bool
    rank: int
    style: Style


class _Automaton:
    """All needles that are compared in the same way."""

    def __init__(self, fold: Fold, terms: Sequence[Term]) -> None:
        self.fold = fold
        self._needles: list[_Needle] = []
        patterns: list[bytes] = []
        for term in terms:
            for pattern, rank, style in _needles(term, fold):
                self._needles.append(_Needle(term.entry, term.whole_word, rank, style))
                patterns.append(pattern)
        self.longest = max(map(len, patterns))
        # Without overlaps it is found out up to 18 times as fast, for small tables, whether anything is there at all.
        self.first = BytesAhoCorasick(patterns, MATCHKIND_LEFTMOST_FIRST)
        # Overlapping search, because a match that a rule refuses must not hide another.
        self._search = BytesAhoCorasick(patterns, MATCHKIND_STANDARD)

    def offsets(self, folded: bytes) -> list[tuple[int, int, int]]:
        """(needle, start, end) in bytes, before any rule but the characters themselves."""
        if not self.first.find_matches_as_indexes(folded):
            return []
        return self._search.find_matches_as_indexes(folded, overlapping=True)

    def matches(self, text: str) -> Iterator[Match]:
        folded = Folded(text, self.fold)
        for number, first, last in self._search.find_matches_as_indexes(folded.data, overlapping=True):
            start, end = folded.place(first), folded.place(last)
            if start is None or end is None:
                continue
            entry, whole_word, rank, style = self._needles[number]
            if not whole_word or _stands_alone(text, start, end):
                yield Match(start, end, rank, entry, style)


class Scanner:
    """Looks for a set of terms. Sensitive and insensitive ones have an automaton each: neither can hide the other's."""

    def __init__(self, terms: Iterable[Term]) -> None:
        terms = list(terms)
        exact = [term for term in terms if term.case_sensitive]
        loose = [term for term in terms if not term.case_sensitive]
        self._exact = _Automaton(canonical, exact) if exact else None
        self._loose = _Automaton(caseless, loose) if loose else None
        self._both = [automaton for automaton in (self._exact, self._loose) if automaton]
        self.reach = _MOST_PER_CHARACTER * max((automaton.longest for automaton in self._both), default=0)
        """No match is longer, in characters."""

    def nothing_in_ascii(self, data: bytes) -> bool:
        """Whether ASCII bytes certainly hold none of it, as is usual."""
        exact, loose = self._exact, self._loose
        if exact is not None and exact.first.find_matches_as_indexes(data):
            return False
        return loose is None or not loose.first.find_matches_as_indexes(data.lower())

    def in_ascii(self, data: bytes) -> list[tuple[int, int, int]]:
        """(needle, start, end) in ASCII bytes of what may be there: nothing is missed, a rule may still refuse it."""
        found = self._exact.offsets(data) if self._exact else []
        return found + self._loose.offsets(data.lower()) if self._loose else found

    def in_text(self, text: str, mark: bytes) -> set[int]:
        """The same in any text: how many ``mark`` bytes (ASCII, and left alone by folding) stand before each place."""
        counts: set[int] = set()
        for automaton in self._both:
            folded = encode(automaton.fold(text))
            seen = count = 0
            for start in sorted(start for _, start, _ in automaton.offsets(folded)):
                count += folded.count(mark, seen, start)
                seen = start
                counts.add(count)
        return counts

    def find(self, text: str) -> list[Match]:
        """The matches to replace: none overlaps another; the leftmost, of those that begin together the longest."""
        found = [match for automaton in self._both for match in automaton.matches(text)]
        if len(found) < 2:
            return found
        found.sort(key=_preference)
        chosen, end = [], -1
        for match in found:
            if match.start >= end:
                chosen.append(match)
                end = match.end
        return chosen


def _preference(match: Match) -> tuple[int, int, int, int]:
    return match.start, -match.end, match.rank, match.entry


def _needles(term: Term, fold: Fold) -> Iterator[tuple[bytes, int, Style]]:
    """Every spelling of a term. Escapes do not change case as letters do: loose terms are spelt in their cases too."""
    text = term.text
    forms = [text]
    if not text.isascii():
        cases = [text] if term.case_sensitive else [text, text.lower(), text.upper(), text.title()]
        forms += [unicodedata.normalize(form, case) for case in cases for form in ("NFC", "NFD")]
    seen = set()
    for form in dict.fromkeys(forms):
        for rank, (spelt, style) in enumerate(spellings(form)):
            pattern = encode(fold(spelt))
            if pattern not in seen:
                seen.add(pattern)
                yield pattern, rank, style


def _stands_alone(text: str, start: int, end: int) -> bool:
    if end < len(text) and (_is_word(text[end]) or unicodedata.combining(text[end])):
        return False
    if start == 0 or not _is_word(text[start - 1]):
        return True
    return _ESCAPE_BEFORE.search(text, max(0, start - _LONGEST_ESCAPE), start) is not None


def _is_word(char: str) -> bool:
    return char.isalnum() or char == "_"
