"""What must hold for any text that patterns and the table of replacements meet."""

import re
from typing import Any

from portero.domain.patterns import Pattern
from portero.domain.replacement import Entry, Replacer
from portero.domain.replacement.fold import _joins
from portero.errors import Invalid
from tests.fuzz.target import CUT, Unreadable, parts, reads, target


@target(
    CUT.join((b"github/*", b"github/create/issue")),
    CUT.join((b"*/delete_*", b"a/delete_b")),
    CUT.join((b"a*b*c/*x*y*", b"aXbXc/xy")),
    CUT.join((b"*", b"a/b")),
    CUT.join((b"a/b**", b"a/b")),
    CUT.join((b"a/*aab", b"a/aaab")),
    CUT.join((b"a.b/c", b"aXb/c")),
    CUT.join(("a/e\u0301\u0340*".encode(), "a/\u00e9\u0300".encode())),
)
def pattern(data: bytes) -> None:
    """A star is any run inside its part, and nothing else means anything."""
    text, name = (part.decode("utf-8", "replace") for part in parts(data, 2))
    server, slash, tool = name.partition("/")
    if not slash:
        return
    try:
        parsed = Pattern.parse(text)
    except Invalid:
        return
    text = parsed.text  # composed, as names are
    if text == "*":
        assert parsed.matches(server, tool)
        return
    matches = all(wild(want, part) for want, part in zip(text.split("/", 1), (server, tool), strict=True))
    assert parsed.matches(server, tool) == parsed.matches_name(name) == matches
    assert parsed.specificity == len(text) - text.count("*")
    if parsed.is_literal:
        assert matches == (text == name)


def wild(want: str, text: str) -> bool:
    """What a star means, said plainly: how far the text may have been read after each character of the pattern."""
    reached = {0}
    for char in want:
        if char == "*":
            reached = set(range(min(reached), len(text) + 1)) if reached else reached
        else:
            reached = {at + 1 for at in reached if text[at : at + 1] == char}
    return len(text) in reached


TABLE = Replacer.from_entries(
    [
        Entry("Jane Doe", "Zoë Quist", bidirectional=True),
        Entry("jane@example.com", "zoe@harbour.example", bidirectional=True, case_sensitive=False),
        Entry("key-fake", "rk_live/8d7f+6e5c", bidirectional=False, response_replacement="[key]"),
        Entry("4000", "77123456789", bidirectional=True),
    ]
)
REALS = ("Zoë Quist", "zoe@harbour.example", "rk_live/8d7f+6e5c", "77123456789")


@target(
    '{"a":"Zoë Quist","Zoë Quist":1}',
    '{"to":"ZOE@harbour.example","n":77123456789,"x":[1e400,-0.0]}',
    '"Zo\\u00eb Quist"',
    '"Zoe\u0308 Quist"',
    '["rk_live\\/8d7f+6e5c","rk_live%2F8d7f%2B6e5c"]',
    '{"deep":"{\\"in\\":\\"Zoë Quist\\"}"}',
    '{"Zoë Quist":1,"Jane Doe":2}',
    '{"a":"x","a":"Zoë Quist"}',
    '["\\u0001Zoë Quist","\\\\","\\"zoe@harbour.example\\""]',
    '"Zoë\\u0020Quist\\ud83d"',
    '[77123456789,"77123456789",771234567891]',
    '"zoe@harbour.examplezoe@harbour.example"',
    '"77123456789\u0300, zoe@harbour.example\u0300"',
)
def replacement(data: bytes) -> None:
    """In any JSON text no real is left, whatever way it is spelt there, and everything else is as it was."""
    try:
        before = reads(data)
        data.decode()
    except (Unreadable, UnicodeDecodeError):
        return
    masked = TABLE.to_fake_result(data)
    after = reads(masked)
    for text in strings(after):
        assert not shows_a_real(text), text
    assert shape(after) == shape(before)
    if masked is data:
        assert before == after
    else:
        assert TABLE.to_fake_result(masked) == masked, "once is enough"


@target("Zoë Quist", "a zoe%40harbour.example b", '{"a":"Zoë Quist"}', "[77123456789]", "{Zoë Quist}", "Zo&euml; Quist")
def masking(data: bytes) -> None:
    """The same of plain text, such as errors and lines of a log."""
    text = TABLE.mask_text(data.decode("utf-8", "replace"))
    assert not shows_a_real(text), text


def shows_a_real(text: str) -> bool:
    """A mark on its last letter makes it another word: ``Jose`` is no part of ``José``, however that is written."""
    ends = (match.end() for real in REALS for match in re.finditer(re.escape(real), text))
    return bool(TABLE.reals_in(text)) or not all(text[end:] and _joins(text[end]) for end in ends)


def strings(value: Any) -> list[str]:
    match value:
        case str():
            return [value]
        case list():
            return [text for part in value for text in strings(part)]
        case ("object", pairs):
            return [text for name, part in pairs for text in (name, *strings(part))]
    return []


def shape(value: Any) -> Any:
    """All but what strings say, and but for the numbers that are replaced."""
    match value:
        case str():
            return "text"
        case list():
            return [shape(part) for part in value]
        case ("object", pairs):
            return [shape(part) for _, part in pairs]
        case ("number", "77123456789" | "4000"):
            return "a number"
    return value
