"""``mcps.json``: servers as they are written, and how exactly a mistake is named."""

from typing import Any

import pytest

from tests.settings.configured import Place


def test_a_program_with_everything(place: Place) -> None:
    (config,) = place.server(
        {
            "command": "npx",
            "args": ["-y", "x"],
            "env": {"A": "b"},
            "prefix": False,
            "timeoutSeconds": 2.5,
            "taskAfterSeconds": 10,
            "pinnedTools": ["a", "b", "a"],
        }
    ).upstreams
    assert (config.name, config.command, config.args, config.env) == ("one", "npx", ("-y", "x"), {"A": "b"})
    assert (config.prefix, config.timeout_seconds, config.pinned_tools) == (False, 2.5, ("a", "b"))
    assert not config.disabled


def test_what_is_left_out_has_its_default(place: Place) -> None:
    (config,) = place.server({"command": "run"}).upstreams
    assert (config.args, config.env, config.headers, config.url) == ((), {}, {}, None)
    assert (config.prefix, config.timeout_seconds, config.pinned_tools) == (True, 60.0, None)


def test_no_pinned_tools_is_not_the_same_as_pinning_none(place: Place) -> None:
    assert place.server({"command": "run", "pinnedTools": []}).upstreams[0].pinned_tools == ()


def test_a_server_reached_by_url(place: Place) -> None:
    (config,) = place.server({"url": "http://localhost:9/mcp", "headers": {"X-Key": "k"}}).upstreams
    assert (config.url, config.headers, config.command) == ("http://localhost:9/mcp", {"X-Key": "k"}, None)


def test_a_disabled_server_is_known_and_needs_no_variable(place: Place) -> None:
    settings = place.server({"command": "${NOWHERE}", "disabled": True})
    assert [(config.name, config.disabled) for config in settings.upstreams] == [("one", True)]
    assert settings.skipped == ()


WRONG_SERVERS: list[tuple[Any, str]] = [
    ({"command": "x", "pinnedTool": []}, "server 'one': there is no key 'pinnedTool' here. Is 'pinnedTools' meant?"),
    ({"command": "x", "timeout_seconds": 1}, "Is 'timeoutSeconds' meant?"),
    ({"command": "x", "zzz": 1}, "The keys are name, command, args"),
    ({}, 'needs a "command"'),
    ({"command": " "}, 'needs a "command"'),
    ({"command": ["npx"]}, "command must be a text, not a list"),
    ({"command": "x", "url": "http://x.example"}, 'has "command" and "url"'),
    ({"command": "x", "headers": {"a": "b"}}, '"headers" belong to a "url"'),
    ({"command": "x", "args": "-y"}, "args must be a list, not a text"),
    ({"command": "x", "args": ["a", 1]}, "item 2 of args must be a text, not a number"),
    ({"command": "x", "env": {"A": 1}}, "A in env must be a text (put it in quotes), not a number"),
    ({"command": "x", "env": ["A=1"]}, "env must be an object, not a list"),
    ({"command": "x", "prefix": "no"}, "prefix must be true or false, not a text"),
    ({"command": "x", "timeoutSeconds": True}, "timeoutSeconds must be a number, not true or false"),
    ({"command": "x", "timeoutSeconds": 0}, "timeoutSeconds must be above 0"),
    ({"command": "x", "timeoutSeconds": 1e9}, "at most 86400"),
    ({"command": "x", "taskAfterSeconds": 0}, "taskAfterSeconds must be above 0"),
    ({"command": "x", "taskAfterSeconds": "1"}, "taskAfterSeconds must be a number"),
    ({"command": "x", "pinnedTools": [1]}, "item 1 of pinnedTools must be a text"),
    ({"command": "x", "disabled": 1}, "disabled must be true or false"),
    ({"url": "ftp://x.example"}, "url must be an address"),
    ({"url": "http://"}, "url must be an address"),
    ({"url": "https://x.example:99999"}, "url must be an address"),
    ({"url": "https://x.example", "env": {"A": "b"}}, "'env' belongs to a \"command\""),
    ({"url": "https://x.example", "headers": {"A b": "c"}}, "'A b' cannot be the name of a header"),
    ({"url": "https://x.example", "headers": {"A": "b\nc"}}, "has characters that a header cannot hold"),
]


@pytest.mark.parametrize(("entry", "part"), WRONG_SERVERS, ids=[part for _, part in WRONG_SERVERS])
def test_a_wrong_server_is_named_with_what_is_wrong(place: Place, entry: dict[str, Any], part: str) -> None:
    said = place.problem(mcps={"mcps": [{"name": "one", **entry}]})
    assert said.startswith("mcps.json: server 'one': ")
    assert part in said


@pytest.mark.parametrize("name", ["", " ", None, 7, "a/b", "a*", " a", "a\n", "portero", "${NAME}", "x" * 65])
def test_names_that_cannot_be(place: Place, name: Any) -> None:
    assert "name" in place.problem(mcps={"mcps": [{"name": name, "command": "x"}]})


def test_two_servers_of_one_name_are_refused(place: Place) -> None:
    assert "stands here twice" in place.problem(
        mcps={"mcps": [{"name": "a", "command": "x"}, {"name": "a", "command": "y"}]}
    )


@pytest.mark.parametrize(
    ("document", "part"),
    [
        ({}, 'must be {"mcps": [ … ]}'),
        ({"mcpServers": {}}, 'the form of another program. Write {"mcps"'),
        ({"mpcs": []}, "Is 'mcps' meant?"),
        ({"mcps": {}}, "mcps must be a list"),
        ({"mcps": ["x"]}, "server 1: must be an object, not a text"),
    ],
)
def test_a_file_of_another_shape_is_refused(place: Place, document: Any, part: str) -> None:
    assert part in "\n".join(place.problems(mcps=document))


def test_the_upstreams_digest_follows_the_file_and_not_the_secrets(place: Place) -> None:
    entry = {"command": "run", "env": {"A": "${A}"}}
    one, two = place.server(entry, {"A": "x"}), place.server(entry, {"A": "y"})
    assert one.upstreams_digest == two.upstreams_digest
    assert one.upstreams_digest != place.server({"command": "other"}).upstreams_digest
