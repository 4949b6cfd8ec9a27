"""Long answers: a list of items in pages, with the buttons of the items on that page, and buttons to turn it."""

from typing import Final

import attrs

from portero.telegram.callbacks import Verb
from portero.telegram.render import rich
from portero.telegram.render.message import Button, Keyboard, Message, button
from portero.telegram.render.rich import Rich

PAGE_UNITS: Final = 3_400
PAGE_ENTITIES: Final = 80
PAGE_ITEMS: Final = 15
PAGE_LINES: Final = 40
"""Items without buttons are short lines."""


@attrs.frozen
class Item:
    text: Rich
    buttons: tuple[Button, ...] = ()


@attrs.frozen
class Listing:
    """``name``: by which a button that turns the page finds the list again."""

    name: str
    title: Rich
    items: tuple[Item, ...]
    empty: str = "Nothing."
    counted: bool = True
    """The title says how many items there are."""


def page(listing: Listing, number: int = 1) -> Message:
    """The page of that number, from 1; the last one when there are fewer."""
    if not listing.items:
        return Message(rich.lines([listing.title, rich.text(listing.empty)]))
    pages = _pages(listing.items)
    number = max(1, min(number, len(pages)))
    items = pages[number - 1]
    count = rich.text(f" ({len(listing.items):,})") if listing.counted else ()
    head = rich.join((listing.title, count))
    where = rich.italic(f"page {number} of {len(pages)}") if len(pages) > 1 else ()
    text = rich.lines([head, *(item.text for item in items), where])
    keys: Keyboard = tuple(item.buttons for item in items if item.buttons)
    turns = []
    if number > 1:
        turns.append(button("◀ Back", Verb.PAGE, listing.name, number - 1))
    if number < len(pages):
        turns.append(button("More ▶", Verb.PAGE, listing.name, number + 1))
    return Message(text, (*keys, tuple(turns)) if turns else keys)


def _pages(items: tuple[Item, ...]) -> list[list[Item]]:
    pages: list[list[Item]] = [[]]
    used = marks = 0
    most = PAGE_ITEMS if any(item.buttons for item in items) else PAGE_LINES
    for item in items:
        units, entities = rich.length(item.text) + 1, rich.entities(item.text)
        full = used + units > PAGE_UNITS or marks + entities > PAGE_ENTITIES or len(pages[-1]) >= most
        if full and pages[-1]:
            pages.append([])
            used = marks = 0
        pages[-1].append(item)
        used, marks = used + units, marks + entities
    return pages
