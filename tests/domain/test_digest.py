"""The digest of what a person approves."""

import pytest
from hypothesis import given as for_all
from hypothesis import strategies as st

from portero.domain.digest import call_digest, digest_of

APPROVED = ("github/create_issue", '{"title":"x"}', None, "definition", "table")


def test_the_same_call_has_the_same_digest():
    assert call_digest(*APPROVED) == call_digest(*APPROVED)
    assert len(call_digest(*APPROVED)) == 64


@pytest.mark.parametrize("place", range(5))
def test_any_difference_shows(place):
    other = [*APPROVED]
    other[place] = "other"
    assert call_digest(*other) != call_digest(*APPROVED)


def test_nothing_is_not_an_empty_text():
    assert call_digest("a/b", "{}", None, "", "") != call_digest("a/b", "{}", "", "", "")


@pytest.mark.parametrize(
    ("one", "other"),
    [(["a", "b"], ["ab"]), (["a", "b"], ["a:b"]), (["a:b"], ["a", "b"]), (["1:a"], ["a"]), ([None], ["-"])],
)
def test_parts_do_not_run_into_each_other(one, other):
    assert digest_of(*one) != digest_of(*other)


@for_all(st.lists(st.text("a1:-", max_size=3), max_size=4), st.lists(st.text("a1:-", max_size=3), max_size=4))
def test_no_two_lists_of_parts_look_the_same(one, other):
    assert (digest_of(*one) == digest_of(*other)) == (one == other)


def test_text_that_is_no_unicode_has_a_digest_too():
    assert digest_of("\ud800") != digest_of("\ud801")
