"""Times and numbers as people in a chat read them."""

from datetime import UTC, datetime, tzinfo

from portero.domain.ids import Millis


def clock(at: int, now: int, zone: tzinfo | None) -> str:
    """``14:05:09``, with the date when it is another day, in the gateway's own time zone."""
    moment, today = _local(at, zone), _local(now, zone)
    if moment.date() == today.date():
        return f"{moment:%H:%M:%S}"
    year = "" if moment.year == today.year else f" {moment.year}"
    return f"{moment:%a} {moment.day} {moment:%b}{year}, {moment:%H:%M:%S}"


def zone_name(at: int, zone: tzinfo | None) -> str:
    return _local(at, zone).tzname() or "local time"


def count(number: int, noun: str) -> str:
    """``1 grant``, ``2 grants``, ``1,200 grants``."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def span(ms: int) -> str:
    """``350 ms``, ``1.2 s``, ``3 min``, ``2 h 5 min``, ``1 d 4 h``."""
    if ms < 1_000:
        return f"{max(ms, 0)} ms"
    if ms < 60_000:
        return f"{ms / 1000:.1f} s"
    minutes = ms // 60_000
    parts = [(minutes // 1440, "d"), (minutes // 60 % 24, "h"), (minutes % 60, "min")]
    while parts and parts[0][0] == 0:
        parts.pop(0)
    return " ".join(f"{count} {unit}" for count, unit in parts[:2] if count)


def _local(at: int, zone: tzinfo | None) -> datetime:
    """``zone`` None: that of the machine, summer time and all."""
    return datetime.fromtimestamp(Millis(at) / 1000, UTC).astimezone(zone)
