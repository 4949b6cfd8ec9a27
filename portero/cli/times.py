"""Times as people and programs read them."""

import time
from datetime import UTC, datetime

from portero.domain.ids import Millis
from portero.gateway.times import iso

__all__ = ["ago", "clock", "iso", "left", "now", "soon", "span"]

_UNITS = ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s"))


def now() -> Millis:
    return Millis(time.time_ns() // 1_000_000)


def clock(at: int) -> str:
    """Local date and time to the second, for people."""
    return datetime.fromtimestamp(at / 1000, UTC).astimezone().strftime("%Y-%m-%d %H:%M:%S")


def span(milliseconds: int) -> str:
    """A length of time in its two largest units: ``2 h 5 min``; below a second in milliseconds."""
    seconds, rest = divmod(max(milliseconds, 0), 1000)
    if not seconds:
        return f"{rest} ms" if rest else "0 s"
    parts = []
    for size, unit in _UNITS:
        count, seconds = divmod(seconds, size)
        if count:
            parts.append(f"{count} {unit}")
    return " ".join(parts[:2])


def ago(at: int, reference: int) -> str:
    return f"{span(reference - at)} ago" if reference - at >= 1000 else "just now"


def soon(at: int, reference: int) -> str:
    return f"in {span(at - reference)}" if at > reference else "now"


def left(until: int, reference: int) -> str:
    return f"in {span(until - reference)}" if until > reference else "over"
