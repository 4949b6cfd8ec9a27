"""What is replaced where, by what, and what is left alone."""

import json
import unicodedata
from collections.abc import Callable
from typing import Any
from urllib.parse import quote, quote_plus

import pytest

from portero.domain.replacement import REDACTED, Entry, Replacer
from portero.errors import Invalid

NAME = Entry("John Doe", "José Núñez")
MAIL = Entry("john@example.com", "jose@corp.example", case_sensitive=False)
ACCOUNT = Entry("1234567890000000000000", "9876543210123456789012")
KEY = Entry("fake-api-key-12345", "sk-live-98765", bidirectional=False, response_replacement="***API-KEY***")
TABLE = (NAME, MAIL, ACCOUNT, KEY)


@pytest.fixture(scope="module")
def table() -> Replacer:
    return Replacer.from_entries(TABLE)


def dumped(value: Any, **options: Any) -> bytes:
    return json.dumps(value, **options).encode()


def only(fake: str, real: str, **options: Any) -> Replacer:
    return Replacer.from_entries([Entry(fake, real, **options)])


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


# --- case ----------------------------------------------------------------------------------------------------------


def test_each_entry_has_its_own_case_rule() -> None:
    table = Replacer.from_entries([Entry("Alpha", "Real One"), Entry("beta", "Real Two", case_sensitive=False)])
    assert table.to_real(b'["Alpha ALPHA alpha BETA Beta"]') == b'["Real One ALPHA alpha Real Two Real Two"]'
    assert table.to_fake_result(b'["REAL ONE REAL TWO"]') == b'["REAL ONE beta"]'


def test_a_loose_entry_does_not_hide_a_shorter_exact_one() -> None:
    table = Replacer.from_entries([Entry("ab cd", "LONG"), Entry("ab", "SHORT", case_sensitive=False)])
    assert table.to_real(b'["ab cd AB CD"]') == b'["LONG SHORT CD"]'


@pytest.mark.parametrize(
    ("real", "seen"),
    [
        ("istanbul", "İSTANBUL"),
        ("İstanbul", "istanbul"),
        ("İstanbul", "ISTANBUL"),
        ("Işık", "IŞIK"),
        ("Straße", "STRASSE"),
        ("STRASSE", "straße"),
        ("Weiß", "WEIẞ"),
        ("Ὀδυσσεύς", "ὈΔΥΣΣΕΎΣ"),
        ("café", "CAFE\u0301"),
        ("CAFE\u0301", "café"),
    ],
)
def test_case_that_changes_lengths_takes_exactly_the_match(real: str, seen: str) -> None:
    table = only("FAKE", real, case_sensitive=False)
    for before, after in (("", ""), ("ß İ ", " İ ß"), ("\U0001f600", "é"), ("i", "ſ")):
        raw = dumped([before + seen + after], ensure_ascii=False)
        assert json.loads(table.to_fake_result(raw)) == [before + "FAKE" + after]


def test_a_match_does_not_begin_or_end_inside_a_character() -> None:
    table = only("FAKE", "s-x", case_sensitive=False)
    raw = dumped(["ß-x"], ensure_ascii=False)
    assert table.to_fake_result(raw) is raw


# --- Unicode forms -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["NFC", "NFD"])
@pytest.mark.parametrize("other", ["NFC", "NFD"])
def test_composed_and_decomposed_texts_match(form: Any, other: Any) -> None:
    fake, real = "Zoë Ångström", "José Núñez 한국"
    table = only(unicodedata.normalize(form, fake), unicodedata.normalize(form, real))
    seen = dumped([unicodedata.normalize(other, f"é {fake} é")], ensure_ascii=False)
    assert unicodedata.normalize("NFC", json.loads(table.to_real(seen))[0]) == f"é {real} é"
    seen = dumped([unicodedata.normalize(other, f"é {real} é")])
    assert unicodedata.normalize("NFC", json.loads(table.to_fake_result(seen))[0]) == f"é {fake} é"


def test_half_decomposed_text_matches() -> None:
    assert json.loads(only("X", "éé").to_fake_result(dumped(["-e\u0301\u00e9-"]))) == ["-X-"]


@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_a_letter_without_its_mark_is_another_letter(form: Any) -> None:
    raw = dumped([unicodedata.normalize(form, "José")])
    assert only("X", "Jose").to_fake_result(raw) is raw


def test_places_are_right_far_into_a_long_text() -> None:
    filler = "İß e\u0301 😀 ﬁ 한 Ω " * 400
    table = only("FAKE", "Straße", case_sensitive=False)
    text = filler + "STRASSE" + filler + "straße" + filler
    assert json.loads(table.to_fake_result(dumped([text]))) == [filler + "FAKE" + filler + "FAKE" + filler]


# --- one pass, longest first ---------------------------------------------------------------------------------------


def test_the_longest_of_those_that_begin_together_wins() -> None:
    table = Replacer.from_entries([Entry("John", "Karl"), Entry("John Doe", "Maria"), Entry("Doe", "Paul")])
    assert table.to_real(b'["John Doe, John, Doe, Johnny Doe"]') == b'["Maria, Karl, Paul, Karlny Paul"]'


def test_the_leftmost_wins_over_a_longer_one_that_begins_later() -> None:
    table = Replacer.from_entries([Entry("ab", "1"), Entry("bcdef", "2")])
    assert table.to_real(b'["abcdef"]') == b'["1cdef"]'


def test_nothing_chains_and_nothing_in_a_replacement_has_a_meaning() -> None:
    table = Replacer.from_entries([Entry("one", "two $& \\1 three"), Entry("three", "four")])
    assert json.loads(table.to_real(b'["one three"]')) == ["two $& \\1 three four"]


def test_what_replacement_itself_spells_out_is_hidden_too() -> None:
    table = Replacer.from_entries([Entry("Mari", "Xu"), Entry("hidden", "rinna")])
    assert table.to_fake_result(b'["Xu Xunna"]') == b'["Mari Mahidden"]'


def test_a_text_that_cannot_be_made_clean_is_emptied() -> None:
    table = Replacer.from_entries([Entry("ba", "ab")])
    once = table.to_fake_result(dumped(["a" * 40 + "b"]))
    assert once == b'[""]'


# --- texts inside of texts -----------------------------------------------------------------------------------------


def test_a_json_text_in_a_string_stays_json_and_is_edited_as_such() -> None:
    table = only("NICK", 'Bob "nut" \\ é')
    inner = {"NICK": ["NICK", 1.50, "x"]}
    raw = dumped({"text": json.dumps(inner)})
    assert json.loads(json.loads(table.to_real(raw))["text"]) == {'Bob "nut" \\ é': ['Bob "nut" \\ é', 1.5, "x"]}
    deeper = dumped({"text": json.dumps({"t": json.dumps(inner)})})
    text = json.loads(json.loads(table.to_real(deeper))["text"])["t"]
    assert json.loads(text)['Bob "nut" \\ é'][0] == 'Bob "nut" \\ é'
    assert table.to_fake_stored(table.to_real(deeper)) == deeper


STYLES: dict[str, Callable[[str], str]] = {
    "json": lambda text: json.dumps(text)[1:-1],
    "json, upper": lambda text: json.dumps(text)[1:-1].replace("\\u00e9", "\\u00E9").replace("\\u00fa", "\\u00FA"),
    "json, unicode": lambda text: json.dumps(text, ensure_ascii=False)[1:-1],
    "json, slashes": lambda text: json.dumps(text)[1:-1].replace("/", "\\/"),
    "json, html-safe": lambda text: json.dumps(text, ensure_ascii=False)[1:-1].replace("&", "\\u0026"),
    "json twice": lambda text: json.dumps(json.dumps(text))[3:-3],
    "link": lambda text: quote(text, safe=""),
    "path": quote,
    "form": quote_plus,
    "html": lambda text: text.replace("&", "&amp;").replace('"', "&quot;").replace("'", "&#39;"),
}


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("loose", [False, True])
def test_the_spellings_that_programs_use_are_replaced_by_the_same_spelling(style: str, loose: bool) -> None:
    spell = STYLES[style]
    fake, real = 'Zoé/O\'Fake & "Co"', 'José/O\'Real & "Nú"'
    table = only(fake, real, case_sensitive=not loose)
    seen, wanted = f"see [{spell(real)}] there", f"see [{spell(fake)}] there"
    result, request = json.loads(table.to_fake_result(dumped([seen]))), json.loads(table.to_real(dumped([wanted])))
    if loose:  # the hex digits of an escape are as good in one case as in the other
        seen, wanted, result, request = seen.lower(), wanted.lower(), [result[0].lower()], [request[0].lower()]
    assert (result, request) == ([wanted], [seen])


def test_lower_case_percent_escapes_match() -> None:
    assert only("john@example.com", "a b@c.d").mask_text("?q=a%20b%40c.d&r=a+b%40c.d") == (
        "?q=john%40example.com&r=john%40example.com"
    )
    assert only("john@x.com", "é@c.d").mask_text("%c3%a9%40c.d") == "john%40x.com"


def test_base64_is_left_as_it_is() -> None:
    raw = b'{"data": "am9zZUBjb3JwLmV4YW1wbGU="}'
    assert only("john@example.com", "jose@corp.example").to_fake_result(raw) is raw


# --- whole words ---------------------------------------------------------------------------------------------------


def test_a_match_inside_a_word_counts_unless_the_entry_wants_whole_words() -> None:
    assert only("Ann", "Rob").to_real(b'["Joanna Annex Ann"]') == b'["Joanna Robex Rob"]'
    words = only("Ann", "Rob", whole_word=True)
    assert words.to_real(b'["Joanna Annex _Ann Ann1 Ann. (Ann) Ann"]') == (b'["Joanna Annex _Ann Ann1 Rob. (Rob) Rob"]')


def test_an_escape_before_a_word_is_no_part_of_it() -> None:
    words = only("Ann", "Rob", whole_word=True)
    assert json.loads(words.to_real(dumped(["a\\nAnn %20Ann \\u00e9Ann"]))) == ["a\\nRob %20Rob \\u00e9Rob"]


def test_a_refused_match_does_not_hide_a_shorter_one() -> None:
    table = Replacer.from_entries([Entry("Ann Lee", "LONG", whole_word=True), Entry("Ann", "SHORT")])
    assert table.to_real(b'["Ann Leeds, Ann Lee"]') == b'["SHORT Leeds, LONG"]'


# --- keys ----------------------------------------------------------------------------------------------------------


def test_keys_of_a_result_that_become_equal_are_told_apart(table: Replacer) -> None:
    raw = dumped({"José Núñez": 1, "John Doe": 2, "x": {"JOSE@corp.example": 3, "jose@CORP.example": 4}})
    assert json.loads(table.to_fake_result(raw)) == {
        "John Doe (2)": 1,
        "John Doe": 2,
        "x": {"john@example.com": 3, "john@example.com (2)": 4},
    }


def test_keys_that_were_doubled_before_stay_doubled() -> None:
    assert only("John", "Ann").to_fake_result(b'{"Ann":1,"Ann":2,"b":3,"b":4}') == b'{"John":1,"John":2,"b":3,"b":4}'


def test_the_same_key_in_different_objects_is_no_collision() -> None:
    assert only("John", "Ann").to_real(b'[{"John":1},{"Ann":2},{"x":{"John":{"John":3}}}]') == (
        b'[{"Ann":1},{"Ann":2},{"x":{"Ann":{"Ann":3}}}]'
    )


def test_a_request_whose_keys_become_equal_is_refused_without_showing_a_real() -> None:
    table = only("john", "Secret Person", case_sensitive=False)
    with pytest.raises(Invalid, match="'JOHN' and 'john'"):
        table.to_real(b'{"john":1,"JOHN":2}')
    with pytest.raises(Invalid) as refused:
        table.to_fake_stored(b'{"john":1,"Secret Person":2}')
    assert "Secret" not in str(refused.value)


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
