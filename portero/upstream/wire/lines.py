"""Lines out of the chunks that a pipe delivers, without ever holding more than a limit."""

from collections.abc import Callable
from typing import Final

_EDGE: Final = 256


class Lines:
    """Feeds whole lines (without their end) to ``on_line``.

    A longer line than ``limit`` bytes is thrown away, and its first and last 256 bytes go to ``on_too_long``.
    """

    def __init__(
        self, limit: int, on_line: Callable[[bytes], None], on_too_long: Callable[[bytes, bytes, int], None]
    ) -> None:
        self._limit, self._on_line, self._on_too_long = limit, on_line, on_too_long
        self._parts: list[bytes] = []
        self._size = 0
        self._head: bytes | None = None
        """Set while a line that is too long is being thrown away."""
        self._tail = b""

    def feed(self, data: bytes) -> None:
        first, *others = data.split(b"\n")
        self._append(first)
        if not others:
            return
        self._finish()
        *whole, rest = others
        for line in whole:
            if len(line) > self._limit:
                self._on_too_long(line[:_EDGE], line[-_EDGE:], len(line))
            elif line:
                self._on_line(line)
        self._append(rest)

    def end(self) -> None:
        """The pipe is at its end: a last line may lack its line break."""
        self._finish()

    def _append(self, part: bytes) -> None:
        if not part:
            return
        self._size += len(part)
        if self._head is not None:
            self._tail = (self._tail + part)[-_EDGE:]
            return
        self._parts.append(part)
        if self._size > self._limit:
            line = b"".join(self._parts)
            self._head, self._tail = line[:_EDGE], line[-_EDGE:]
            self._parts.clear()

    def _finish(self) -> None:
        if self._head is not None:
            self._on_too_long(self._head, self._tail, self._size)
            self._head, self._tail = None, b""
        elif self._parts:
            line = b"".join(self._parts)
            self._parts.clear()
            self._size = 0
            self._on_line(line)
        self._size = 0
