"""Two patterns overlap exactly when some name is matched by both."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portero.domain.events import CatalogueTool
from portero.domain.patterns import Pattern
from portero.domain.policy import ConfigPolicy
from portero.domain.values import Action, ToolFacts
from portero.telegram.effects import effect_of, overlap

PART = st.text("ab*", min_size=1, max_size=4)
PATTERN = st.builds("{}/{}".format, PART, PART) | st.just("*")
WORDS = [""] + ["".join(letters) for size in range(1, 8) for letters in itertools.product("ab", repeat=size)]


def meets(one: str, other: str) -> bool:
    """By trying all short words: seven letters are enough for parts of four."""
    left, right = Pattern.parse(f"x/{one}"), Pattern.parse(f"x/{other}")
    return any(left.matches("x", word) and right.matches("x", word) for word in WORDS)


@given(PART, PART)
def test_parts_overlap_when_a_word_matches_both(one: str, other: str) -> None:
    assert overlap(Pattern.parse(f"x/{one}"), Pattern.parse(f"x/{other}")) is meets(one, other)


@given(PATTERN, PATTERN)
def test_overlap_is_mutual(one: str, other: str) -> None:
    assert overlap(Pattern.parse(one), Pattern.parse(other)) is overlap(Pattern.parse(other), Pattern.parse(one))


@pytest.mark.parametrize(
    ("pattern", "entry", "meet"),
    [
        ("stripe/*", "stripe/create_refund", True),
        ("stripe/create_*", "*/*_refund", True),
        ("stripe/list_*", "stripe/create_*", False),
        ("*", "a/b", True),
        ("github/*", "stripe/*", False),
    ],
)
def test_patterns(pattern: str, entry: str, meet: bool) -> None:
    assert overlap(Pattern.parse(pattern), Pattern.parse(entry)) is meet


def test_a_literal_star_is_no_star() -> None:
    assert not overlap(Pattern.literal("filesystem/*"), Pattern.parse("filesystem/write_file"))
    assert overlap(Pattern.literal("filesystem/*"), Pattern.parse("filesystem/*"))


def test_effect_counts_tools_and_names_denials() -> None:
    tools = [
        ("s/read", CatalogueTool("read", ToolFacts(read_only=True, destructive=True))),
        ("s/wipe", CatalogueTool("wipe", ToolFacts(read_only=False, destructive=True))),
        ("s/what", CatalogueTool("what", ToolFacts())),
        ("t/wipe", CatalogueTool("wipe", ToolFacts(destructive=True))),
    ]
    config = ConfigPolicy({"s/wi*": Action.DENY, "t/*": Action.DENY, "s/read": Action.ALLOW}, Action.ASK)
    effect = effect_of(Pattern.parse("s/*"), tools, config)
    assert effect.tools == ("s/read", "s/wipe", "s/what")
    assert effect.destructive == ("s/wipe",)
    assert effect.unclear == 1
    assert effect.lifts == ("s/wi*",)
