"""A JSON text in pieces, so that one string of it can be looked at or written anew without the rest."""

import json


class Pieces:
    """A JSON text cut at its quotation marks: odd pieces are what strings hold, even ones what stands between them."""

    def __init__(self, raw: bytes, mask: bytes) -> None:
        self.raw = raw
        self.masked = mask.split(b'"')
        if len(self.masked) % 2 == 0:
            raise ValueError("this is not JSON: a string does not end")
        self._known = (0, 0)

    def start(self, number: int) -> int:
        """Where a piece begins. Counted from the one that was asked for last, which is near when they come in order."""
        known, offset = self._known
        if number >= known:
            offset += sum(map(len, self.masked[known:number])) + number - known
        else:
            offset -= sum(map(len, self.masked[number:known])) + known - number
        self._known = number, offset
        return offset

    def bytes_of(self, number: int) -> bytes:
        start = self.start(number)
        return self.raw[start : start + len(self.masked[number])]

    def value(self, number: int) -> str:
        """The decoded string of an odd piece."""
        text = self.bytes_of(number).decode("utf-8", "replace")
        decoded = json.loads(f'"{text}"', strict=False)
        assert isinstance(decoded, str)  # noqa: S101 - for the type checker: a quoted text is a string
        return decoded

    def is_key(self, number: int) -> bool:
        return self.masked[number + 1].lstrip().startswith(b":")
