"""What counts as a match: case, Unicode forms, the longest, spellings inside of other texts, whole words."""

import json
import unicodedata
from collections.abc import Callable
from typing import Any
from urllib.parse import quote, quote_plus

import pytest

from portero.domain.replacement import Entry, Replacer
from tests.domain.swaps import dumped, only

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


def test_escapes_of_letters_in_another_case_match_loose_entries() -> None:
    table = only("zoe", "José Ñandú", case_sensitive=False)
    for seen in ("JOS%C3%89%20%C3%91AND%C3%9A", "jos%c3%a9+%c3%b1and%c3%ba", "JOS\\u00c9 \\u00d1AND\\u00DA"):
        assert table.mask_text(f"[{seen}]") == "[zoe]"


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
