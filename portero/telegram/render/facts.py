"""What is said of a call beside its arguments: why it was asked, what it may do, where it stands."""

import json
from typing import Any, Final

from portero.domain.values import Reason, Tier, ToolFacts
from portero.telegram.render import rich
from portero.telegram.render.rich import Rich
from portero.telegram.render.visible import atoms, isolated

NAME: Final = 200
"""Units of a name on a card; a longer one is cut there and whole in the attached file."""

LINE: Final = 240
"""Units of a result or reason on a card."""


def brief(text: str, room: int = LINE) -> str:
    """A foreign text in one visible line of at most ``room`` units, with a mark where it was cut."""
    shown, whole = rich.cut(atoms(text), room)
    return isolated(shown) + ("" if whole else "⟨…⟩")


def cut_on_card(name: str) -> bool:
    return not rich.cut(atoms(name), NAME)[1]


def why_asked(reason: Reason | None) -> Rich:
    if reason is None:
        return ()
    pattern = rich.code(brief(reason.pattern or "*", NAME))
    match reason.tier:
        case Tier.RULE:
            return rich.join((rich.text(f"Asked because rule {reason.rule} says so for "), pattern))
        case Tier.EXACT:
            return rich.text("Asked because the configuration says so for this tool")
        case Tier.PATTERN:
            return rich.join((rich.text("Asked because the configuration says so for "), pattern))
        case Tier.DEFAULT:
            return rich.text("Asked because nothing names this tool, and the default is to ask")
        case Tier.LOCK:
            return rich.text("Asked while everything is locked")


def risks(facts: ToolFacts) -> str:
    """What the server says of its tool; hints, and named as such."""
    marks = []
    if facts.read_only:
        marks.append("👁 only reads")
    else:
        marks.append("✏️ writes" if facts.read_only is False else "✏️ may write")
        if facts.destructive:
            marks.append("🔥 destructive")
        elif facts.destructive is None:
            marks.append("❔ may destroy")
        else:
            marks.append("destroys nothing")
        if facts.idempotent:
            marks.append("🔁 safe to repeat")
    if facts.open_world:
        marks.append("🌐 talks to the world")
    elif facts.open_world is False:
        marks.append("🏠 stays inside")
    said = any(value is not None for value in (facts.read_only, facts.destructive, facts.idempotent, facts.open_world))
    return " · ".join(marks) + ("" if said else " (its server says nothing of it)")


def result_line(result: str | None) -> str:
    """The first words of a tool's result (JSON text), foreign and not yet visible."""
    if result is None:
        return ""
    try:
        value = json.loads(result)
    except (ValueError, RecursionError):
        return result[: 4 * LINE]
    if not isinstance(value, dict):
        return result[: 4 * LINE]
    for item in _contents(value):
        if isinstance(item, dict) and isinstance(item.get("text"), str) and item["text"].strip():
            return str(item["text"]).strip()[: 4 * LINE]
    if value.get("structuredContent") is not None:
        return json.dumps(value["structuredContent"], ensure_ascii=False)[: 4 * LINE]
    kinds = [str(item.get("type", "?")) for item in _contents(value) if isinstance(item, dict)]
    return f"({', '.join(kinds)})"[: 4 * LINE] if kinds else "(empty)"


def _contents(value: dict[str, Any]) -> list[Any]:
    for name in ("content", "contents", "messages"):
        if isinstance(value.get(name), list):
            return list(value[name])
    return []


def error_line(error: str | None) -> str:
    """The message of an error as the log keeps it (JSON object), foreign and not yet visible."""
    if error is None:
        return ""
    try:
        value = json.loads(error)
    except (ValueError, RecursionError):
        return error
    return str(value.get("message", error)) if isinstance(value, dict) else error
