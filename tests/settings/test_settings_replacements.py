"""``replacements.json``: entries as they are written, and how exactly a mistake is named."""

from typing import Any

import pytest

from tests.settings.configured import Place


def test_replacements_are_read_with_every_option(place: Place) -> None:
    lines = [
        {"fake": "John Doe", "real": "${REAL_NAME}", "bidirectional": True},
        {"fake": "j@x.example", "real": "ann@y.example", "caseSensitive": False},
        {"fake": "fake-key", "real": "sk-1", "bidirectional": False, "responseReplacement": "***KEY***"},
        {"fake": "fake-pin", "real": "4711-0815", "bidirectional": False, "responseReplacement": ""},
        {"fake": "Rob", "real": "Uwe", "wholeWord": True},
    ]
    replacer = place.load({"REAL_NAME": "Ann Roe"}, replacements={"replacements": lines}).replacer
    assert replacer.to_real(b'["John Doe J@X.example fake-key Rob Robin"]') == (
        b'["Ann Roe ann@y.example sk-1 Uwe Robin"]'
    )
    assert replacer.mask_text("sk-1 4711-0815") == "***KEY*** ***REDACTED***"


def test_a_replacement_without_a_real_is_skipped_and_named(place: Place) -> None:
    lines = [
        {"fake": "John", "real": "${REAL_NAME}"},
        {"fake": "Doe", "real": "${FIRST} ${LAST}"},
        {"fake": "Roe", "real": ""},
        {"fake": "Ann", "real": "Bea"},
    ]
    settings = place.load({"FIRST": "x"}, replacements={"replacements": lines})
    assert settings.skipped == (
        "Replacement entry 1 (John) is skipped: REAL_NAME is not set.",
        "Replacement entry 2 (Doe) is skipped: LAST is not set.",
        "Replacement entry 3 (Roe) is skipped: its real is empty.",
    )
    assert settings.replacer.to_real(b'["John Doe Roe Ann"]') == b'["John Doe Roe Bea"]'


@pytest.mark.parametrize(
    ("line", "part"),
    [
        ({"fake": "a"}, "entry 1: 'real' is missing"),
        ({"real": "Ann"}, "entry 1: 'fake' is missing"),
        ({"fake": "a", "real": "Ann", "caseInsensitive": True}, "Is 'caseSensitive' meant?"),
        ({"fake": "a", "real": 1}, "real must be a text, not a number"),
        ({"fake": "a", "real": "Ann", "bidirectional": "yes"}, "bidirectional must be true or false"),
        ({"fake": "", "real": "Ann"}, "fake of entry 1 is empty"),
        ("John", "entry 1: must be an object, not a text"),
    ],
)
def test_a_wrong_replacement_is_named(place: Place, line: Any, part: str) -> None:
    said = place.problems(replacements={"replacements": [line]})
    assert all(problem.startswith("replacements.json: ") for problem in said)
    assert part in "\n".join(said)


def test_ambiguous_tables_are_refused_by_the_numbers_of_the_file(place: Place) -> None:
    lines = [{"fake": "x", "real": ""}, {"fake": "John", "real": "Ann"}, {"fake": "John", "real": "Bea"}]
    said = place.problem(replacements={"replacements": lines})
    assert said.startswith("replacements.json: entry 2 (fake 'John') and entry 3 (fake 'John') have the same fake")


@pytest.mark.parametrize(("real", "word"), [("text", "text"), ("ann", "annotations"), ("e", "name")])
def test_a_real_that_is_part_of_the_protocols_words_is_refused(place: Place, real: str, word: str) -> None:
    said = place.problems(replacements={"replacements": [{"fake": "Z", "real": real}]})
    assert any(repr(word) in problem and "wholeWord" in problem for problem in said)


def test_a_response_that_is_not_used_is_warned_of(place: Place) -> None:
    lines = [{"fake": "John", "real": "Ann", "responseReplacement": "***"}]
    assert "responseReplacement is not used" in "".join(place.load(replacements={"replacements": lines}).warnings)
