"""A child's standard error, line by line into our log under the server's name."""

import asyncio
import re
from collections import deque
from collections.abc import Callable
from typing import Final

import structlog

from portero.upstream.wire.lines import Lines

log = structlog.get_logger("portero.upstream")

LONGEST: Final = 16 * 1024
SHOWN: Final = 2000
"""Characters of a line that are logged. Cut after masking, so that no cut can leave half of a secret readable."""
BURST: Final = 200
PER_SECOND: Final = 50
"""Lines: what a chatty server may log; a flood is counted instead."""

_UNPRINTABLE: Final = re.compile(
    r"\x1b\[[0-9;?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|[\x00-\x08\x0b-\x1f\x7f-\x9f]"
)
"""Terminal escapes and control characters: they could rewrite what a person sees in a terminal."""


class StderrLog:
    """Takes chunks. ``last`` holds the latest lines, masked, for error messages."""

    def __init__(self, upstream: str, mask: Callable[[str], str]) -> None:
        self.last: deque[str] = deque(maxlen=20)
        self._upstream, self._mask = upstream, mask
        self._lines = Lines(LONGEST, self._line, self._too_long)
        self._loop = asyncio.get_running_loop()
        self._allowed = float(BURST)
        self._at = self._loop.time()
        self._left_out = 0

    def feed(self, data: bytes) -> None:
        self._lines.feed(data)

    def end(self) -> None:
        self._lines.end()
        self._say_left_out()

    def _line(self, line: bytes) -> None:
        now = self._loop.time()
        self._allowed = min(BURST, self._allowed + (now - self._at) * PER_SECOND)
        self._at = now
        if self._allowed < 1:
            self._left_out += 1
            return
        self._allowed -= 1
        self._say_left_out()
        text = self._mask(_UNPRINTABLE.sub("", line.decode(errors="replace"))).rstrip()[:SHOWN]
        if text:
            self.last.append(text)
            log.info("stderr", upstream=self._upstream, line=text)

    def _too_long(self, _head: bytes, _tail: bytes, size: int) -> None:
        self._line(b"(a line of %d bytes, left out)" % size)

    def _say_left_out(self) -> None:
        if self._left_out:
            log.warning("stderr lines left out", upstream=self._upstream, lines=self._left_out)
            self._left_out = 0
