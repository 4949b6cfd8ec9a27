"""How addresses begin, and which servers list something that begins so."""

import pytest

from portero.upstream.offer.kinship import Family, Kinship, family


@pytest.mark.parametrize(
    ("uri", "expected"),
    [
        ("a://b/c", ("a", "b")),
        ("A://B", ("a", "b")),
        ("a://b?c", ("a", "b")),
        ("a:b", ("a", "")),
        ("a:/b", ("a", "")),
        ("a:///b", ("a", "")),
        ("a+b.c-1://x/../y", ("a+b.c-1", "x")),
        ("a://x@b/c", ("a", None)),
        ("a://%62/c", ("a", None)),
        ("a://b\\c/d", ("a", None)),
        ("", None),
        ("a", None),
        ("//b/c", None),
        (" a://b", None),
        ("a%3a//b", None),
        ("%61://b", None),
    ],
)
def test_an_address_has_the_beginning_that_everybody_reads(uri: str, expected: tuple[str, str | None] | None) -> None:
    assert family(uri) == (Family(*expected) if expected is not None else None)


@pytest.mark.parametrize(
    ("place", "same"),
    [
        ("a://b/c", True),
        ("A://B", True),
        ("a://b/{x}", True),
        ("a://b?{x}", True),
        ("a://b{?x}", False),  # what follows may belong to it
        ("a://{x}/b", False),
        ("a:{x}", False),
        ("{+x}", None),
        ("{x}://b/", None),
        ("c://b/", None),
        ("", None),
    ],
)
def test_a_place_is_like_an_address_as_far_as_its_beginning_is_known(place: str, same: bool | None) -> None:
    """One that shares the authority is closer than one that shares the scheme only."""
    kinship = Kinship([("here", place), ("other", "a://other/x")])
    found = {True: {"here"}, False: {"here", "other"}, None: {"other"}}[same]
    assert kinship.closest(Family("a", "b")) == found


@pytest.mark.parametrize(
    ("place", "found"), [("a:/x/{y}", {"here"}), ("a:x{y}", {"here"}), ("a:/{y}", {"here", "other"})]
)
def test_a_place_without_an_authority_is_like_others_without(place: str, found: set[str]) -> None:
    assert Kinship([("here", place), ("other", "a://other/x")]).closest(Family("a", "")) == found


def test_nobody_is_like_what_nobody_lists() -> None:
    assert Kinship().closest(Family("a", "b")) == frozenset()
