"""Patterns: what matches, what is more specific, what is refused and how."""

import re

import pytest
from hypothesis import given as for_all
from hypothesis import strategies as st

from portero.domain.patterns import MAX_PATTERN, Pattern, completion_name, policy_name
from portero.domain.values import Kind
from portero.errors import Invalid


@pytest.mark.parametrize(
    ("pattern", "name"),
    [
        ("github/create_issue", "github/create_issue"),
        ("github/*", "github/create_issue"),
        ("github/*", "github/odd/name"),
        ("github/*", "github/resource:repo://a/b"),
        ("github/get_*", "github/get_"),
        ("github/*_issue", "github/create_issue"),
        ("github/*a*b*", "github/xxaxxbxx"),
        ("git*/get_*", "github/get_me"),
        ("*/get_*", "notion/get_page"),
        ("*", "anything/at/all"),
        ("**/x", "a/x"),
        ("files/resource:file:///a/*", "files/resource:file:///a/b/c"),
        ("a/[x]*", "a/[x]yz"),
        ("a/b?", "a/b?"),
        ("a/aba*aba", "a/abaaba"),
    ],
)
def test_a_pattern_matches(pattern, name):
    assert Pattern.parse(pattern).matches_name(name)


@pytest.mark.parametrize(
    ("pattern", "name"),
    [
        ("github/create_issue", "github/create_issues"),
        ("github/create_issue", "GitHub/create_issue"),
        ("github/*", "github2/create_issue"),
        ("git*/x", "github/y"),
        ("*/x", "a/b/x"),
        ("a/*_issue", "a/create_issue_2"),
        ("a/[xy]", "a/x"),
        ("a/b?", "a/bc"),
        ("a/aba*aba", "a/ababa"),
        ("a/*b*b", "a/b"),
        ("a/b*b*c", "a/bc"),
        ("a/*c*b*", "a/bc"),
        ("a/.*", "a/xyz"),
    ],
)
def test_a_pattern_does_not_match(pattern, name):
    assert not Pattern.parse(pattern).matches_name(name)


def test_a_star_in_a_literal_is_a_character():
    literal = Pattern.literal("filesystem/*")
    assert literal.matches_name("filesystem/*")
    assert not literal.matches_name("filesystem/read_file")
    assert not Pattern.literal("filesystem/a*").matches_name("filesystem/ab")


def test_without_a_star_a_pattern_is_literal_anyway():
    assert Pattern.parse("github/get_me") == Pattern.literal("github/get_me")
    assert Pattern.parse("github/*") != Pattern.literal("github/*")


@pytest.mark.parametrize(
    ("less", "more"),
    [
        ("*", "*/*"),
        ("*/*", "github/*"),
        ("github/*", "github/get_*"),
        ("github/get_*", "github/get_me"),
        ("a/*", "*/get_file"),
        ("a/bc*", "a/bcd"),
    ],
)
def test_more_literal_characters_are_more_specific(less, more):
    assert Pattern.parse(less).specificity < Pattern.parse(more).specificity


def test_a_literal_star_counts_as_a_character():
    assert Pattern.literal("a/*").specificity == Pattern.parse("a/*").specificity + 1


@pytest.mark.parametrize(
    "text", ["", "github", "git*", "/x", "x/", "/", " a/b", "a/b ", "a/b\n", "a/\x00", "a/\u202eb"]
)
def test_what_is_no_pattern_is_refused_with_a_hint(text):
    with pytest.raises(Invalid, match=re.escape("Write SERVER/TOOL, such as github/create_issue")):
        Pattern.parse(text)


def test_a_pattern_that_is_too_long_is_refused():
    with pytest.raises(Invalid, match="longer than 1000"):
        Pattern.parse("a/" + "b" * MAX_PATTERN)


@pytest.mark.parametrize("name", ["", "github", "*", "/x", "x/"])
def test_what_is_no_name_is_no_literal(name):
    with pytest.raises(Invalid):
        Pattern.literal(name)


def test_a_pattern_reads_as_it_was_written():
    assert str(Pattern.parse("github/*")) == "github/*"


@pytest.mark.parametrize(
    ("kind", "name"),
    [(Kind.TOOL, "s/x"), (Kind.RESOURCE, "s/resource:x"), (Kind.PROMPT, "s/prompt:x")],
)
def test_names_as_policies_know_them(kind, name):
    assert policy_name(kind, "s", "x") == name


@pytest.mark.parametrize("kind", [Kind.RESOURCE, Kind.PROMPT])
def test_completion_goes_by_what_it_is_for(kind):
    assert policy_name(Kind.COMPLETION, "s", completion_name(kind, "x")) == policy_name(kind, "s", "x")


part = st.text("ab*", min_size=1, max_size=8)
word = st.text("ab", max_size=8)


def expression(piece: str) -> str:
    return ".*".join(map(re.escape, piece.split("*")))


@for_all(part, part, word, st.text("ab/", max_size=8))
def test_matching_is_what_a_regular_expression_says(server_part, tool_part, server, tool):
    said = re.fullmatch(expression(server_part), server) and re.fullmatch(expression(tool_part), tool)
    assert Pattern.parse(f"{server_part}/{tool_part}").matches(server, tool) == bool(said)


names = st.text("ab*/.[]?\\", min_size=1, max_size=6).filter(lambda name: name.strip("/"))


@for_all(names, names)
def test_a_literal_matches_itself_and_nothing_else(one, other):
    literal = Pattern.literal(f"s/{one}")
    assert literal.matches("s", one)
    assert literal.matches("s", other) == (one == other)


def test_hostile_patterns_are_matched_in_good_time():
    pattern = Pattern.parse("a/" + "a*" * 400 + "b")
    assert not pattern.matches("a", "a" * 20_000)
