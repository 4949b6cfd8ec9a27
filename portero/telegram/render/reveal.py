"""The real values behind the fakes of a card, as pages of an alert that only the person who taps sees."""

from collections.abc import Iterable
from typing import Final

from portero.telegram.render import rich
from portero.telegram.render.visible import BECOMES, visible

PAGE: Final = 200
"""Units of an alert. Source: Bot API, answerCallbackQuery."""

MOST_PAGES: Final = 8


def pages(pairs: Iterable[tuple[str, str]]) -> list[str]:
    """``(fake, real)`` in lines, as many to a page as fit; a longer line goes on in the next page."""
    found: list[str] = []
    for fake, real in pairs:
        line = f"{visible(fake)}{BECOMES}{visible(real)}"
        if found and rich.units(found[-1]) + 1 + rich.units(line) <= PAGE:
            found[-1] += "\n" + line
            continue
        while line:
            piece, _ = rich.cut(line, PAGE)
            found.append(piece)
            line = line[len(piece) :]
    if len(found) > MOST_PAGES:
        rest = f"… {len(found) - MOST_PAGES + 1} pages more: see `portero show`"
        found = [*found[: MOST_PAGES - 1], rest]
    return found
