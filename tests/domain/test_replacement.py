"""What is replaced where, by what, and what is left alone."""

import json

import pytest

from portero.domain.replacement import REDACTED, Entry, Replacer
from portero.errors import Invalid
from tests.domain.swaps import dumped, only

NAME = Entry("John Doe", "José Núñez")
MAIL = Entry("john@example.com", "jose@corp.example", case_sensitive=False)
ACCOUNT = Entry("1234567890000000000000", "9876543210123456789012")
KEY = Entry("fake-api-key-12345", "sk-live-98765", bidirectional=False, response_replacement="***API-KEY***")
TABLE = (NAME, MAIL, ACCOUNT, KEY)


@pytest.fixture(scope="module")
def table() -> Replacer:
    return Replacer.from_entries(TABLE)


# --- the four directions -------------------------------------------------------------------------------------------


def test_requests_get_reals_and_results_get_fakes_in_values_and_keys_at_any_depth(table: Replacer) -> None:
    fake = {"to": ["John Doe <john@example.com>", {"about John Doe": {"n": [None, True, "x John Doe y"]}}]}
    real = {
        "to": [
            "José Núñez <jose@corp.example>",
            {"about José Núñez": {"n": [None, True, "x José Núñez y"]}},
        ]
    }
    assert json.loads(table.to_real(dumped(fake))) == real
    assert json.loads(table.to_fake_result(dumped(real))) == fake
    assert json.loads(table.to_fake_stored(dumped(real, ensure_ascii=False))) == fake


def test_one_way_entries_reach_the_upstream_are_stored_as_fakes_and_come_back_redacted(table: Replacer) -> None:
    assert table.to_real(b'["fake-api-key-12345"]') == b'["sk-live-98765"]'
    assert table.to_fake_stored(b'["sk-live-98765"]') == b'["fake-api-key-12345"]'
    assert table.to_fake_result(b'["key: sk-live-98765"]') == b'["key: ***API-KEY***"]'
    plain = only("fake", "real-secret", bidirectional=False)
    assert plain.to_fake_result(b'["real-secret"]') == dumped([REDACTED])


def test_plain_text_is_masked_as_a_result_is(table: Replacer) -> None:
    assert table.mask_text("cannot mail JOSE@corp.example with sk-live-98765") == (
        "cannot mail john@example.com with ***API-KEY***"
    )
    assert table.mask_text("nothing of the kind") == "nothing of the kind"


def test_spans_say_where_fakes_stand(table: Replacer) -> None:
    text = "ñ John Doe, JOHN@example.com"
    assert [text[start:end] for start, end in table.spans(text)] == ["John Doe", "JOHN@example.com"]
    assert table.spans("José Núñez") == []


# --- nothing to do -------------------------------------------------------------------------------------------------

UNTOUCHED = [
    b"{}",
    b'{"a": "plain"}',
    b'{"path": "C:\\\\Users\\\\x", "text": "line\\nline \\"quoted\\" \\u0001"}',
    '{"text": "schöne Grüße, 日本 😀"}'.encode(),
    b'"\\ud800"',
    b"12345",
    b'{"half": "John", "other": "Doe"}',
]


@pytest.mark.parametrize("raw", UNTOUCHED)
def test_the_same_object_comes_back_when_nothing_matches(table: Replacer, raw: bytes) -> None:
    assert table.to_real(raw) is raw
    assert table.to_fake_stored(raw) is raw
    assert table.to_fake_result(raw) is raw


def test_an_empty_table_does_nothing() -> None:
    empty = Replacer.from_entries(())
    raw = b'{"a": "John Doe"}'
    assert empty.to_real(raw) is raw
    assert empty.to_fake_result(raw) is raw
    assert empty.mask_text("x") == "x"
    assert empty.spans("x") == []
    assert empty.digest


# --- bytes around what is replaced ---------------------------------------------------------------------------------


def test_every_byte_outside_of_replaced_strings_stays() -> None:
    raw = (
        b'{ "n": 100000000000000000000000000000001.50, "z": -0.0, "e":1e400 ,"E":1E-400,\n\t"d": 1, "d": 2,'
        b' "u": "\\u0041\\/\\ud83d\\ude00", "who": "John Doe", "t": true, "x":null, "a": [ ] }'
    )
    assert only("John Doe", "Ann Roe").to_real(raw) == raw.replace(b"John Doe", b"Ann Roe")


def test_a_lone_surrogate_beside_a_match_stays_one() -> None:
    raw = b'["\\ud800 John Doe \\udc00", "\\ud83d\\ude00"]'
    assert json.loads(only("John Doe", "Zoë").to_real(raw)) == ["\ud800 Zoë \udc00", "😀"]


def test_bytes_that_are_no_utf8_neither_stop_a_replacement_nor_change_elsewhere() -> None:
    raw = b'["\xff\xfe", "John Doe \\n"]'
    assert only("John Doe", "Ann").to_real(raw) == b'["\xff\xfe", "Ann \\n"]'


def test_a_string_that_holds_control_characters_as_escapes_is_still_found() -> None:
    raw = b'{"a": "\\u0001\\u0002\\u0003", "b": "\\u0001John Doe"}'
    assert json.loads(only("John Doe", "Ann").to_real(raw)) == {"a": "\x01\x02\x03", "b": "\x01Ann"}


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (rb'["\u004a\u006fhn Doe"]', ["Ann"]),
        (rb'["a\\John Doe\\"]', ["a\\Ann\\"]),
        (rb'["\\", "John Doe", "\""]', ["\\", "Ann", '"']),
        (rb'["x\"John Doe\"x"]', ['x"Ann"x']),
        (rb'["John\u0020Doe"]', ["Ann"]),
    ],
)
def test_escapes_of_the_document_do_not_hide_a_match(raw: bytes, expected: list[str]) -> None:
    assert json.loads(only("John Doe", "Ann").to_real(raw)) == expected


def test_text_with_slashes_is_found_with_and_without_their_escape() -> None:
    table = only("/home/john", "/srv/jose")
    assert json.loads(table.to_real(rb'["\/home\/john/x", "/home/john/y"]')) == ["/srv/jose/x", "/srv/jose/y"]


def test_what_is_put_in_is_escaped_as_json_needs_it() -> None:
    table = only("NICK", 'Bob "the \\ nut"\n\x07')
    assert json.loads(table.to_real(b'{"NICK": "NICK"}')) == {'Bob "the \\ nut"\n\x07': 'Bob "the \\ nut"\n\x07'}


def test_text_that_spans_two_strings_is_no_match() -> None:
    table = only('", "', "XX")
    raw = b'["a", "b"]'
    assert table.to_real(raw) is raw
    assert table.to_real(b'["a\\", \\"b"]') == b'["aXXb"]'


# --- numbers -------------------------------------------------------------------------------------------------------


def test_a_number_is_replaced_where_all_of_it_is_the_digits_of_an_entry(table: Replacer) -> None:
    assert table.to_real(b'{"account": 1234567890000000000000, "n":[1234567890000000000000]}') == (
        b'{"account": 9876543210123456789012, "n":[9876543210123456789012]}'
    )
    assert table.to_fake_result(b"9876543210123456789012") == b"1234567890000000000000"


def test_a_number_that_holds_the_digits_among_others_stays() -> None:
    table = only("1234", "5678")
    for raw in (b"[12345]", b"[1234.0]", b"[1234e2]", b"[-1234]", b"[01234.5]", b'{"1":91234}'):
        assert table.to_real(raw) is raw
    assert table.to_real(b'["x12345"]') == b'["x56785"]'


def test_a_number_becomes_a_text_when_its_other_side_is_none() -> None:
    table = only("the account", "12345678")
    assert table.to_fake_result(b'{"iban": 12345678}') == b'{"iban": "the account"}'


# --- keys ----------------------------------------------------------------------------------------------------------


def test_keys_of_a_result_that_become_equal_are_told_apart(table: Replacer) -> None:
    raw = dumped({"José Núñez": 1, "John Doe": 2, "x": {"JOSE@corp.example": 3, "jose@CORP.example": 4}})
    assert json.loads(table.to_fake_result(raw)) == {
        "John Doe (2)": 1,
        "John Doe": 2,
        "x": {"john@example.com": 3, "john@example.com (2)": 4},
    }


def test_the_number_that_tells_keys_apart_spells_out_no_real() -> None:
    table = Replacer.from_entries([Entry("John Doe", "José Núñez"), Entry("x", "Doe (2)")])
    raw = dumped({"José Núñez": 1, "John Doe": 2})
    assert json.loads(table.to_fake_result(raw)) == {"John Doe (3)": 1, "John Doe": 2}


def test_keys_that_were_doubled_before_stay_doubled() -> None:
    assert only("John", "Ann").to_fake_result(b'{"Ann":1,"Ann":2,"b":3,"b":4}') == b'{"John":1,"John":2,"b":3,"b":4}'


def test_the_same_key_in_different_objects_is_no_collision() -> None:
    assert only("John", "Ann").to_real(b'[{"John":1},{"Ann":2},{"x":{"John":{"John":3}}}]') == (
        b'[{"Ann":1},{"Ann":2},{"x":{"Ann":{"Ann":3}}}]'
    )


def test_a_request_whose_keys_become_equal_is_refused_without_showing_a_real() -> None:
    table = only("john", "Secret Person", case_sensitive=False)
    with pytest.raises(Invalid) as refused:
        table.to_fake_stored(b'{"john":1,"Secret Person":2}')
    assert "Secret" not in str(refused.value)
    assert "'john'" in str(refused.value)


@pytest.mark.parametrize(
    "raw", [b'{"john":1,"JOHN":2}', b'[{"x":{"john":1,"John":2}}]', b'"{\\"john\\":1,\\"JOHN\\":2}"']
)
def test_a_request_whose_keys_would_become_equal_at_the_upstream_is_refused_before_it_is_stored(raw: bytes) -> None:
    table = only("john", "Secret Person", case_sensitive=False)
    with pytest.raises(Invalid, match="stand for the same name"):
        table.to_fake_stored(raw)


# --- digest --------------------------------------------------------------------------------------------------------


def test_the_digest_is_the_tables_whatever_its_order() -> None:
    one = Replacer.from_entries(TABLE, "log-1")
    assert one.digest == Replacer.from_entries(TABLE[::-1], "log-1").digest
    assert one.digest == Replacer.from_entries(TABLE).salted("log-1").digest
    assert one.digest != one.salted("log-2").digest


@pytest.mark.parametrize(
    "changed",
    [
        Entry("John Doe", "José Nuñez"),
        Entry("John Dow", "José Núñez"),
        Entry("John Doe", "José Núñez", case_sensitive=False),
        Entry("John Doe", "José Núñez", whole_word=True),
        Entry("John Doe", "José Núñez", bidirectional=False),
    ],
)
def test_the_digest_changes_with_everything_that_matters(changed: Entry) -> None:
    assert Replacer.from_entries([NAME]).digest != Replacer.from_entries([changed]).digest


def test_no_real_is_in_the_repr_of_an_entry() -> None:
    assert "José" not in repr(TABLE)
    assert "sk-live" not in repr(KEY)
