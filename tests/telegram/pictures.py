"""Draws the example cards as pictures for the README: ``python -m tests.telegram.pictures`` writes them anew."""

import unicodedata
from html import escape
from itertools import pairwise
from pathlib import Path
from typing import Final

import attrs

from portero.telegram.render.message import Keyboard, Message
from portero.telegram.render.rich import Style
from tests.telegram.examples import render
from tests.telegram.spoken import SPOKEN

FOLDER: Final = Path(__file__).parents[2] / "ops" / "pictures"
SHOWN: Final = ("mail", "file_edit", "stripe_price", "unknown", "hostile")
SAID: Final = ("said_summary",)

WIDTH: Final = 560
PADDING: Final = 14
LINE: Final = 20
SIZE: Final = 14
SANS: Final = "-apple-system, 'Segoe UI', Roboto, 'DejaVu Sans', sans-serif"
MONO: Final = "ui-monospace, Menlo, Consolas, 'DejaVu Sans Mono', monospace"
INK, CODE, BUBBLE, BLOCK, CHAT, KEY = "#111b21", "#b3261e", "#ffffff", "#f1f3f5", "#d7e3ea", "#7f9bab"
BLOCKS: Final = (Style.PRE, Style.DIFF)
GREEN, RED = "#1a7f37", "#b3261e"


@attrs.frozen
class Piece:
    """Characters of one style on one line."""

    text: str
    style: Style


@attrs.frozen
class Line:
    pieces: tuple[Piece, ...]
    block: bool


def width(character: str, style: Style) -> float:
    """Estimated, in pixels: it only decides where lines break."""
    if unicodedata.category(character) in ("Mn", "Cf"):
        return 0
    if unicodedata.category(character) == "So" or unicodedata.east_asian_width(character) in "WF":
        return SIZE * 1.3
    if style in (Style.CODE, *BLOCKS):
        return SIZE * 0.61
    if character in "ilj.,:;'|!()[] ":
        return SIZE * 0.34
    return SIZE * (0.64 if style is Style.BOLD else 0.58)


def lines(message: Message) -> list[Line]:
    """The text as it breaks in a bubble."""
    found: list[Line] = []
    current: list[Piece] = []
    room, used = WIDTH - 4 * PADDING, 0.0

    def end(*, block: bool) -> None:
        nonlocal current, used
        found.append(Line(tuple(current), block or any(piece.style in BLOCKS for piece in current)))
        current, used = [], 0.0

    for span in message.text:
        block = span.style in BLOCKS
        for number, part in enumerate((span.text.removesuffix("\n") if block else span.text).split("\n")):
            if number:
                end(block=block)
            for word in _words(part, span.style, room):
                size = sum(width(c, span.style) for c in word)
                if used + size > room:
                    end(block=block)
                current.append(Piece(word, span.style))
                used += size
    end(block=False)
    return found


def _words(text: str, style: Style, room: float) -> list[str]:
    """With the blank after each; one that is longer than a line in pieces."""
    cuts = [0]
    used = 0.0
    for at, character in enumerate(text):
        used += width(character, style)
        if used > room:
            cuts.append(at)
            used = width(character, style)
        if character == " ":
            cuts.append(at + 1)
            used = 0.0
    return [text[a:b] for a, b in pairwise([*cuts, len(text)]) if a < b]


def draw(message: Message) -> str:
    """An SVG: text, blocks and buttons of one message."""
    drawn = lines(message)
    bubble = len(drawn) * LINE + 2 * PADDING
    height = bubble + len(message.keyboard) * 40 + 3 * PADDING
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" viewBox="0 0 {WIDTH} {height}">',
        f'<rect width="{WIDTH}" height="{height}" rx="12" fill="{CHAT}"/>',
        f'<rect x="{PADDING}" y="{PADDING}" width="{WIDTH - 2 * PADDING}" height="{bubble}" rx="12" fill="{BUBBLE}"/>',
    ]
    for number, line in enumerate(drawn):
        top = 2 * PADDING + number * LINE
        if line.block:
            x, size = 2 * PADDING - 6, WIDTH - 4 * PADDING + 12
            parts.append(f'<rect x="{x}" y="{top - 2}" width="{size}" height="{LINE}" fill="{BLOCK}"/>')
        spans = "".join(_span(piece, line) for piece in line.pieces)
        where = f'x="{2 * PADDING}" y="{top + 13}" font-size="{SIZE}"'
        parts.append(f'<text {where} xml:space="preserve" fill="{INK}">{spans}</text>')
    parts += _buttons(message.keyboard, bubble + 2 * PADDING)
    return "\n".join([*parts, "</svg>"]) + "\n"


def _span(piece: Piece, line: Line) -> str:
    mono = piece.style in (Style.CODE, *BLOCKS)
    fill = INK
    if piece.style is Style.CODE:
        fill = CODE
    elif piece.style is Style.DIFF and line.pieces[0].text[:1] in "+-":
        fill = GREEN if line.pieces[0].text[:1] == "+" else RED
    more = ' font-weight="600"' if piece.style is Style.BOLD else ""
    more += ' font-style="italic"' if piece.style is Style.ITALIC else ""
    return (
        f'<tspan font-family="{MONO if mono else SANS}" fill="{fill}"{more}>{escape(piece.text, quote=False)}</tspan>'
    )


def _buttons(keyboard: Keyboard, top: int) -> list[str]:
    parts = []
    for row, keys in enumerate(keyboard):
        size = (WIDTH - 2 * PADDING - 6 * (len(keys) - 1)) / len(keys)
        for column, key in enumerate(keys):
            x, y = PADDING + column * (size + 6), top + row * 40
            parts.append(f'<rect x="{x:.0f}" y="{y}" width="{size:.0f}" height="34" rx="8" fill="{KEY}"/>')
            parts.append(
                f'<text x="{x + size / 2:.0f}" y="{y + 22}" font-size="{SIZE}" font-family="{SANS}" fill="#ffffff"'
                f' text-anchor="middle">{escape(key.text)}</text>'
            )
    return parts


def pictures() -> dict[str, str]:
    return {name: draw(render(name)) for name in SHOWN} | {name: draw(SPOKEN[name]()) for name in SAID}


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for name, svg in pictures().items():
        (FOLDER / f"{name}.svg").write_text(svg)
