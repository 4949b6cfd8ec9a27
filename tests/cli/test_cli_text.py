"""Foreign text on a terminal: shown as what it is, one line, nothing hidden, no two texts alike."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portero.cli.text import compact_json, hidden, json_document, json_line, one_line, pretty_json, visible

HOSTILE = [
    "\x1b[31mred\x1b[0m",
    "line\nforged line",
    "back\b\b\b\bspace",
    "\rover",
    "right\u202eto left",
    "zero\u200bwidth",
    "tag\U000e0041s",
    "c1\x9b31m",
    "del\x7f",
    "nb\u00a0sp",
    "line\u2028sep",
    "filler\u3164",
    "\u0301mark first",
    "z\u0301\u0302\u0303\u0304\u0305algo",
    "lone\ud800surrogate",
]


def shows_as_it_is(text: str) -> bool:
    return not any(hidden(character) for character in text)


@pytest.mark.parametrize("text", HOSTILE)
def test_what_would_hide_or_move_is_written_out(text: str) -> None:
    shown = visible(text)
    assert shows_as_it_is(shown)
    assert shown != text


@given(st.text(st.characters(codec=None)))
def test_any_text_becomes_one_line_that_shows(text: str) -> None:
    shown = visible(text)
    assert shows_as_it_is(shown)
    assert len(shown.splitlines()) <= 1


ALIKE = st.text(st.sampled_from("a⏎\n⟨⟩U+23CE7A\x1b\u200b\u0301"))


@given(ALIKE, ALIKE)
def test_two_texts_never_look_alike(one: str, other: str) -> None:
    assert (visible(one) == visible(other)) == (one == other)


def test_ordinary_writing_stays() -> None:
    for text in ("Grüße, Łódź", "日本語", "Привет", "שלום", "naïve cafe\u0301", "a\\b", "👍"):
        assert visible(text) == text


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(VALUES, st.booleans())
def test_pretty_json_keeps_every_value_and_hides_nothing(value: object, ascii_only: bool) -> None:
    lines = pretty_json(json.dumps(value, ensure_ascii=ascii_only))
    assert json.loads("\n".join(lines)) == value
    assert all(shows_as_it_is(line) for line in lines)


def test_pretty_json_keeps_repeated_keys_and_digits() -> None:
    assert pretty_json('{"to":"a","to":"b","sum":1.10000000000000000001,"none":[],"deep":{"x":[1,{}]}}') == [
        "{",
        '  "to": "a",',
        '  "to": "b",',
        '  "sum": 1.10000000000000000001,',
        '  "none": [],',
        '  "deep": {',
        '    "x": [',
        "      1,",
        "      {}",
        "    ]",
        "  }",
        "}",
    ]


def test_pretty_json_reads_escaped_letters_and_keeps_what_hides_escaped() -> None:
    assert pretty_json(r'"\u0041\u202e\u001b\u007f\n"') == [r'"A\u202e\u001b\u007f\n"']


def test_text_that_is_not_json_is_one_visible_line() -> None:
    assert pretty_json('{"a": \x1b') == ['{"a": ⟨U+001B⟩']
    assert pretty_json("[" * 100_000) == ["[" * 100_000]


@given(VALUES)
def test_json_for_programs_is_printable_ascii(value: object) -> None:
    line = json_line(value)
    assert line.isascii()
    assert line.isprintable()
    assert json.loads(line) == value == json.loads(json_document(value))


@given(VALUES)
def test_compact_json_is_one_line_with_every_value(value: object) -> None:
    line = compact_json(json.dumps(value))
    assert json.loads(line) == value
    assert shows_as_it_is(line)


def test_compact_json_has_no_blanks_that_say_nothing() -> None:
    assert compact_json('{ "a" : [ 1,{} ,[ ] ] , "b":" { " }') == '{"a": [1, {}, []], "b": " { "}'


def test_a_cut_is_marked() -> None:
    assert one_line("abcdef", 6) == "abcdef"
    assert one_line("abcdefg", 6) == "abcde…"
