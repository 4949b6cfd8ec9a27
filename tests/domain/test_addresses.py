"""Readings of addresses: what is one to programs that know URIs, what to careless ones, and what is not."""

import time
import unicodedata

import pytest
from hypothesis import given as for_all
from hypothesis import strategies as st

from portero.domain.addresses import READINGS, loose, loose_by_segment, normal
from portero.domain.normalize import normalize

NORMAL = [
    ("file:///home/ana/notes", "file:///home/%61na/n%6Ftes"),
    ("file:///a%2Fb", "file:///a%2fb"),
    ("file:///home/ana", "FILE:///home/ana"),
    ("note://board/Minutes", "note://BOARD/Minutes"),
    ("http://example.com/x", "hTTp://ex%41mple.com:80/x"),
    ("http://example.com/", "http://example.com"),
    ("https://example.com/x", "https://example.com:/x"),
    ("https://example.com/x", "https://example.com:00443/x"),
    ("https://ana@example.com/x", "https://ana@EXAMPLE.com/x"),
    ("note://board/a", "note://board:/a"),
    ("file:///a/b", "file:///a/./b"),
    ("file:///b", "file:///a/../b"),
    ("file:///b", "file:///a/%2e%2E/b"),
    ("file:///b", "file:///../../b"),
    ("file:///b/", "file:///b/c/.."),
    ("file:///a/b", "file:///a//b"),
    ("file:///a/b", "file:////a///b"),
    ("file:///a/b", "file:///a\\b"),
    ("file:///a/b", " fi\tle:///a\n/b\r"),
    ("urn:isbn:1", "URN:isbn:%31"),
]
LOOSE = [
    *NORMAL,
    ("file:///a/b", "file:///a%2Fb"),
    ("file:///a/b", "file:///a%5cb"),
    ("file:///b", "file:///a/..%2fb"),
    ("file:///b", "file:///a/%252e%252e/b"),
    ("file:///b", "file:///a//../b"),
    ("file:///b", "file:///a?/../b"),
    ("file:///secret", "file:///SECRET"),
    ("file:///secret", "file:/secret"),
    ("file:///secret", "file:secret"),
    ("file:///secret", "file://localhost/secret"),
    ("file:///secret", "file:///sec\x00ret"),
    ("file:///secret", "file:///sec%00ret"),
    ("file:///secret", "file:///secret?"),
    ("file:///secret", "file:///secret#"),
    ("file:///jos\u00e9", "file:///jose\u0301"),
    ("file:///jos\u00e9", "file:///jos%C3%A9"),
    ("file:///jos\u00e9", "file:///jos%25C3%25A9"),
    ("file:///etc", "file:///\uff45tc"),
    ("file:///stra\u00dfe", "file:///strasse"),
    ("https://host/x", "https:host/x"),
    ("https://host/x", "https:/host/x"),
    ("https://host/x", "https:\\\\host\\x"),
    ("https://host/x", "https://someone:else@host/x"),
    ("https://host/x", "https://host./x"),
    ("https://b\u00fccher.example/x", "https://xn--bcher-kva.example/x"),
    ("https://a.example/x", "https://a\u3002example/x"),
    ("urn:a/c", "urn:a/b/../c"),
    ("mailto:ana@host.example", "mailto:Ana@HOST.example"),
]
OTHERS = [
    ("file:///a", "file:///b"),
    ("file:///a", "file:///a/"),
    ("file:///a", "file:///a?x"),
    ("file:///a", "file:///a#x"),
    ("file:///a", "http:///a"),
    ("file://one/a", "file://two/a"),
    ("http://h:81/", "http://h/"),
    ("urn:a:b", "urn:a:c"),
    ("note://{id}", "note://{name}"),
]


@pytest.mark.parametrize(("one", "other"), NORMAL)
def test_spellings_that_every_program_takes_for_the_same(one, other):
    assert normal(one) == normal(other)


@pytest.mark.parametrize(("one", "other"), LOOSE)
def test_spellings_that_careless_programs_take_for_the_same(one, other):
    assert loose(one) == loose(other)


@pytest.mark.parametrize(("one", "other"), OTHERS)
def test_what_is_something_else_is_not_taken_for_the_same(one, other):
    assert normal(one) != normal(other)
    assert loose(one) != loose(other)


@pytest.mark.parametrize(
    "uri",
    [
        "file:///home/ana/notes.txt",
        "note://{id}/{+path}",
        "mailto:Ana@host.example",
        "urn:a/../b",
        "made up, no address at all",
        "50%",
        "100%zz%4",
        "",
        "*",
        "http://[::1]/x",
    ],
)
def test_what_is_normal_or_no_address_stays_as_it_is(uri):
    assert normal(uri) == uri


def test_an_empty_segment_can_be_taken_back_or_not():
    uri = "file:///public//../secret"
    assert (loose(uri), loose_by_segment(uri)) == ("file:///secret", "file:///public/secret")


@pytest.mark.parametrize(
    "uri",
    [
        "%" * 200_000,
        "%25" * 70_000,
        "/." * 100_000,
        "/.." * 70_000,
        "x://" + "/" * 200_000,
        "x://" + "\u0316\u0301" * 50_000,
        "x://" + "\u0316\u0301" * 50_000 + "\u4e00",
        "%cc%96%cc%81" * 20_000,
        "http://" + "xn--a." * 30_000,
        "http://" + "xn--" + "a" * 200_000,
        "http://" + ":" * 200_000,
        "http://" + "@" * 200_000,
        "\t\n" * 100_000,
        "\ud800%ff" * 50_000,
    ],
    ids=lambda uri: ascii(uri[:16]),
)
def test_no_text_takes_more_time_than_its_length(uri):
    """Each of them would take a minute and more if it took the square."""
    began = time.process_time()
    for reading in READINGS:
        reading.whole(uri)
        reading.inside(uri)
    assert time.process_time() - began < 15


marks = st.text(st.sampled_from("ae\u0316\u0301\u0345\u0f73\u0344\uff9e\uac00\u1161"), max_size=200)


@for_all(marks, st.sampled_from(["NFC", "NFKC"]))
def test_normal_forms_are_those_of_unicode(text, form):
    assert normalize(form, text) == unicodedata.normalize(form, text)


@for_all(st.text("aA%/.:?#@\\25eEfF*{}\u00e9", max_size=40))
def test_a_reading_can_be_read_again(uri):
    assert normal(normal(uri)) == normal(normal(normal(uri)))
    for reading in READINGS:
        assert isinstance(reading.whole(uri), str)
