"""Texts as they are compared: one Unicode form, and one case where an entry does not care for it, with a way back.

Comparing changes lengths (``é`` may be one character or two, ``ß`` folds to ``ss``), so a place in the folded text is
taken back to the place in the text it came from, and a match that would begin or end inside a character is none.
"""

import unicodedata
from bisect import bisect_right
from collections.abc import Callable
from typing import Final

Fold = Callable[[str], str]

_CHUNK: Final = 64
"""Characters folded at a time: small enough to look into one by one, large enough to be fast over long texts."""

_FIRST_MARK: Final = "\u0300"
"""No character before this one combines with what stands before it."""


def canonical(text: str) -> str:
    """NFD: composed and decomposed spellings are the same."""
    return text if text.isascii() else unicodedata.normalize("NFD", text)


def caseless(text: str) -> str:
    """NFD of the full case folding. The dotted and the dotless i are i: each is a case of ``I`` or ``i`` somewhere."""
    if text.isascii():
        return text.lower()
    folded = unicodedata.normalize("NFD", unicodedata.normalize("NFD", text).casefold())
    return folded.replace("ı", "i").replace("i\u0307", "i")


def encode(text: str) -> bytes:
    """UTF-8, also of a lone surrogate, which JSON can hold."""
    return text.encode("utf-8", "surrogatepass")


class Folded:
    """A folded text as bytes, and the way from a place in it to a place in the text."""

    def __init__(self, text: str, fold: Fold) -> None:
        self._text, self._fold = text, fold
        self._plain = text.isascii()
        self._chunks: list[int] = []
        self._offsets: list[int] = []
        self._places: dict[int, dict[int, int]] = {}
        self.data = encode(fold(text)) if self._plain else self._fold_in_chunks()

    def place(self, offset: int) -> int | None:
        """The index in the text for a byte offset in ``data``; None inside of what belongs to one character."""
        if self._plain:
            return offset
        number = bisect_right(self._offsets, offset) - 1
        places = self._places.get(number)
        if places is None:
            places = self._places[number] = self._look_into(number)
        return places.get(offset)

    def _fold_in_chunks(self) -> bytes:
        text, parts, start, offset = self._text, [], 0, 0
        while start < len(text):
            end = min(start + _CHUNK, len(text))
            while end < len(text) and not _begins(text[end]):
                end += 1
            part = encode(self._fold(text[start:end]))
            self._chunks.append(start)
            self._offsets.append(offset)
            parts.append(part)
            start, offset = end, offset + len(part)
        self._chunks.append(start)
        self._offsets.append(offset)
        return b"".join(parts)

    def _look_into(self, number: int) -> dict[int, int]:
        """Byte offset -> index for one chunk. Marks that folding puts in another order have no places between them."""
        at, offset = self._chunks[number], self._offsets[number]
        end = self._chunks[number + 1] if number + 1 < len(self._chunks) else at
        places = {offset: at}
        while at < end:
            stop = at + 1
            while stop < end and not _begins(self._text[stop]):
                stop += 1
            cluster = self._text[at:stop]
            whole = encode(self._fold(cluster))
            singles = [encode(self._fold(char)) for char in cluster]
            if b"".join(singles) == whole:
                inner = offset
                for index, single in enumerate(singles, at):
                    places.setdefault(inner, index)
                    inner += len(single)
            offset, at = offset + len(whole), stop
            places[offset] = at
        return places


def _begins(char: str) -> bool:
    """Whether folding of what comes before cannot depend on this character."""
    return char < _FIRST_MARK or not unicodedata.combining(unicodedata.normalize("NFD", char)[0])
