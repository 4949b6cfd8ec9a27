"""How a renderer arranges a card: headline, notes, arguments in its order; what it does not place follows by itself."""

from collections.abc import Callable
from typing import Final

import attrs

from portero.domain.values import Kind
from portero.telegram.render import rich
from portero.telegram.render.arguments import Arguments, Leaf, Path
from portero.telegram.render.items import DIFFS, Item, Marker, change, listed, long, name_of, placed
from portero.telegram.render.rich import Rich
from portero.telegram.render.visible import atoms, isolated

QUOTED: Final = 60
"""Units of a foreign text inside a headline or note; the whole of it stands among the arguments."""

PAIRS: Final = (
    ("oldText", "newText"),
    ("old_text", "new_text"),
    ("old_str", "new_str"),
    ("old_string", "new_string"),
    ("find_text", "replace_text"),
    ("old", "new"),
    ("before", "after"),
)
"""Names under which tools take a text and what replaces it."""


@attrs.frozen
class Subject:
    """What is asked for."""

    server: str
    name: str
    kind: Kind = Kind.TOOL


@attrs.define
class Layout:
    """``headline`` and ``notes`` say in words what the arguments mean; they never count as showing them."""

    arguments: Arguments
    marks: Marker
    headline: Rich = ()
    notes: list[Rich] = attrs.field(factory=list)
    items: list[Item] = attrs.field(factory=list)
    _used: set[int] = attrs.field(factory=set)

    def place(self, *keys: str) -> None:
        """Everything under these arguments, in this order."""
        for key in keys:
            for leaf in self.arguments.under(key):
                self.leaf(leaf)

    def text(self, *path: str | int) -> None:
        """One argument as a text with its own lines, however short."""
        leaf = self.arguments.at(*path)
        if leaf is not None and leaf.index not in self._used:
            self._add(
                leaf, long(leaf, self.marks) if isinstance(leaf.value, str) and leaf.value else placed(leaf, self.marks)
            )

    def leaf(self, leaf: Leaf) -> None:
        if leaf.index not in self._used:
            self._add(leaf, placed(leaf, self.marks))

    def where(self, test: Callable[[Path], bool]) -> None:
        for leaf in self.arguments.where(test):
            self.leaf(leaf)

    def changes(self) -> int:
        """The first pairs of an old and a new text as comparisons; returns how many pairs there are."""
        found = 0
        for leaf in self.arguments.leaves:
            for old_name, new_name in PAIRS:
                if leaf.path[-1:] != (old_name,) or leaf.repeated:
                    continue
                new = self.arguments.at(*leaf.path[:-1], new_name)
                if new is None or not (isinstance(leaf.value, str) and isinstance(new.value, str)):
                    continue
                found += 1
                if found <= DIFFS:
                    self.items.extend(change(leaf, new, self.marks, f"{name_of(leaf, self.marks)} → {new_name}"))
                    self._used |= {leaf.index, new.index}
        return found

    def note(self, *parts: Rich) -> None:
        self.notes.append(rich.join(parts))

    def number(self, *path: str | int) -> int | None:
        """A whole number to be told in words; None where there is none, or where it is replaced by another."""
        leaf = self.arguments.at(*path)
        return None if leaf is None or self.marks(leaf.text) else self.arguments.number(*path)

    def quote(self, text: str) -> Rich:
        """A foreign text inside our own words."""
        shown, whole = rich.cut(atoms(text, self.marks(text)), QUOTED)
        return rich.code(isolated(shown) + ("" if whole else "⟨…⟩"))

    def finish(self) -> list[Item]:
        """All items: those placed, then the rest, the outer arguments before the nested ones."""
        rest = self._free(list(self.arguments.leaves))
        outer = [placed(leaf, self.marks) for leaf in rest if len(leaf.path) <= 1]
        nested = [
            long(leaf, self.marks) if isinstance(leaf.value, str) and "\n" in leaf.value else listed(leaf, self.marks)
            for leaf in rest
            if len(leaf.path) > 1
        ]
        return [*self.items, *outer, *nested]

    def _free(self, leaves: list[Leaf]) -> list[Leaf]:
        return [leaf for leaf in leaves if leaf.index not in self._used]

    def _add(self, leaf: Leaf, item: Item) -> None:
        self._used.add(leaf.index)
        self.items.append(item)
