"""The catalogue as values: names, collisions, pins, order. No servers here."""

import json
import re
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portero.domain.replacement import Entry, Replacer
from portero.settings import UpstreamConfig
from portero.upstream import Catalogue, Masks, Spelling
from portero.upstream.offer import merge, names
from portero.upstream.offer.templates import fits
from portero.upstream.session.listing import Listing


def section(name: str, *tools: str, **options: Any) -> merge.Section:
    config = UpstreamConfig(name, "x", **options)
    return merge.section(config, Listing(tuple(json.dumps({"name": tool}).encode() for tool in tools)))


def catalogue(*sections: merge.Section) -> Catalogue:
    return merge.merge(sections, 1)


def test_a_tool_is_found_by_each_of_its_names_and_by_no_other() -> None:
    found = catalogue(section("github", "create_issue", "a/b"), section("plain", "echo", prefix=False))
    tool = found.resolve("github/create_issue")
    assert tool is not None
    assert found.resolve("github__create_issue") is tool
    assert (tool.spelled(Spelling.SLASH), tool.spelled(Spelling.SAFE)) == (
        "github/create_issue",
        "github__create_issue",
    )
    assert found.resolve("github/a/b") is found.resolve("github__a_b")
    assert found.resolve("echo") is found.resolve("plain/echo") is found.resolve("plain__echo")
    for unknown in (
        "create_issue",
        "github/",
        "github/*",
        "*",
        "",
        "github",
        "GitHub/create_issue",
        "github/create_issue ",
    ):
        assert found.resolve(unknown) is None


def test_the_first_of_two_colliding_tools_keeps_the_name_and_both_are_named() -> None:
    found = catalogue(section("a", "b__c"), section("a__b", "c", "d"))
    assert [tool.canonical for tool in found.tools] == ["a/b__c", "a__b/d"]
    assert found.dropped["a__b"] == ("c: a__b/c and a/b__c would both be 'a__b__c'; the first keeps the name",)
    assert found.resolve("a__b/c") is None
    resolved = found.resolve("a__b__c")
    assert resolved is not None
    assert resolved.canonical == "a/b__c"


def test_a_server_without_a_prefix_takes_no_name_from_others() -> None:
    github = section("github", "create_issue")
    thief = section(
        "thief", "github/create_issue", "github__create_issue", "portero/call", "portero__call", prefix=False
    )
    for sections in ((github, thief), (thief, github), (thief, section("github"))):
        found = catalogue(*sections)
        assert not [tool for tool in found.tools if tool.server == "thief"]
        assert len(found.dropped["thief"]) == 4


def test_two_bare_names_collide() -> None:
    found = catalogue(section("one", "echo", prefix=False), section("two", "echo", prefix=False))
    assert [tool.canonical for tool in found.tools] == ["one/echo"]
    assert found.dropped["two"] == ("echo: two/echo and one/echo would both be 'echo'; the first keeps the name",)


def test_long_names_and_pins_of_nothing_are_warned_of() -> None:
    long = "x" * 112
    assert merge.warnings(section("f", long[:-1])) == []
    assert merge.warnings(section("f", long)) == [f"f/{long}: with its 114 characters, Claude Code will not show it"]
    assert merge.warnings(section("f", "a", pinned_tools=("a", "b"))) == ["f: there is no tool 'b' to pin"]


def test_pinned_and_lately_used_tools_are_listed_and_the_rest_stays_callable() -> None:
    found = catalogue(
        section("pins", "a", "b", "c", pinned_tools=("b", "pins/c")),
        section("all", "d"),
        section("none", "e", pinned_tools=()),
    )
    assert [tool.canonical for tool in found.listed()] == ["pins/b", "pins/c", "all/d"]
    assert [tool.canonical for tool in found.listed(["pins/a", "gone/x"])] == ["pins/a", "pins/b", "pins/c", "all/d"]
    assert found.resolve("none/e") is not None


def test_a_pin_may_say_the_real_value_and_is_not_told_of() -> None:
    masks = Masks.of(Replacer.from_entries([Entry("FAKE", "REAL")]))
    config = UpstreamConfig("f", "x", pinned_tools=("send_REAL", "f/read_FAKE", "gone_REAL"))
    tools = tuple(json.dumps({"name": name}).encode() for name in ("send_REAL", "read_REAL", "other"))
    found = merge.section(config, Listing(tools), masks.replacer.mask_text, masks)
    assert [tool.canonical for tool in merge.merge([found], 1).listed()] == ["f/send_FAKE", "f/read_FAKE"]
    assert merge.warnings(found) == ["f: there is no tool 'gone_FAKE' to pin"]


def test_a_definition_has_one_digest_whatever_the_order_of_its_members() -> None:
    one = merge.section(UpstreamConfig("f", "x"), Listing((b'{"name":"a","inputSchema":{"x":1,"y":2}}',)))
    other = merge.section(UpstreamConfig("f", "x"), Listing((b'{"inputSchema": {"y": 2, "x": 1}, "name": "a"}',)))
    changed = merge.section(UpstreamConfig("f", "x"), Listing((b'{"name":"a","inputSchema":{"x":1,"y":3}}',)))
    digests = [one.tools[0].facts.definition, other.tools[0].facts.definition, changed.tools[0].facts.definition]
    assert digests[0] == digests[1] != digests[2]


@given(st.lists(st.tuples(st.sampled_from("abc"), st.text(max_size=6)), max_size=30), st.booleans())
def test_every_name_leads_to_one_tool_and_nothing_is_lost_silently(
    given_tools: list[tuple[str, str]], bare: bool
) -> None:
    sections = [
        section(name, *(tool for server, tool in given_tools if server == name), prefix=not (bare and name == "a"))
        for name in "abc"
    ]
    found = catalogue(*sections)
    for tool in found.tools:
        for spelling in Spelling:
            assert found.resolve(tool.spelled(spelling)) is tool
        assert found.resolve(tool.canonical) is tool
    assert len({tool.safe for tool in found.tools}) == len(found.tools)
    assert len(found.tools) + sum(map(len, found.dropped.values())) == len(given_tools)


@given(st.text(min_size=1), st.text(min_size=1))
def test_safe_names_are_safe(server: str, tool: str) -> None:
    assert set(names.safe(server, tool)) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-")


@pytest.mark.parametrize(
    ("template", "uri", "fits"),
    [
        ("file:///{path}", "file:///a/b", True),
        ("file:///{path}", "file:///", False),
        ("a://{x}/b/{y}", "a://1/b/2", True),
        ("a://{x}/b/{y}", "a://1/c/2", False),
        ("a://.+", "a://xx", False),
        ("a://{x}", "a://{x}", True),
        ("a://fixed", "a://fixed", True),
        ("a://{x}/b", "a:///b", False),
        ("a://{x}b{y}b", "a://1b2b", True),
        ("a://{x}b{y}b", "a://1bb", False),
        ("a://{x}ab", "a://ab", False),
        ("aa{x}aa", "aaa", False),
        ("a://{x}{y}", "a://1", False),
        ("a://{x}{y}", "a://12", True),
        ("a://{x}/contents{/path*}", "a://1/contents", True),
        ("a://{x}/contents{/path*}", "a://1/contents/b/c", True),
        ("a://{x}{?page}", "a://1", True),
    ],
)
def test_a_template_owns_what_fits_it(template: str, uri: str, fits: bool) -> None:
    config = UpstreamConfig("f", "x")
    listing = Listing(templates=(json.dumps({"uriTemplate": template, "name": "t"}).encode(),))
    found = merge.merge([merge.section(config, listing)], 1)
    assert found.owner(uri) == ("f" if fits else None)


def test_a_uri_that_nearly_fits_is_seen_through_at_once() -> None:
    """One that a client makes up must not keep all others waiting."""
    began = time.process_time()
    assert not fits("a://{w}/{x}/{y}/{z}/end", "a://" + "/" * 100_000)
    assert not fits("a://{w}/b/{x}/b/{y}/b/{z}/end", "a://" + "/b" * 100_000)
    assert time.process_time() - began < 1


@given(st.lists(st.sampled_from(["{x}", "{/x}", "a", "ab", "/"]), max_size=6), st.text("ab/", max_size=8))
def test_fits_is_what_a_regular_expression_says(parts: list[str], uri: str) -> None:
    any_text = {"{x}": ".+", "{/x}": ".*"}
    expected = re.fullmatch("".join(any_text.get(part, part) for part in parts), uri) is not None
    assert fits("".join(parts), uri) == expected


def test_a_template_to_complete_is_that_of_whoever_lists_it() -> None:
    sections = [
        merge.section(
            UpstreamConfig(name, "x"),
            Listing(templates=(json.dumps({"uriTemplate": template, "name": "t"}).encode(),)),
        )
        for name, template in (("wide", "file:///{path}"), ("narrow", "file:///{folder}/{name}"))
    ]
    found = merge.merge(sections, 1)
    assert found.owner("file:///{folder}/{name}") == "narrow"
    assert found.owner("file:///a/b") == "wide"


def test_what_goes_on_the_log_is_masked_and_the_definition_is_not() -> None:
    raw = b'{"name":"a","title":"Mail of REAL","inputSchema":{}}'
    found = merge.section(
        UpstreamConfig("f", "x"), Listing((raw, b'{"name":"REAL\\n"}')), lambda text: text.replace("REAL", "FAKE")
    )
    assert found.tools[0].facts.title == "Mail of FAKE"
    assert found.tools[0].definition == raw
    assert found.dropped == ("FAKE\\n: its name is empty, or has spaces around it",)
