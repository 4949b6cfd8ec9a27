"""Foreign text made safe for a terminal: nothing from a call can move the cursor, hide, reorder or forge a line."""

import json
import re
import unicodedata
from collections.abc import Callable, Iterator
from typing import Final

NEWLINE: Final = "⏎"
_INVISIBLE: Final = frozenset(  # shown as nothing, though letters or marks
    "\u034f\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u180f\u2800\u3164\uffa0"
)
_WRITTEN_OUT: Final = {ord(sign): f"⟨U+{ord(sign):04X}⟩" for sign in (NEWLINE, "⟨", "⟩")}
_MARKS: Final = 2
"""Combining marks in a row that real writing needs; more of them pile up over the lines above and below."""
_TOKEN: Final = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\],:]|[^\s{}\[\],:"]+', re.DOTALL)


def hidden(character: str) -> bool:
    """Whether a terminal shows nothing, or something else, for this character."""
    category = unicodedata.category(character)
    return (
        category[0] == "C"  # control, format (bidi, zero-width, tags), surrogate, private, unassigned
        or category in ("Zl", "Zp", "Me")
        or (category == "Zs" and character != " ")
        or character in _INVISIBLE
        or 0xFE00 <= ord(character) <= 0xFE0F  # variation selectors can carry hidden text
        or 0xE0100 <= ord(character) <= 0xE01EF
    )


def visible(text: object) -> str:
    """``text`` in one line of characters that show as what they are.

    Newlines become ``⏎``, everything else that hides becomes ``⟨U+202E⟩``; those three signs themselves are written
    out when they come from outside, so that two different texts never look the same.
    """
    raw = str(text)
    if raw.isascii() and raw.isprintable():
        return raw
    return "".join(_shown(raw.translate(_WRITTEN_OUT), _code_point))


def pretty_json(text: str) -> list[str]:
    """The lines of a JSON text, indented, value for value as it is written, with no character that hides.

    Works on the text and not on decoded values: repeated keys stay, numbers keep their digits.
    Text that is not JSON comes back as one visible line.
    """
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return [visible(text)]
    lines, line, depth = [], "", 0
    tokens = _TOKEN.findall(text)
    for position, part in enumerate(tokens):
        following = tokens[position + 1] if position + 1 < len(tokens) else ""
        if part in ("{", "["):
            line += part
            if following not in ("}", "]"):
                depth += 1
                lines.append(line)
                line = "  " * depth
        elif part in ("}", "]"):
            if tokens[position - 1] not in ("{", "["):
                depth -= 1
                lines.append(line)
                line = "  " * depth
            line += part
        elif part == ",":
            lines.append(line + ",")
            line = "  " * depth
        else:
            line += ": " if part == ":" else _literal(part)
    return [*lines, line]


def compact_json(text: str) -> str:
    """A JSON text on one line, as ``pretty_json`` shows it."""
    compact = ""
    for line in map(str.lstrip, pretty_json(text)):
        tight = compact.endswith(("{", "[")) or line.startswith(("}", "]"))
        compact += line if tight or not compact else f" {line}"
    return compact


def _literal(token: str) -> str:
    """One scalar of a JSON text; a string is decoded and written again, so that ``\\u0041`` reads as ``A``."""
    if not token.startswith('"'):
        return token
    written = json.dumps(json.loads(token), ensure_ascii=False)
    if written.isascii() and written.isprintable():
        return written
    return '"' + "".join(_shown(written[1:-1], _escaped)) + '"'


def _shown(text: str, escape: Callable[[str], str]) -> Iterator[str]:
    """The characters of ``text``, with ``escape`` for those that hide or that pile up on their neighbours."""
    marks = _MARKS  # a mark with nothing before it would land on our own text
    for character in text:
        marks = marks + 1 if unicodedata.category(character) == "Mn" else 0
        yield escape(character) if marks > _MARKS or hidden(character) else character


def _code_point(character: str) -> str:
    return NEWLINE if character == "\n" else f"⟨U+{ord(character):04X}⟩"


def _escaped(character: str) -> str:
    return json.dumps(character)[1:-1] if character != "\x7f" else "\\u007f"


def json_line(value: object) -> str:
    """``value`` as JSON in ASCII on one line: safe on a terminal too, whatever it holds."""
    return json.dumps(value, separators=(", ", ": ")).replace("\x7f", "\\u007f")


def json_document(value: object) -> str:
    """``value`` as indented JSON in ASCII."""
    return json.dumps(value, indent=2).replace("\x7f", "\\u007f")


def one_line(text: str, width: int) -> str:
    """The beginning of a visible text in ``width`` characters, with a mark where it was cut."""
    shown = visible(text)
    return shown if len(shown) <= width else shown[: max(width - 1, 0)] + "…"
