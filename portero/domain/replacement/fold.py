"""Texts as they are compared: one Unicode form, and one case where an entry does not care for it, with a way back.

Comparing changes lengths (``é`` may be one character or two, ``ß`` folds to ``ss``), so a place in the folded text is
taken back to the place in the text it came from, and a match that would begin or end inside a character is none:
``Jose`` is no part of ``José``, whether that is written with one character or two.
"""

import unicodedata
from bisect import bisect_right
from collections.abc import Callable
from typing import Final

from portero.domain.normalize import normalize

Fold = Callable[[str], str]

_CHUNK: Final = 256
"""Characters folded at a time: small enough to look into one by one, large enough to be fast over long texts."""

_FIRST_MARK: Final = "\u0300"
"""No character before this one combines with what stands before it."""


def canonical(text: str) -> str:
    """NFC: composed and decomposed spellings are the same. Fast, because most texts are NFC already."""
    return text if text.isascii() else normalize("NFC", text)


def caseless(text: str) -> str:
    """NFC of the full case folding. The dotted and the dotless i are i: each is a case of ``I`` or ``i`` somewhere."""
    if text.isascii():
        return text.lower()
    folded = normalize("NFC", normalize("NFC", text).casefold())
    return folded.replace("ı", "i").replace("i\u0307", "i")


def encode(text: str) -> bytes:
    """UTF-8, also of a lone surrogate, which JSON can hold."""
    return text.encode("utf-8", "surrogatepass")


class Folded:
    """A folded text as bytes, and the way from a place in it to a place in the text."""

    def __init__(self, text: str, fold: Fold) -> None:
        self._text, self._fold = text, fold
        folded = fold(text)
        self.data = encode(folded)
        self._same = folded == text
        self._seen = (0, 0)
        self._chunks: list[int] = []
        self._offsets: list[int] = []
        self._places: dict[int, dict[int, int]] = {}

    def place(self, offset: int) -> int | None:
        """The index in the text for a byte offset in ``data``; None inside of what belongs to one character."""
        if self._same:
            return self._count_to(offset)
        if not self._chunks:
            self._cut()
        number = bisect_right(self._offsets, offset) - 1
        places = self._places.get(number)
        if places is None:
            places = self._places[number] = self._look_into(number)
        return places.get(offset)

    def _count_to(self, offset: int) -> int:
        """Folding changed nothing, so that characters need only be counted, from where they were counted last."""
        known, index = self._seen
        step = _length(self.data[known:offset]) if offset >= known else -_length(self.data[offset:known])
        self._seen = offset, index + step
        return index + step

    def _cut(self) -> None:
        text, start, offset = self._text, 0, 0
        while start < len(text):
            end = min(start + _CHUNK, len(text))
            while end < len(text) and not _begins(text[end]):
                end += 1
            self._chunks.append(start)
            self._offsets.append(offset)
            start, offset = end, offset + len(encode(self._fold(text[start:end])))
        self._chunks.append(start)
        self._offsets.append(offset)

    def _look_into(self, number: int) -> dict[int, int]:
        """Byte offset -> index for one chunk. Inside of what folds together there are no places."""
        at, offset = self._chunks[number], self._offsets[number]
        end = self._chunks[number + 1] if number + 1 < len(self._chunks) else at
        places = {offset: at}
        while at < end:
            stop = at + 1
            while stop < end and not _begins(self._text[stop]):
                stop += 1
            offset += len(encode(self._fold(self._text[at:stop])))
            places[offset] = at = stop
        return places


def _length(data: bytes) -> int:
    return len(data.decode("utf-8", "surrogatepass"))


def _begins(char: str) -> bool:
    """Whether folding of what comes before cannot depend on this character."""
    return char < _FIRST_MARK or not _joins(char)


def _joins(char: str) -> bool:
    """A mark, or one of the Hangul vowels and finals that compose with what comes before."""
    return "\u1161" <= char <= "\u11c2" or unicodedata.combining(unicodedata.normalize("NFD", char)[0]) != 0
