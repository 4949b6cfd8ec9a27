"""Times and durations as clients and models read them."""

from datetime import UTC, datetime

from portero.domain.ids import Millis


def iso(at: Millis) -> str:
    """ISO 8601 in UTC, to the millisecond: ``2026-08-01T12:00:00.000Z``."""
    return datetime.fromtimestamp(at / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def spoken(milliseconds: int) -> str:
    """A length of time, roughly, as a person says it: ``3 min``, ``2 h``."""
    seconds = (max(0, milliseconds) + 500) // 1000
    if seconds < 100:
        return f"{seconds} s"
    minutes = (seconds + 30) // 60
    if minutes < 100:
        return f"{minutes} min"
    hours = (minutes + 30) // 60
    return f"{hours} h" if hours < 48 else f"{(hours + 12) // 24} days"
