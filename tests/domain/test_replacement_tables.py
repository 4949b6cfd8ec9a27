"""Tables that could mean two things, or would show what they should hide, are refused by the entries' names."""

import pytest

from portero.domain.replacement import REDACTED, Entry, Replacer
from portero.errors import ConfigError


def problems(*entries: Entry) -> tuple[str, ...]:
    with pytest.raises(ConfigError) as refused:
        Replacer.from_entries(entries)
    return refused.value.problems


REFUSED = {
    "an empty fake": ([Entry("", "Ann")], ["fake of entry 1 is empty"]),
    "a blank fake": ([Entry(" \t", "Ann")], ["fake of entry 1 is empty"]),
    "an empty real": ([Entry("John", "")], ["real of entry 1 (fake 'John') is empty"]),
    "a blank real": ([Entry("John", "  ")], ["real of entry 1 (fake 'John') is empty"]),
    "fake and real the same": ([Entry("Ann", "Ann")], ["fake and the real of entry 1 are the same"]),
    "the same in another Unicode form": ([Entry("é", "e\u0301")], ["are the same"]),
    "the same but for case": ([Entry("ANN", "ann", case_sensitive=False)], ["differ by case only"]),
    "no Unicode": ([Entry("\ud800x", "Ann")], ["Entry 1 holds characters"]),
    "two reals for one fake": (
        [Entry("John", "Ann"), Entry("John", "Bea")],
        ["entry 1 (fake 'John') and entry 2 (fake 'John') have the same fake"],
    ),
    "two reals for one fake, by case": (
        [Entry("John", "Ann"), Entry("JOHN", "Bea", case_sensitive=False)],
        ["have the same fake"],
    ),
    "two fakes for one real": (
        [Entry("John", "Ann"), Entry("Paul", "Ann")],
        ["entry 1 (fake 'John') and entry 2 (fake 'Paul') have the same real"],
    ),
    "two fakes for one real, by Unicode form": ([Entry("A1", "é"), Entry("B2", "e\u0301")], ["have the same real"]),
    "the same entry twice": (
        [Entry("John", "Ann"), Entry("John", "Ann")],
        ["have the same fake", "have the same real"],
    ),
    "a fake that is another's real": (
        [Entry("John", "Ann"), Entry("Ann", "Bea")],
        ["The fake of entry 2 contains the real of entry 1 (fake 'John')"],
    ),
    "a fake that contains another's real": (
        [Entry("John", "Ann"), Entry("Joanna Roe", "Bea"), Entry("Annabel", "Cid")],
        ["The fake of entry 3 contains the real of entry 1"],
    ),
    "a fake that contains its own real": ([Entry("Ann Roe", "Ann")], ["The fake of entry 1 contains its own real"]),
    "a fake that contains a real in another case": (
        [Entry("John", "ann", case_sensitive=False), Entry("Annabel", "Cid")],
        ["The fake of entry 2 contains the real of entry 1"],
    ),
    "a fake that contains a real as a link spells it": (
        [Entry("John", "a b"), Entry("x%20a%20b", "Cid")],
        ["The fake of entry 2 contains the real of entry 1"],
    ),
    "a response that contains a real": (
        [Entry("John", "Ann", bidirectional=False, response_replacement="Ann (hidden)")],
        ["The responseReplacement of entry 1 (fake 'John') contains its own real"],
    ),
    "the default response that contains a real": (
        [Entry("John", "RED", bidirectional=False)],
        ["The responseReplacement of entry 1 (fake 'John') contains its own real"],
    ),
    "a response that is another's fake": (
        [Entry("John", "Ann", bidirectional=False, response_replacement="see Paul"), Entry("Paul", "Bea")],
        ["The responseReplacement of entry 1 (fake 'John') contains the fake of entry 2 (fake 'Paul')"],
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_refused_and_how_it_is_said(case: str) -> None:
    entries, parts = REFUSED[case]
    said = problems(*entries)
    assert len(said) == len(parts), said
    for part, problem in zip(parts, said, strict=True):
        assert part in problem


def test_every_problem_is_said_at_once_by_the_numbers_of_the_file() -> None:
    said = problems(
        Entry("A1", "same", number=3),
        Entry("B1", "same", number=5),
        Entry("C1", "x", number=7),
        Entry("C1", "y", number=9),
    )
    assert len(said) == 2
    assert "entry 7 (fake 'C1') and entry 9 (fake 'C1')" in said[0]
    assert "entry 3 (fake 'A1') and entry 5 (fake 'B1')" in said[1]


@pytest.mark.parametrize("case", REFUSED)
def test_no_problem_shows_a_real(case: str) -> None:
    entries, _ = REFUSED[case]
    hidden = {entry.real for entry in entries if len(entry.real.strip()) > 1 and entry.real not in REDACTED}
    for problem in problems(*entries):
        assert not [real for real in hidden if real in problem], problem


ACCEPTED = {
    "fakes inside of each other": [Entry("John", "Ann"), Entry("John Doe", "Ann Roe"), Entry("Doe", "Roe")],
    "a real that contains its own fake": [Entry("acme", "acme-internal-corp")],
    "a response that is its own fake": [Entry("John", "Ann", bidirectional=False, response_replacement="John")],
    "the same response for several": [Entry("A1", "x9", bidirectional=False), Entry("B1", "y9", bidirectional=False)],
    "fakes that differ by case, where case counts": [Entry("john", "Ann"), Entry("John", "Bea")],
    "a fake with a whole-word real inside of a word": [Entry("John", "Ann", whole_word=True), Entry("Joanna", "Cid")],
    "a response kept from a bidirectional entry": [Entry("John", "Ann", response_replacement="Ann")],
}


@pytest.mark.parametrize("case", ACCEPTED)
def test_what_is_clear_is_accepted(case: str) -> None:
    assert Replacer.from_entries(ACCEPTED[case]).warnings == ()


def test_a_real_that_contains_anothers_fake_works_with_a_warning() -> None:
    table = Replacer.from_entries([Entry("John", "Carlos"), Entry("Peter Jones", "John Smith")])
    assert [("entry 2 (fake 'Peter Jones')" in text, "entry 1 (fake 'John')" in text) for text in table.warnings] == [
        (True, True)
    ]
    assert table.to_real(b'["Peter Jones, John"]') == b'["John Smith, Carlos"]'
    assert table.to_fake_result(b'["John Smith, Carlos"]') == b'["Peter Jones, John"]'


def test_a_large_table_is_checked_as_a_small_one() -> None:
    entries = [Entry(f"user{number:05}@fake.example", f"person{number:05}@real.example") for number in range(3_000)]
    table = Replacer.from_entries(entries)
    assert table.to_real(b'["user02999@fake.example"]') == b'["person02999@real.example"]'
    assert len(problems(*entries, Entry("user00007@fake.example", "z"))) == 1
