"""The replacement table at work: fake to real towards upstreams, real to fake on the way back and before storing."""

import hashlib
import json
from collections.abc import Iterable
from copy import copy
from functools import cached_property

from portero.domain.replacement.entry import Entry
from portero.domain.replacement.jsontext import replace_json, replace_string
from portero.domain.replacement.scan import Scanner, Term
from portero.domain.replacement.swap import Swap
from portero.domain.replacement.table import Table, problems_of
from portero.errors import ConfigError


class Replacer:
    """One table, four ways to apply it. Immutable; safe to share.

    The JSON methods take and give JSON texts in UTF-8 and return the very object they got when nothing matched. They
    raise ValueError for what is not JSON.
    """

    def __init__(self, entries: tuple[Entry, ...], salt: str) -> None:
        self._entries = entries
        self._salt = salt
        self._fakes = [entry.fake for entry in entries]
        self._reals = [entry.real for entry in entries]
        self._find_fakes = Scanner(_terms(entries, self._fakes))
        self._find_reals = Scanner(_terms(entries, self._reals))
        shown = [entry.shown for entry in entries]
        self._real = Swap(self._find_fakes, self._fakes, self._reals, clean=False, renames=False)
        self._stored = Swap(self._find_reals, self._reals, self._fakes, clean=True, renames=False)
        self._shown = Swap(self._find_reals, self._reals, shown, clean=True, renames=True)

    @classmethod
    def from_entries(cls, entries: Iterable[Entry], salt: str = "") -> "Replacer":
        """Raises ConfigError naming the entries (never a real value) when the table is empty-handed or ambiguous.

        ``salt`` goes into ``digest``: give all replicas the same, such as the id of the log they share.
        """
        table = tuple(entries)
        alone = [problem for index, entry in enumerate(table) for problem in problems_of(entry, index)]
        if alone:
            raise ConfigError(*alone)
        replacer = cls(table, salt)
        together = list(replacer._table.problems())
        if together:
            raise ConfigError(*together)
        return replacer

    def salted(self, salt: str) -> "Replacer":
        """The same table with its digest under another salt."""
        same = copy(self)
        vars(same).update(_salt=salt)
        vars(same).pop("digest", None)
        return same

    @property
    def warnings(self) -> tuple[str, ...]:
        return tuple(self._table.warnings())

    def reals_in(self, text: str) -> list[Entry]:
        """The entries whose real is found in a text."""
        return [self._entries[index] for index in sorted({match.entry for match in self._stored.matches(text)})]

    @property
    def _table(self) -> Table:
        return Table(self._entries, self._find_fakes, self._find_reals)

    @cached_property
    def digest(self) -> str:
        """The same for the same table and salt, whatever the order of its entries; 64 hex digits.

        It stands on the log, where whoever reads it could try out values. So it is slow to compute (scrypt, 16 MB,
        about 50 ms), salted, and over the whole table at once: a guess has to be right about every real together.
        """
        if not self._entries:
            return hashlib.sha256(b"").hexdigest()
        lines = sorted(
            [entry.fake, entry.real, entry.shown, entry.bidirectional, entry.case_sensitive, entry.whole_word]
            for entry in self._entries
        )
        salt = f"portero replacements {self._salt}".encode()
        return hashlib.scrypt(json.dumps(lines).encode(), salt=salt, n=2**14, r=8, p=1, dklen=32).hex()

    def to_real(self, text: bytes) -> bytes:
        """For the upstream: every fake becomes its real. What ``to_fake_stored`` gave is never refused."""
        return replace_json(text, self._real) if self._entries else text

    def to_fake_stored(self, text: bytes) -> bytes:
        """For the log and for people: every real becomes its fake, also that of a one-way entry.

        Raises Invalid when two keys of an object become one, here or when it is made real, before anything is written.
        """
        if not self._entries:
            return text
        stored = replace_json(text, self._stored)
        replace_json(stored, self._real)  # 1 µs where it finds nothing
        return stored

    def to_fake_result(self, text: bytes) -> bytes:
        """For the client: every real becomes its fake, or what its one-way entry shows in its place.

        Keys of an object that become equal are told apart: ``name``, ``name (2)``.
        """
        return replace_json(text, self._shown) if self._entries else text

    def mask_text(self, text: str) -> str:
        """The same for plain text, such as error messages and lines of a log."""
        return replace_string(text, self._shown) if self._entries else text

    def stored_text(self, text: str) -> str:
        """As ``to_fake_stored`` for plain text, such as the pattern of a rule."""
        return replace_string(text, self._stored) if self._entries else text

    def spans(self, text: str) -> list[tuple[int, int]]:
        """Where the fakes stand in a string that ``to_real`` will replace: (start, end) in characters."""
        return [(match.start, match.end) for match in self._real.matches(text)] if self._entries else []


def _terms(entries: tuple[Entry, ...], texts: list[str]) -> list[Term]:
    return [
        Term(index, text, entry.case_sensitive, entry.whole_word)
        for index, (entry, text) in enumerate(zip(entries, texts, strict=True))
    ]
