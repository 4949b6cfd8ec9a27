"""Room on a card: every item gets its share, short ones whole, and what was left out is said."""

from collections.abc import Sequence
from itertools import groupby
from typing import Final

import attrs

from portero.telegram.render import rich
from portero.telegram.render.items import Form, Item
from portero.telegram.render.rich import Rich, Span, Style

LEAST: Final = 90
"""Units that an item gets at least; with less a person learns nothing from it."""

LABEL: Final = 120
"""Units of a name; a longer one is cut."""

MOST_PLACED: Final = 30
"""Items outside the listing, each two formatted pieces: far from the number at which Telegram drops formatting."""

_BLOCK: Final = {Form.TEXT: Style.PRE, Form.DIFF: Style.DIFF}


@attrs.frozen
class Fitted:
    text: Rich
    leaves: frozenset[int]
    """Which arguments are on the card whole."""


def fit(items: Sequence[Item], room: int) -> Fitted:
    """As much of the items as fits into ``room`` units, in their order, and a line for those that do not fit at all."""
    items = _listed_after(items, MOST_PLACED)
    needs = [_need(item, room) for item in items]
    spare = room - _ending_units(len(items))
    shares: list[int] = []
    for item, need in zip(items, needs, strict=True):
        least = _overhead(item) + min(need, LEAST)
        if least > spare:
            break
        spare -= least
        shares.append(min(need, LEAST))
    _fill(shares, needs, spare)
    shown = [_shown(item, share) for item, share in zip(items, shares, strict=False)]
    parts = [_together(form, list(group)) for form, group in groupby(shown, key=lambda s: s.form is Form.LISTED)]
    left_out = len(items) - len(shown)
    if left_out:
        parts.append(rich.italic(_ending(left_out)))
    whole = (item.leaves for item, one in zip(items, shown, strict=False) if one.whole)
    return Fitted(rich.lines(parts), frozenset(index for leaves in whole for index in leaves))


@attrs.frozen
class _Shown:
    form: Form
    label: str
    value: str
    whole: bool


def _listed_after(items: Sequence[Item], most: int) -> list[Item]:
    """Items beyond the number of formatted pieces that a card may have go into the listing, short or not."""
    placed = [item for item in items if item.form is not Form.LISTED]
    overflow = [line for item in placed[most:] for line in item.listed()]
    return placed[:most] + overflow + [item for item in items if item.form is Form.LISTED]


def _overhead(item: Item) -> int:
    return min(rich.units(item.label), LABEL) + 6


def _need(item: Item, room: int) -> int:
    used = 0
    for atom in item.atoms():
        used += rich.units(atom)
        if used > room:
            break
    return used


def _fill(shares: list[int], needs: list[int], spare: int) -> None:
    """Gives the spare room out evenly; an item that needs less than its part leaves the rest to the others."""
    hungry = sorted((i for i in range(len(shares)) if needs[i] > shares[i]), key=lambda i: needs[i] - shares[i])
    for position, index in enumerate(hungry):
        more = min(needs[index] - shares[index], spare // (len(hungry) - position))
        shares[index] += more
        spare -= more


def _cut_mark(item: Item) -> str:
    return f"⟨… cut; {item.size:,} characters in all⟩"


def _shown(item: Item, share: int) -> _Shown:
    label = item.label
    label_whole = rich.units(label) <= LABEL
    if not label_whole:
        label = rich.cut(label, LABEL - 4)[0] + "⟨…⟩"
    value, whole = rich.cut(item.atoms(), share)
    if not whole:
        mark = _cut_mark(item)
        value = rich.cut(item.atoms(), max(share - rich.units(mark) - 1, 0))[0]
        value += ("\u2069" if value.count("\u2068") > value.count("\u2069") else "") + mark
    return _Shown(item.form, label, value, whole and label_whole)


def _together(listed: bool, shown: list[_Shown]) -> Rich:
    if listed:
        return (Span("\n".join(f"{one.label}: {one.value}" for one in shown), Style.PRE),)
    return rich.lines(_one(one) for one in shown)


def _one(one: _Shown) -> Rich:
    label = Span(one.label, Style.BOLD if one.label.isidentifier() and one.label.isascii() else Style.CODE)
    if one.form is Form.FIELD:
        return (label, Span(": "), Span(one.value, Style.CODE))
    return (label, Span(":\n"), Span(one.value, _BLOCK[one.form]))


def _ending(left_out: int) -> str:
    return f"… and {left_out:,} more, in the attached file"


def _ending_units(items: int) -> int:
    return rich.units(_ending(items)) + 1
