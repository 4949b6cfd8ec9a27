"""The ways in which other programs write the same text inside a text: JSON escapes, percent-encoding, HTML.

An upstream seldom sends a name alone. It sends a JSON text in a string, a link, a piece of HTML; there ``José`` stands
as ``Jos\\u00e9`` or ``Jos%C3%A9``. Each style below is applied to both sides of an entry, so what is put in is written
as its surroundings are. Not covered, and left as they are: base64 and other encodings whose text depends on what stands
before it, and escapes that no program writes without need (``\\u0041`` for ``A``) inside an embedded text.
"""

import re
from collections.abc import Callable, Iterator
from typing import Final

Style = Callable[[str], str]

_UNRESERVED: Final = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")
_NEVER_ESCAPED: Final = re.compile(r"[A-Za-z0-9._~-]+")
_OFTEN_ESCAPED: Final = re.compile("[^ -~]|[\"\\\\/<>&'+`]")
_SHORT: Final = {'"': '\\"', "\\": "\\\\", "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t"}


class _Characters(dict[int, str]):
    """A table for ``str.translate`` that is filled as characters are met."""

    def __init__(self, escape: Style) -> None:
        super().__init__()
        self._escape = escape

    def __missing__(self, code: int) -> str:
        self[code] = escaped = self._escape(chr(code))
        return escaped


def _by_character(escape: Style) -> Style:
    characters = _Characters(escape)
    return lambda text: text.translate(characters)


def _json(units: str = "", *, beyond_ascii: bool = False, form: str = "04x", slash: bool = False) -> Style:
    """A JSON encoder's style. ``units``: what it writes as ``\\uXXXX``, even where there is a short escape."""

    def escape(char: str) -> str:
        if char == "/" and slash:
            return "\\/"
        if char in units or (beyond_ascii and char > "~") or (char < " " and char not in _SHORT):
            data = char.encode("utf-16-be")
            return "".join(f"\\u{int.from_bytes(data[at : at + 2], 'big'):{form}}" for at in range(0, len(data), 2))
        return _SHORT.get(char, char)

    return _by_character(escape)


def _percent(safe: str = "", *, form: str = "02X", plus: bool = False) -> Style:
    def escape(char: str) -> str:
        if char in _UNRESERVED or char in safe:
            return char
        return "+" if plus and char == " " else "".join(f"%{byte:{form}}" for byte in char.encode())

    return _by_character(escape)


def _html(apostrophe: str) -> Style:
    marks = {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": apostrophe}
    return _by_character(lambda char: marks.get(char, char))


def _twice(style: Style, embedded: Style) -> Style:
    """A JSON text in a string of a JSON text in a string."""
    return lambda text: embedded(style(text))


_LINKS: Final[tuple[Style, ...]] = (
    str,
    *(
        _percent(safe, form=form, plus=plus)
        for form in ("02X", "02x")
        for safe, plus in (("", False), ("", True), ("!'()*", False), ("/", False), (";,/?:@&=+$#!'()*", False))
    ),
)
"""All that matter for a text in which JSON and HTML escape nothing."""

_JSON: Final = (
    _json(),
    _json(beyond_ascii=True),  # Python, and others that write ASCII only
    _json(beyond_ascii=True, form="04X"),
    _json(slash=True),  # PHP
    _json(beyond_ascii=True, slash=True),
    _json("<>&"),  # Go
    _json("\"&'+<>`", beyond_ascii=True, form="04X"),  # .NET
)
_HTML: Final = tuple(_html(apostrophe) for apostrophe in ("&#39;", "&#x27;", "&apos;", "'"))

STYLES: Final = (*_LINKS, *_JSON, *(_twice(style, _JSON[0]) for style in _JSON), *_HTML)


def spellings(source: str) -> Iterator[tuple[str, Style]]:
    """Every different spelling of a text with the style that makes it; the text itself comes first."""
    if _NEVER_ESCAPED.fullmatch(source):
        yield source, str
        return
    seen: set[str] = set()
    for style in STYLES if _OFTEN_ESCAPED.search(source) else _LINKS:
        spelt = style(source)
        if spelt not in seen:
            seen.add(spelt)
            yield spelt, style
