"""What stands on a card: an argument, a longer text, or a change of text; each shows as much as there is room."""

import difflib
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from enum import Enum
from functools import lru_cache
from typing import Final

import attrs

from portero.telegram.render.arguments import Leaf, ambiguous, label
from portero.telegram.render.visible import NEWLINE, Replaced, atoms, isolated, line_atoms

Marker = Callable[[str], tuple[Replaced, ...]]
"""Finds the replaced parts of a string value."""

LONG: Final = 160
"""Characters from which a value stands below its name instead of beside it."""

DIFF_LINES: Final = 600
"""Lines, old and new together, that are compared: 40 ms at worst, as it is quadratic where many lines are equal."""

DIFFS: Final = 10
"""Comparisons on one card; more would not fit, and take time."""

_RTL: Final = frozenset({"R", "AL", "AN"})


class Form(Enum):
    FIELD = "field"
    """Name and value on one line."""
    TEXT = "text"
    """Name, and the value below it with its own lines."""
    DIFF = "diff"
    LISTED = "listed"
    """One line of the block at the end that holds whatever nobody placed."""


@attrs.frozen
class Item:
    form: Form
    label: str
    """Already visible."""
    leaves: tuple[int, ...]
    """Indexes of the arguments that are on the card when this item is, whole."""
    size: int
    """Characters of the values, as they came."""
    atoms: Callable[[], Iterator[str]]
    """What is shown, lazily: a card needs only the beginning of a long one."""
    listed: Callable[[], "list[Item]"]
    """The same as lines of the listing, for cards that have too many items."""


def no_marks(_text: str) -> tuple[Replaced, ...]:
    return ()


def short(leaf: Leaf, marks: Marker, form: Form = Form.FIELD) -> Item:
    return Item(
        form,
        name_of(leaf, marks),
        (leaf.index,),
        len(leaf.text),
        lambda: _inline(leaf, marks),
        lambda: [listed(leaf, marks)],
    )


def long(leaf: Leaf, marks: Marker) -> Item:
    return Item(
        Form.TEXT,
        name_of(leaf, marks),
        (leaf.index,),
        len(leaf.text),
        lambda: _block(leaf.text, marks),
        lambda: [listed(leaf, marks)],
    )


def listed(leaf: Leaf, marks: Marker) -> Item:
    return short(leaf, marks, Form.LISTED)


def placed(leaf: Leaf, marks: Marker) -> Item:
    """Beside its name when it is short, below when it is long or has lines."""
    if isinstance(leaf.value, str) and ("\n" in leaf.value or len(leaf.value) > LONG):
        return long(leaf, marks)
    return short(leaf, marks)


def change(old: Leaf, new: Leaf, marks: Marker, where: str) -> list[Item]:
    """Old and new text as a comparison, every line of both; two texts when they are too long to compare."""
    before, after = old.text, new.text
    if before.count("\n") + after.count("\n") + 2 > DIFF_LINES:
        return [long(old, marks), long(new, marks)]
    size = len(before) + len(after)
    return [
        Item(
            Form.DIFF,
            where,
            (old.index, new.index),
            size,
            lambda: _difference(before, after, marks),
            lambda: [listed(old, marks), listed(new, marks)],
        )
    ]


def name_of(leaf: Leaf, marks: Marker) -> str:
    """The path of an argument; keys are replaced like values, so they are marked like values."""
    shown = label(leaf.path, lambda key: isolated("".join(atoms(key, marks(key)))))
    return shown + (" ⟨key given more than once⟩" if leaf.repeated else "")


def number_marks(text: str, marks: Marker) -> tuple[Replaced, ...]:
    """A number is replaced as a whole or not at all."""
    return tuple(found for found in marks(text) if (found.start, found.end) == (0, len(text)))


def _right_to_left(text: str) -> bool:
    return not text.isascii() and any(unicodedata.bidirectional(c) in _RTL for c in text)


def _fenced(shown: Iterator[str], text: str) -> Iterator[str]:
    """Right-to-left text must not reorder what stands beside it."""
    if not _right_to_left(text):
        yield from shown
        return
    yield "\u2068"
    yield from shown
    yield "\u2069"


def _inline(leaf: Leaf, marks: Marker) -> Iterator[str]:
    if not isinstance(leaf.value, str):
        yield from atoms(leaf.value.text, number_marks(leaf.value.text, marks))
        return
    quote = '"' if ambiguous(leaf.value) else ""
    yield from quote
    yield from _fenced(atoms(leaf.value, marks(leaf.value)), leaf.value)
    yield from quote


def _block(text: str, marks: Marker) -> Iterator[str]:
    """With its own lines, each newline shown; empty lines in a row are counted, so that they push nothing away."""
    lines = text.split("\n")
    shown = line_atoms(text, marks(text))
    position = 0
    while position < len(lines):
        yield from _fenced(next(shown), lines[position])
        run = position + 1
        while run < len(lines) - 1 and lines[run] == "":
            run += 1
        skipped = run - position - 1
        if skipped > 2:
            for _ in range(skipped):
                next(shown)
            yield f"{NEWLINE}×{skipped + 1}\n"
            position = run
            continue
        if position < len(lines) - 1:
            yield NEWLINE + "\n"
        position += 1


@lru_cache(DIFFS)
def _opcodes(before: tuple[str, ...], after: tuple[str, ...]) -> Sequence[tuple[str, int, int, int, int]]:
    """Kept, because fitting a card asks three times."""
    return difflib.SequenceMatcher(None, before, after, autojunk=False).get_opcodes()


def _difference(old: str, new: str, marks: Marker) -> Iterator[str]:
    before, after = old.split("\n"), new.split("\n")
    shown_before = [list(_fenced(a, line)) for a, line in zip(line_atoms(old, marks(old)), before, strict=True)]
    shown_after = [list(_fenced(a, line)) for a, line in zip(line_atoms(new, marks(new)), after, strict=True)]
    first = True
    for tag, i1, i2, j1, j2 in _opcodes(tuple(before), tuple(after)):
        parts: list[tuple[str, Sequence[list[str]]]] = [("  ", shown_before[i1:i2])]
        if tag != "equal":
            parts = [("- ", shown_before[i1:i2]), ("+ ", shown_after[j1:j2])]
        for sign, lines in parts:
            for line in lines:
                yield sign if first else f"\n{sign}"
                yield from line
                first = False
