"""Replacement inside a JSON text, in place: strings and keys are edited where they stand, every other byte stays.

The text is never decoded and encoded as a whole, so numbers of any size, ``-0.0``, ``1e400``, doubled keys, blanks and
the order of keys come through byte for byte. A string that is edited is written anew; all others keep their spelling.
"""

import json
import re
from typing import Final

from portero.domain.replacement.keys import settle
from portero.domain.replacement.pieces import Pieces
from portero.domain.replacement.swap import Swap

_NUMBER: Final = re.compile(rb"-?[0-9][0-9.eE+-]*")


def replace_json(raw: bytes, swap: Swap) -> bytes:
    """``raw`` is a JSON text in UTF-8. The same object comes back when nothing in it was replaced."""
    if raw.isascii() and b"\\" not in raw:
        if swap.scanner.nothing_in_ascii(raw):
            return raw
        found = swap.scanner.in_ascii(raw)
        return _edit(raw, raw, _ordinals(raw, found), swap) if found else raw
    mask = _mask(raw)
    touched = _touched(raw, mask, swap)
    return _edit(raw, mask, touched, swap) if touched else raw


def replace_string(text: str, swap: Swap) -> str:
    """A string value: as JSON where all of it is a JSON object or array, else as plain text."""
    if _is_json(text):
        text = replace_json(text.encode("utf-8", "surrogatepass"), swap).decode("utf-8", "surrogatepass")
        if not swap.clean:
            return text
    return swap.plain(text)


def _mask(raw: bytes) -> bytes:
    """The same length, escaped backslashes and quotation marks blotted out: each ``"`` left begins or ends a string."""
    return raw.replace(b"\\\\", b"\x02\x02").replace(b'\\"', b"\x03\x03")


def _ordinals(view: bytes, found: list[tuple[int, int, int]]) -> set[int]:
    """The numbers of the pieces in which something was found."""
    numbers, seen, count = set(), 0, 0
    for start in sorted(start for _, start, _ in found):
        count += view.count(b'"', seen, start)
        seen = start
        numbers.add(count)
    return numbers


def _touched(raw: bytes, mask: bytes, swap: Swap) -> set[int]:
    """The same for any text: its strings are decoded in one go, as one text with U+0001 for the quotation marks."""
    if b"\\" not in raw:
        return swap.scanner.in_text(raw.decode("utf-8", "surrogateescape"), b'"')
    inner = mask.replace(b'"', b"\x01").replace(b"\x02\x02", b"\\\\").replace(b"\x03\x03", b'\\"')
    text = json.loads(f'"{inner.decode("utf-8", "surrogateescape")}"', strict=False)
    quotes = mask.count(b'"')
    if text.count("\x01") != quotes:  # a string holds U+0001 itself, so that counting fails: look at every piece
        return set(range(quotes + 1))
    return swap.scanner.in_text(text, b"\x01")


def _edit(raw: bytes, mask: bytes, touched: set[int], swap: Swap) -> bytes:
    pieces = Pieces(raw, mask)
    strings: dict[int, str] = {}
    edits: dict[int, bytes] = {}
    for number in sorted(touched):
        if number % 2:
            old = pieces.value(number)
            new = replace_string(old, swap)
            if new != old:
                strings[number] = new
        elif swap.numbers:
            between = pieces.bytes_of(number)
            swapped = _NUMBER.sub(lambda found: swap.numbers.get(found[0], found[0]), between)
            if swapped != between:
                edits[number] = swapped
    if any(pieces.is_key(number) for number in strings):
        settle(pieces, strings, swap)
    edits.update((number, _quoted(text)) for number, text in strings.items())
    return _assemble(pieces, edits) if edits else raw


def _assemble(pieces: Pieces, edits: dict[int, bytes]) -> bytes:
    parts: list[bytes] = []
    at = 0
    for number in sorted(edits):
        start = pieces.start(number)
        parts += (pieces.raw[at:start], edits[number])
        at = start + len(pieces.masked[number])
    parts.append(pieces.raw[at:])
    return b"".join(parts)


def _quoted(text: str) -> bytes:
    """What stands between the quotation marks. A lone surrogate can be written as an escape only."""
    try:
        return json.dumps(text, ensure_ascii=False)[1:-1].encode()
    except UnicodeEncodeError:
        return json.dumps(text)[1:-1].encode()


def _is_json(text: str) -> bool:
    """Whether all of a string is a JSON object or array."""
    stripped = text.strip(" \t\r\n")
    if stripped[:1] + stripped[-1:] not in ("{}", "[]"):
        return False
    try:
        json.loads(stripped, parse_int=str, parse_float=str)
    except (ValueError, RecursionError):
        return False
    return True
