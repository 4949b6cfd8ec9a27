"""Text with styles: the one place where it becomes Telegram's HTML, and where its length is measured."""

from collections.abc import Iterable
from enum import StrEnum
from typing import Final

import attrs

MESSAGE_UNITS: Final = 4096
"""What a message may hold, in UTF-16 code units without the markup. Source: Bot API, sendMessage."""

ENTITIES: Final = 100
"""Formatted pieces that Telegram keeps in a message; it drops the rest, and foreign text in them would be live."""


class Style(StrEnum):
    """``CODE`` and ``PRE`` also keep Telegram from making links, mentions and commands of what looks like them."""

    PLAIN = ""
    BOLD = "b"
    ITALIC = "i"
    CODE = "code"
    PRE = "pre"
    DIFF = "diff"


_TAGS: Final = {
    Style.PLAIN: ("", ""),
    Style.BOLD: ("<b>", "</b>"),
    Style.ITALIC: ("<i>", "</i>"),
    Style.CODE: ("<code>", "</code>"),
    Style.PRE: ("<pre>", "</pre>"),
    Style.DIFF: ('<pre><code class="language-diff">', "</code></pre>"),
}


@attrs.frozen
class Span:
    text: str
    style: Style = Style.PLAIN


Rich = tuple[Span, ...]


def units(text: str) -> int:
    """The length that Telegram counts: UTF-16 code units."""
    return len(text) if text.isascii() else len(text) + sum(c > "\uffff" for c in text)


def length(rich: Rich) -> int:
    return sum(units(span.text) for span in rich)


def entities(rich: Rich) -> int:
    return sum(span.style is not Style.PLAIN for span in rich)


def escape(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def html(rich: Rich) -> str:
    parts = []
    for span in rich:
        if span.text:
            before, after = _TAGS[span.style]
            parts.append(f"{before}{escape(span.text)}{after}")
    return "".join(parts)


def plain(rich: Rich) -> str:
    return "".join(span.text for span in rich)


def text(words: str) -> Rich:
    """Our own words."""
    return (Span(words),)


def bold(words: str) -> Rich:
    return (Span(words, Style.BOLD),)


def italic(words: str) -> Rich:
    return (Span(words, Style.ITALIC),)


def code(shown: str) -> Rich:
    """Foreign text, already visible."""
    return (Span(shown, Style.CODE),)


def join(parts: Iterable[Rich], between: str = "") -> Rich:
    joined: list[Span] = []
    for position, part in enumerate(parts):
        if position and between:
            joined.append(Span(between))
        joined.extend(part)
    return tuple(joined)


def lines(parts: Iterable[Rich]) -> Rich:
    """Each part on a line of its own; empty parts are left out."""
    return join((part for part in parts if part), "\n")


def cut(shown: Iterable[str], room: int) -> tuple[str, bool]:
    """As many whole atoms as fit into ``room`` units, and whether these are all."""
    taken: list[str] = []
    used = 0
    for atom in shown:
        used += units(atom)
        if used > room:
            return "".join(taken), False
        taken.append(atom)
    return "".join(taken), True
