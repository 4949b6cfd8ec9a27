"""Foreign text made visible: nothing from a call can hide, reorder, forge a line or pass for other letters.

Newlines are shown as ``⏎``, tabs as ``⇥``, blanks at a line's end as ``␠``, and every character that hides or misleads
by its code point, such as ``⟨U+202E⟩``. The signs used for that, and those for replaced values (``⟪…⟫``), are written
out the same way when they come from outside, so that two different texts never look the same.
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Final

import attrs

from portero.telegram.render.lookalikes import LOOKALIKES, PUNCTUATION

NEWLINE: Final = "⏎"
TAB: Final = "⇥"
BLANK: Final = "␠"
OPEN, CLOSE, BECOMES = "⟪", "⟫", " → "
RESERVED: Final = frozenset("⏎⇥␠⟨⟩⟪⟫")

MARKS: Final = 2
"""Combining marks in a row that real writing needs; more of them pile up over the lines above and below."""

BLANKS: Final = 32
"""Blanks in a row that an indented line needs; more of them push text out of sight."""

_INVISIBLE: Final = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0\ufffc")
_TOKEN: Final = re.compile(r"\S+")
_WORD: Final = re.compile(r"[^\W\d_]+")
_ADDRESS: Final = re.compile(r"[@/]|[^\W_]\.[^\W_]")
_SIGNS: Final = re.compile(f"[{re.escape(''.join(sorted(PUNCTUATION)))}]+")
_RTL: Final = frozenset({"R", "AL", "AN"})
_ISOLATE, _POP = "\u2068", "\u2069"


@attrs.frozen
class Replaced:
    """Where a fake stands in a text. ``real``: what it becomes, only where reals are to be shown."""

    start: int
    end: int
    real: str | None = None


def code_point(character: str) -> str:
    return f"⟨U+{ord(character):04X}⟩"


def visible(text: object) -> str:
    """``text`` in one line of characters that show as what they are."""
    raw = str(text)
    return raw if _plain(raw) else isolated("".join(atoms(raw)))


def visible_lines(text: str) -> Iterator[str]:
    """The same, a line of output for each line of the text, its newline shown at the end."""
    scripts = _Scripts(text)
    lines = text.split("\n")
    for position, line in enumerate(lines):
        end = NEWLINE if position < len(lines) - 1 else ""
        if _plain(line):
            yield line + end
        else:
            yield isolated("".join(_atoms(line, 0, {}, scripts))) + end


def atoms(text: str, replaced: Iterable[Replaced] = ()) -> Iterator[str]:
    """What is shown for ``text``, in pieces that must not be cut, lazily: a card needs only the first of many."""
    return _atoms(text, 0, _brackets(replaced), _Scripts(text))


def line_atoms(text: str, replaced: Iterable[Replaced] = ()) -> Iterator[Iterator[str]]:
    """The lines of ``text``, each as its atoms, without sign for the newline."""
    brackets, scripts, start = _brackets(replaced), _Scripts(text), 0
    for line in text.split("\n"):
        yield _atoms(line, start, brackets, scripts)
        start += len(line) + 1


def isolated(shown: str) -> str:
    """``shown`` fenced where it has right-to-left letters, so that they do not reorder what stands beside it."""
    if shown.isascii() or not any(unicodedata.bidirectional(c) in _RTL for c in shown):
        return shown
    return f"{_ISOLATE}{shown}{_POP}"


def _plain(line: str) -> bool:
    """Whether a line shows as what it is without any help."""
    return line.isascii() and line.isprintable() and not line.endswith(" ") and " " * (BLANKS + 1) not in line


def _brackets(replaced: Iterable[Replaced]) -> dict[int, list[str]]:
    """What to write before the character at an index: closing marks of what ended there first."""
    before: dict[int, list[str]] = {}
    for span in sorted(replaced, key=lambda r: r.start):
        before.setdefault(span.start, []).append(OPEN)
        real = "" if span.real is None else BECOMES + visible(span.real)
        before.setdefault(span.end, []).insert(0, real + CLOSE)
    return before


class _Scripts:
    """Which scripts a text is really written in: asked only when a whole word looks like ASCII."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._found: dict[str, bool] = {}

    def written_in(self, script: str) -> bool:
        """Whether some letter of the script in this text looks like no ASCII letter."""
        if script not in self._found:
            self._found[script] = any(
                c not in LOOKALIKES and c > "\x7f" and c.isalpha() and _script(c) == script for c in self._text
            )
        return self._found[script]


@lru_cache(4096)
def _script(character: str) -> str:
    return unicodedata.name(character, "").partition(" ")[0]


def _atoms(text: str, start: int, brackets: dict[int, list[str]], scripts: _Scripts) -> Iterator[str]:
    at = 0
    for token in _TOKEN.finditer(text):
        yield from _gap(text[at : token.start()], start + at, brackets)
        yield from _token(token[0], start + token.start(), brackets, scripts)
        at = token.end()
    yield from _gap(text[at:], start + at, brackets, last=True)
    yield from brackets.get(start + len(text), ())


def _gap(blanks: str, start: int, brackets: dict[int, list[str]], *, last: bool = False) -> Iterator[str]:
    """White space between tokens; blanks at the end of a line are shown, and so are very long runs."""
    if not blanks:
        return
    trailing = len(blanks.rstrip(" ")) if last else len(blanks)
    long = len(blanks) > BLANKS
    for index, character in enumerate(blanks):
        yield from brackets.get(start + index, ())
        following = blanks[index + 1 : index + 2]
        if character == " ":
            yield BLANK if index >= trailing or following == "\n" or long else " "
        elif character == "\n":
            yield NEWLINE
        elif character == "\t":
            yield TAB
        else:
            yield code_point(character)


def _token(token: str, start: int, brackets: dict[int, list[str]], scripts: _Scripts) -> Iterator[str]:
    misleading = frozenset() if token.isascii() else _misleading(token, scripts)
    marks = MARKS  # a mark with nothing before it would land on our own text
    for index, character in enumerate(token):
        if brackets:
            yield from brackets.get(start + index, ())
        if character.isascii():
            marks = 0
            yield character if character.isprintable() else code_point(character)
            continue
        marks = marks + 1 if unicodedata.category(character) == "Mn" else 0
        if marks > MARKS or index in misleading or _hides(token, index):
            yield code_point(character)
        else:
            yield character


def _hides(token: str, index: int) -> bool:
    """Whether a screen shows nothing, or something else, for this character of a token."""
    character = token[index]
    category = unicodedata.category(character)
    if character == "\ufe0f":  # the variation that makes an emoji; after anything else it may carry hidden text
        return index == 0 or not _pictured(token[index - 1])
    if character == "\u200d":  # joins two emoji into one
        before = token[index - 2 : index - 1] if token[index - 1 : index] == "\ufe0f" else token[index - 1 : index]
        return not (_pictured(before) and _pictured(token[index + 1 : index + 2]))
    return (
        category[0] == "C"  # control, format (bidi, zero-width, tags), surrogate, private, unassigned
        or category in ("Zl", "Zp", "Zs", "Me")
        or character in _INVISIBLE
        or character in RESERVED
        or 0x180B <= ord(character) <= 0x180F
        or 0xFE00 <= ord(character) <= 0xFE0F  # variation selectors can carry hidden text
        or 0xE0100 <= ord(character) <= 0xE01EF
    )


def _pictured(character: str) -> bool:
    return character != "" and unicodedata.category(character) in ("So", "Sk") and ord(character) > 0xFF


def _misleading(token: str, scripts: _Scripts) -> frozenset[int]:
    """Indexes of characters that pass for ASCII ones.

    Letters that look like ASCII letters are marked in a word that mixes them with ASCII letters, and in a word of
    nothing else unless the text is really written in that script and no ASCII letter stands in the same token.
    """
    found: set[int] = set()
    with_ascii = any(c.isascii() and c.isalpha() for c in token)
    address = _ADDRESS.search(token) is not None
    for word in _WORD.finditer(token):
        letters = word[0]
        if letters.isascii():
            continue
        alike = [i for i, c in enumerate(letters) if _looks_ascii(c, address=address)]
        mixed = any(c.isascii() for c in letters)
        if not alike or not (mixed or len(alike) == len(letters)):
            continue
        if mixed or with_ascii or not scripts.written_in(_script(letters[alike[0]])):
            found.update(word.start() + i for i in alike)
    found.update(index for index, character in enumerate(token) if _compatible(character))
    for signs in _SIGNS.finditer(token):  # beside ASCII on both sides
        before, after = token[max(signs.start() - 1, 0) : signs.start()], token[signs.end() : signs.end() + 1]
        if before and after and before.isascii() and after.isascii():
            found.update(range(*signs.span()))
    return frozenset(found)


def _looks_ascii(character: str, *, address: bool) -> bool:
    if character == "ı":  # an everyday letter in Turkish, a forgery in an address
        return address
    return character in LOOKALIKES


def _compatible(character: str) -> bool:
    """Full-width, mathematical and letter-like forms, which normalisation folds to ASCII letters and digits."""
    code = ord(character)
    if not (0x2100 <= code <= 0x218F or 0xFF10 <= code <= 0xFF5A or 0x1D400 <= code <= 0x1D7FF):
        return False
    folded = unicodedata.normalize("NFKC", character)
    return folded.isascii() and folded.isalnum() and len(folded) == 1
