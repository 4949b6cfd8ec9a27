"""Everything a call was given, as a text file: what does not fit on the card, whole."""

from collections.abc import Iterator
from typing import Final

from portero.domain.call import Call
from portero.telegram.render import rich
from portero.telegram.render.arguments import Arguments, Leaf, Raw, ambiguous
from portero.telegram.render.items import Marker, name_of, number_marks
from portero.telegram.render.message import Attachment
from portero.telegram.render.visible import atoms, visible, visible_lines

LIMIT: Final = 49_000_000
"""Bytes of a file that a bot may send, with some room. Source: Bot API, sendDocument."""

_LEGEND: Final = (
    "Every line of a value begins with '| '. ⏎ is a newline, ⇥ a tab, ␠ a blank at a line's end,",
    "⟨U+202E⟩ a character that hides or misleads, ⟪…⟫ a value that is replaced by the real one when the call runs.",
)


def attachment(call: Call, arguments: Arguments, marks: Marker) -> Attachment:
    content = "\n".join(_lines(call, arguments, marks)) + "\n"
    caption = rich.join((rich.text("All arguments of "), rich.code(call.id)))
    return Attachment(f"arguments-{call.id}.txt", content.encode(), caption)


def _lines(call: Call, arguments: Arguments, marks: Marker) -> Iterator[str]:
    count = len(arguments.leaves)
    yield f"Task {call.id}"
    yield f"Tool {visible(call.tool)}"
    if call.facts.title:
        yield f"Title {visible(call.facts.title)}"
    yield f"Client {visible(call.client)}"
    yield f"{count:,} argument{'' if count == 1 else 's'}"
    yield from _LEGEND
    for leaf in arguments.leaves:
        yield ""
        yield from _leaf(leaf, count, marks)


def _leaf(leaf: Leaf, count: int, marks: Marker) -> Iterator[str]:
    number = f"[{leaf.index + 1:,} of {count:,}] {name_of(leaf, marks)}"
    if isinstance(leaf.value, Raw):
        yield f"{number} = {''.join(atoms(leaf.value.text, number_marks(leaf.value.text, marks)))}"
        return
    yield f"{number} ({len(leaf.value):,} character{'' if len(leaf.value) == 1 else 's'})"
    quote = '"' if ambiguous(leaf.value) else ""
    replaced = marks(leaf.value)
    if replaced:  # the marks need the whole text at once
        shown = "".join(atoms(leaf.value, replaced)).replace("⏎", "⏎\n")
        lines: Iterator[str] = iter(shown.split("\n"))
    else:
        lines = visible_lines(leaf.value)
    for line in lines:
        yield f"| {quote}{line}{quote}"
