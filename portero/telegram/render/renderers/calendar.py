"""Calendar: what happens to which event, when in words with the weekday, and who is invited."""

import re
from datetime import datetime

from portero.domain.duration import format_duration
from portero.telegram.render import rich
from portero.telegram.render.layout import Layout, Subject
from portero.telegram.render.rich import Rich

_NAME = re.compile(r"calendar|event|freebusy|out_of_office|focus_time")
_STARTS = ("start_time", "start", "startTime", "time_min", "timeMin")
_ENDS = ("end_time", "end", "endTime", "time_max", "timeMax")
_ZONES = ("timezone", "time_zone", "timeZone")
_INNER = ("dateTime", "date")
_VERBS = {
    "create": "📅 New event",
    "add": "📅 New event",
    "insert": "📅 New event",
    "update": "📅 Change an event",
    "patch": "📅 Change an event",
    "modify": "📅 Change an event",
    "move": "📅 Move an event",
    "delete": "🗑 Delete an event",
    "remove": "🗑 Delete an event",
}


def arrange(subject: Subject, layout: Layout) -> bool:
    name, arguments = subject.name.lower(), layout.arguments
    if not _NAME.search(name) or not (_when(layout, _STARTS) or arguments.at("event_id") or arguments.at("eventId")):
        return False
    action = arguments.text("action") or next((verb for verb in _VERBS if verb in name), "")
    layout.headline = rich.text(_VERBS.get(action.lower(), "📅 Calendar"))
    if title := (arguments.text("summary") or arguments.text("title")):
        layout.headline = rich.join((layout.headline, layout.quote(title)), " ")
    if when := _span(_when(layout, _STARTS), _when(layout, _ENDS)):
        layout.note(rich.text("🕒 "), when)
    invited = [leaf for leaf in arguments.under("attendees") if isinstance(leaf.value, str) and "@" in leaf.value]
    if invited:
        layout.note(rich.text(f"👥 invites {len(invited)} {'person' if len(invited) == 1 else 'people'}"))
    if arguments.under("recurrence"):
        layout.note(rich.text("🔁 repeats"))
    layout.place("action", "summary", "title", *_STARTS, *_ENDS, *_ZONES, "attendees", "location")
    layout.text("description")
    return True


def _when(layout: Layout, keys: tuple[str, ...]) -> str | None:
    for key in keys:
        for path in ((key,), *((key, inner) for inner in _INNER)):
            if found := layout.arguments.text(*path):
                return found
    return None


def _span(start: str | None, end: str | None) -> Rich:
    """Dates as people say them; nothing where they are not ISO 8601."""
    begins, ends = _parsed(start), _parsed(end)
    if begins is None or start is None:
        return ()
    whole_days = len(start) == 10
    words = f"{begins:%A, %-d %B %Y}" if whole_days else f"{begins:%A, %-d %B %Y, %H:%M}"
    offset = begins.strftime("%z")
    if ends is not None and (ends.tzinfo is None) == (begins.tzinfo is None):
        words += _until(begins, ends, whole_days=whole_days)
    return rich.text(words + (f", UTC{offset[:3]}:{offset[3:]}" if offset else ""))


def _until(begins: datetime, ends: datetime, *, whole_days: bool) -> str:
    length = int((ends - begins).total_seconds() * 1000)
    if length < 0:
        return " — ⚠️ it ends before it begins"
    took = f" ({format_duration(length)})"
    if ends.date() == begins.date() and not whole_days:
        return f"–{ends:%H:%M}{took}"
    return f" until {ends:%A, %-d %B %Y}" + ("" if whole_days else f", {ends:%H:%M}") + took


def _parsed(text: str | None) -> datetime | None:
    if text is None or not text.isascii():
        return None
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None
