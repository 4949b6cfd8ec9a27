"""JSON texts taken apart without being read as values: every part keeps the very characters that came."""

import json
import re
from collections.abc import Iterator

_decoder = json.JSONDecoder()
_blank = re.compile(r"[ \t\n\r]*")


def _skip(text: str, at: int) -> int:
    match = _blank.match(text, at)
    assert match is not None
    return match.end()


def _end(text: str, at: int) -> int:
    """Where the value ends that begins here."""
    return _decoder.raw_decode(text, at)[1]


def members(text: str) -> list[tuple[str, str]]:
    """The members of an object in their order, twice where they come twice: name and value as they are written."""
    return [(key, value) for key, value, _ in _members(text)]


def _members(text: str) -> Iterator[tuple[str, str, int]]:
    at = _skip(text, 0)
    assert text[at] == "{", text[:100]
    at = _skip(text, at + 1)
    while text[at] != "}":
        key = text[at : (ends := _end(text, at))]
        at = _skip(text, ends)
        assert text[at] == ":"
        at = _skip(text, at + 1)
        yield key, text[at : (ends := _end(text, at))], at
        at = _skip(text, ends)
        if text[at] == ",":
            at = _skip(text, at + 1)


def items(text: str) -> list[str]:
    """The items of an array."""
    at = _skip(text, 0)
    assert text[at] == "[", text[:100]
    at = _skip(text, at + 1)
    found = []
    while text[at] != "]":
        ends = _end(text, at)
        found.append(text[at:ends])
        at = _skip(text, ends)
        if text[at] == ",":
            at = _skip(text, at + 1)
    return found


def member(text: str, name: str) -> str:
    """The one member of this name."""
    (found,) = [value for key, value in members(text) if json.loads(key) == name]
    return found


def renamed(text: str, name: str) -> str:
    """The same object with another value in its member ``name``, and every other character as it was."""
    ((value, at),) = [(value, at) for key, value, at in _members(text) if json.loads(key) == "name"]
    return text[:at] + json.dumps(name) + text[at + len(value) :]
