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

_SHORT: Final = {'"': '\\"', "\\": "\\\\", "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t"}
_UNRESERVED: Final = "A-Za-z0-9_.~\\-"


def _code_units(char: str, form: str) -> str:
    """``\\uXXXX`` for a character, a surrogate pair for one beyond the basic plane."""
    data = char.encode("utf-16-be", "surrogatepass")
    return "".join("\\u" + format(int.from_bytes(data[at : at + 2], "big"), form) for at in range(0, len(data), 2))


def _json(units: str = "", *, form: str = "04x", slash: bool = False) -> Style:
    """A JSON encoder's style. ``units``: what it writes as ``\\uXXXX``, even where there is a short escape."""
    must = re.compile(f'["\\\\\x00-\x1f{units}{"/" if slash else ""}]')
    as_units = re.compile(f"[{units}]") if units else None

    def escape(found: re.Match[str]) -> str:
        char = found[0]
        if char == "/":
            return "\\/"
        if char in _SHORT and not (as_units and as_units.match(char)):
            return _SHORT[char]
        return _code_units(char, form)

    return lambda text: must.sub(escape, text)


def _percent(safe: str = "", *, form: str = "02X", plus: bool = False) -> Style:
    must = re.compile(f"[^{_UNRESERVED}{safe}]+")

    def escape(found: re.Match[str]) -> str:
        hexed = "".join(f"%{byte:{form}}" for byte in found[0].encode("utf-8", "surrogatepass"))
        return hexed.replace("%20", "+") if plus else hexed

    return lambda text: must.sub(escape, text)


def _html(apostrophe: str) -> Style:
    marks = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": apostrophe})
    return lambda text: text.translate(marks)


_BEYOND_ASCII: Final = "\x7f-\U0010ffff"
_EMBEDDED: Final = _json()

_JSON_STYLES: Final = (
    _EMBEDDED,
    _json(_BEYOND_ASCII),  # Python, and others that write ASCII only
    _json(_BEYOND_ASCII, form="04X"),
    _json(slash=True),  # PHP
    _json(_BEYOND_ASCII, slash=True),
    _json("<>&"),  # Go
    _json("\"&'+<>`" + _BEYOND_ASCII, form="04X"),  # .NET
)
_URL_STYLES: Final = tuple(
    _percent(safe, form=form, plus=plus)
    for form in ("02X", "02x")
    for safe, plus in (("", False), ("", True), ("!'()*", False), ("/", False), (";,/?:@&=+$#!'()*", False))
)
_HTML_STYLES: Final = tuple(_html(apostrophe) for apostrophe in ("&#39;", "&#x27;", "&apos;", "'"))


def _twice(style: Style) -> Style:
    """A JSON text in a string of a JSON text in a string."""
    return lambda text: _EMBEDDED(style(text))


STYLES: Final[tuple[Style, ...]] = (
    lambda text: text,
    *_JSON_STYLES,
    *map(_twice, _JSON_STYLES),
    *_URL_STYLES,
    *_HTML_STYLES,
)


def spellings(source: str) -> Iterator[tuple[str, Style]]:
    """Every different spelling of a text with the style that makes it; the text itself comes first."""
    seen: set[str] = set()
    for style in STYLES:
        spelt = style(source)
        if spelt not in seen:
            seen.add(spelt)
            yield spelt, style
