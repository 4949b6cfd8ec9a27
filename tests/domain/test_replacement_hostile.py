"""For any JSON and any table that is accepted: no real survives, nothing else changes, and what went out comes back."""

import json
import string
from collections import Counter
from itertools import pairwise
from typing import Any

from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from portero.domain.replacement import Entry, Replacer
from portero.errors import ConfigError, Invalid

LETTERS = st.text(alphabet='abAB .%\\"/u0é+ß\n1{}[]:,&', min_size=1, max_size=5)
"""Few characters, and the ones that mean something to an encoding, so that everything meets everything."""

ENTRY = st.builds(
    Entry,
    fake=LETTERS,
    real=LETTERS,
    bidirectional=st.booleans(),
    case_sensitive=st.booleans(),
    response_replacement=st.sampled_from(["***", "-", "#é\\"]),
)
TEXT = st.one_of(LETTERS, st.text(max_size=20), st.lists(LETTERS, max_size=6).map("".join))


def values(texts: st.SearchStrategy[str]) -> st.SearchStrategy[Any]:
    leaves = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), texts)
    return st.recursive(
        leaves,
        lambda inner: st.one_of(
            st.lists(inner, max_size=4),
            st.dictionaries(texts, inner, max_size=4),
            st.dictionaries(texts, inner, max_size=2).map(json.dumps),
        ),
        max_leaves=12,
    )


def accepted(entries: list[Entry]) -> Replacer:
    try:
        return Replacer.from_entries(entries)
    except ConfigError:
        assume(False)
        raise


TABLES = st.lists(ENTRY, min_size=1, max_size=4)


def strings(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value]
    if isinstance(value, list):
        return [text for part in value for text in strings(part)]
    if isinstance(value, dict):
        return [text for key, part in value.items() for text in (key, *strings(part))]
    return []


def shape(value: Any) -> Any:
    """The value without its texts; numbers that a table may turn into texts are texts here."""
    if isinstance(value, list):
        return [shape(part) for part in value]
    if isinstance(value, dict):
        return Counter(repr(shape(part)) for part in value.values()), len(value)
    if isinstance(value, str) or (isinstance(value, int) and not isinstance(value, bool)):
        return "text or whole number"
    return value


def encoded(value: Any, *, ascii_only: bool) -> bytes:
    return json.dumps(value, ensure_ascii=ascii_only).encode("utf-8", "surrogatepass")


def holds(text: str, entry: Entry) -> bool:
    if entry.case_sensitive:
        return entry.real in text
    return entry.real in text or (text.isascii() and entry.real.isascii() and entry.real.lower() in text.lower())


@settings(max_examples=150, deadline=None)
@given(TABLES, values(TEXT), st.booleans())
@example([Entry("ba", "ab")], ["aaaaaaaaaaaaaaab"], True)
@example([Entry("x", "a"), Entry("y", "[")], '[ "a" ]', True)
def test_no_real_survives_in_any_string_or_key_of_a_result(entries: list[Entry], value: Any, ascii_only: bool) -> None:
    table = accepted(entries)
    result = table.to_fake_result(encoded(value, ascii_only=ascii_only))
    for text in strings(json.loads(result)):
        assert not [entry for entry in entries if holds(text, entry)], text
    for text in strings(value):
        masked = table.mask_text(text)
        assert not [entry for entry in entries if holds(masked, entry)], masked


@settings(max_examples=150, deadline=None)
@given(TABLES, values(TEXT), st.booleans())
def test_no_real_survives_in_what_is_stored_and_storing_it_again_changes_nothing(
    entries: list[Entry], value: Any, ascii_only: bool
) -> None:
    table = accepted(entries)
    try:
        stored = table.to_fake_stored(encoded(value, ascii_only=ascii_only))
    except Invalid:
        return  # two keys became one, and the request is refused
    for text in strings(json.loads(stored)):
        assert not [entry for entry in entries if holds(text, entry)], text
    assert table.to_fake_stored(stored) is stored


@settings(max_examples=150, deadline=None)
@given(TABLES, values(TEXT), st.booleans())
def test_the_structure_is_the_same_and_strings_without_a_match_are_too(
    entries: list[Entry], value: Any, ascii_only: bool
) -> None:
    table = accepted(entries)
    raw = encoded(value, ascii_only=ascii_only)
    result = table.to_fake_result(raw)
    assert shape(json.loads(result)) == shape(value)
    untouched = [text for text in strings(value) if table.mask_text(text) is text]
    assert not Counter(untouched) - Counter(strings(json.loads(result)))


@settings(max_examples=150, deadline=None)
@given(TABLES, values(TEXT))
def test_what_is_stored_can_be_sent_and_keeps_its_structure(entries: list[Entry], value: Any) -> None:
    table = accepted(entries)
    try:
        stored = table.to_fake_stored(encoded(value, ascii_only=True))
    except Invalid:
        return
    assert shape(json.loads(table.to_real(stored))) == shape(value)


FAKES, REALS, REST = string.ascii_lowercase[:13], string.ascii_lowercase[13:], ' .,:/\\"%éß0'


def of(alphabet: str) -> st.SearchStrategy[str]:
    return st.text(alphabet=alphabet, min_size=1, max_size=4)


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.tuples(of(FAKES), of(REALS)), min_size=1, max_size=5, unique_by=(lambda p: p[0], lambda p: p[1])),
    values(st.text(alphabet=FAKES + REST, max_size=12)),
)
def test_what_is_sent_comes_back_as_it_was(pairs: list[tuple[str, str]], value: Any) -> None:
    """Fakes are words of one alphabet, reals of another, each ended by a mark, so that none can arise by chance."""
    table = Replacer.from_entries([Entry(f"{fake}!", f"{real}?") for fake, real in pairs])
    raw = encoded(value, ascii_only=False)
    real = table.to_real(raw)
    assert json.loads(table.to_fake_stored(real)) == value
    assert json.loads(table.to_fake_result(real)) == value


@settings(max_examples=150, deadline=None)
@given(TABLES, TEXT)
def test_spans_are_what_is_replaced(entries: list[Entry], text: str) -> None:
    table = accepted(entries)
    spans = table.spans(text)
    assert spans == sorted(spans)
    assert all(0 <= start < end <= len(text) for start, end in spans)
    assert all(one[1] <= two[0] for one, two in pairwise(spans))
    assume(not text.strip().startswith(("{", "[")))
    raw = encoded(text, ascii_only=True)
    assert bool(spans) == (table.to_real(raw) is not raw)


@settings(max_examples=150, deadline=None)
@given(TABLES, st.binary(max_size=60))
def test_bytes_that_are_no_json_never_do_worse_than_a_value_error(entries: list[Entry], raw: bytes) -> None:
    table = accepted(entries)
    for apply in (table.to_real, table.to_fake_stored, table.to_fake_result):
        try:
            assert isinstance(apply(raw), bytes)
        except (ValueError, Invalid):
            continue


def test_deep_and_long_documents_are_no_danger() -> None:
    table = Replacer.from_entries([Entry("John", "Ann")])
    deep = b"[" * 50_000 + b'"Ann"' + b"]" * 50_000
    assert table.to_fake_result(deep) == deep.replace(b"Ann", b"John")
    as_text = json.dumps([("[" * 50_000) + "Ann" + ("]" * 50_000)]).encode()
    assert table.to_fake_result(as_text) == as_text.replace(b"Ann", b"John")
    keys = json.dumps({f"Ann {number}": {"Ann": number} for number in range(5_000)}).encode()
    assert table.to_fake_result(keys) == keys.replace(b"Ann", b"John")
