"""Finding: where the texts of a table stand in a text, all in one pass, the leftmost and longest of them chosen."""

import re
import unicodedata
from collections.abc import Iterable, Sequence
from typing import Final

import attrs
from ahocorasick_rs import MATCHKIND_STANDARD, BytesAhoCorasick

from portero.domain.replacement.fold import Fold, Folded, canonical, caseless, encode
from portero.domain.replacement.spelling import Style, spellings

_ESCAPE_BEFORE: Final = re.compile(r"(?:\\[bfnrt]|\\u[0-9A-Fa-f]{4}|%[0-9A-Fa-f]{2})\Z")
_LONGEST_ESCAPE: Final = 6


@attrs.frozen
class Term:
    """A text to look for, with the rules of its entry. ``index`` is the entry's place in the table."""

    index: int
    text: str = attrs.field(repr=False)
    case_sensitive: bool
    whole_word: bool


@attrs.frozen(order=True)
class Match:
    """``start`` and ``end`` count characters. Ordered as they are preferred: leftmost, longest, as written."""

    start: int
    _length: int
    """Negative, so that longer comes first."""
    rank: int
    index: int
    style: Style = attrs.field(order=False, repr=False)

    @property
    def end(self) -> int:
        return self.start - self._length


@attrs.frozen
class _Needle:
    term: Term
    rank: int
    style: Style


class _Automaton:
    """All needles that are compared in the same way."""

    def __init__(self, fold: Fold, terms: Sequence[Term]) -> None:
        self.fold = fold
        self._needles: list[_Needle] = []
        patterns = []
        for term in terms:
            for text, rank, style in _needles(term):
                self._needles.append(_Needle(term, rank, style))
                patterns.append(encode(fold(text)))
        # Overlapping search, which costs the same: a match that a rule refuses must not hide another.
        self._search = BytesAhoCorasick(patterns, MATCHKIND_STANDARD)

    def offsets(self, folded: bytes) -> list[tuple[int, int, int]]:
        """(needle, start, end) in bytes, before any rule but the characters themselves."""
        return self._search.find_matches_as_indexes(folded, overlapping=True)

    def matches(self, text: str) -> list[Match]:
        folded = Folded(text, self.fold)
        found = []
        for number, first, last in self.offsets(folded.data):
            start, end = folded.place(first), folded.place(last)
            if start is None or end is None:
                continue
            needle = self._needles[number]
            if needle.term.whole_word and not _stands_alone(text, start, end):
                continue
            found.append(Match(start, start - end, needle.rank, needle.term.index, needle.style))
        return found


class Scanner:
    """Looks for a set of terms. Sensitive and insensitive ones have an automaton each: neither can hide the other's."""

    def __init__(self, terms: Iterable[Term]) -> None:
        terms = list(terms)
        exact = [term for term in terms if term.case_sensitive]
        loose = [term for term in terms if not term.case_sensitive]
        # Canonical order can put a mark from outside between the characters of a term: these also as they are.
        marked = [term for term in terms if not term.text.isascii()]
        self._exact = _Automaton(canonical, exact) if exact else None
        self._loose = _Automaton(caseless, loose) if loose else None
        self._as_is = _Automaton(str, marked) if marked else None

    def in_ascii(self, data: bytes) -> list[tuple[int, int, int]]:
        """(needle, start, end) in ASCII bytes of what may be there: nothing is missed, a rule may still refuse it."""
        if self._loose is None:
            return self._exact.offsets(data) if self._exact else []
        found = self._loose.offsets(data.lower())
        return self._exact.offsets(data) + found if self._exact else found

    def in_text(self, text: str, mark: bytes) -> set[int]:
        """The same in any text: how many ``mark`` bytes (ASCII, and left alone by folding) stand before each place."""
        counts: set[int] = set()
        for automaton in self._for(text):
            folded = encode(automaton.fold(text))
            seen = count = 0
            for start in sorted(start for _, start, _ in automaton.offsets(folded)):
                count += folded.count(mark, seen, start)
                seen = start
                counts.add(count)
        return counts

    def find(self, text: str) -> list[Match]:
        """The matches to replace: none overlaps another; the leftmost, of those that begin together the longest."""
        found = [match for automaton in self._for(text) for match in automaton.matches(text)]
        found.sort()
        chosen, end = [], -1
        for match in found:
            if match.start >= end:
                chosen.append(match)
                end = match.end
        return chosen

    def _for(self, text: str) -> list[_Automaton]:
        automata = (self._exact, self._loose, None if text.isascii() else self._as_is)
        return [automaton for automaton in automata if automaton]


def _needles(term: Term) -> Iterable[tuple[str, int, Style]]:
    """Every spelling of a term. Escapes do not change case as letters do: loose terms are spelt in their cases too."""
    cases = [term.text] if term.case_sensitive else [term.text, term.text.lower(), term.text.upper(), term.text.title()]
    seen = set()
    for case in cases:
        for form in dict.fromkeys((case, unicodedata.normalize("NFC", case), unicodedata.normalize("NFD", case))):
            for rank, (text, style) in enumerate(spellings(form)):
                if text not in seen:
                    seen.add(text)
                    yield text, rank, style


def _stands_alone(text: str, start: int, end: int) -> bool:
    if end < len(text) and (_is_word(text[end]) or unicodedata.combining(text[end])):
        return False
    if start == 0 or not _is_word(text[start - 1]):
        return True
    return _ESCAPE_BEFORE.search(text, max(0, start - _LONGEST_ESCAPE), start) is not None


def _is_word(char: str) -> bool:
    return char.isalnum() or char == "_"
