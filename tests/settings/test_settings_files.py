"""The four configuration files: what they mean, and how exactly a mistake is named."""

import hashlib
import sys
from typing import Any

import pytest

from portero.domain.values import Action
from tests.settings.configured import Place

# --- JSON ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["mcps", "policies", "replacements", "clients"])
def test_bad_json_is_named_with_its_line_and_column(place: Place, name: str) -> None:
    said = place.problem({}, **{name: '{\n  "a": 1,\n  "b" 2\n}'})
    assert said.startswith(f"{name}.json, line 3, column 7: this is not JSON")


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ('{"policies": {"a/b": "allow", "a/b": "deny"}}', "the key 'a/b' stands twice"),
        ("null", "is null"),
        ("[]", "must be an object, not a list"),
        ('{"policies": {}, "x": NaN}', "NaN is not a JSON value"),
        ("[" * 100_000, "cannot be read"),
        ("", "line 1, column 1"),
    ],
)
def test_json_that_is_no_configuration(place: Place, text: str, part: str) -> None:
    said = place.problem(policies=text)
    assert said.startswith("policies.json")
    assert part in said


def test_a_file_that_is_no_utf8_is_named(place: Place) -> None:
    place.write("clients.json", "")
    (place.folder / "config" / "clients.json").write_bytes(b'{"clients": []}\xff')
    assert place.problem() == "clients.json is not UTF-8: byte 15 begins no character. Save it as UTF-8."


def test_a_byte_order_mark_is_no_problem(place: Place) -> None:
    assert place.load(policies='\ufeff{"policies": {"a/b": "allow"}}').policy.entries == {"a/b": Action.ALLOW}


def test_absent_files_mean_nothing_is_there_and_it_is_said(place: Place) -> None:
    place.write("mcps.json", {"mcps": []})
    from portero.settings import load

    settings = load({}, place.folder)
    assert settings.policy.default is Action.ASK
    said = "\n".join(settings.warnings)
    assert "policies.json does not exist: a person is asked about every call" in said
    assert "replacements.json does not exist: nothing is replaced" in said
    assert "clients.json" not in said


# --- ${NAME} -------------------------------------------------------------------------------------------------------


def test_names_are_filled_in_in_every_string(place: Place) -> None:
    environ = {"A": "one", "B": "two $A ${A}"}
    config = place.server(
        {"command": "${A}", "args": ["x${A}y${B}", "$A", "$${A}", "${PORTERO_PYTHON}"], "env": {"E": "${B}"}}, environ
    ).upstreams[0]
    assert config.command == "one"
    assert config.args == ("xoneytwo $A ${A}", "$A", "${A}", sys.executable)
    assert config.env == {"E": "two $A ${A}"}


def test_dotenv_fills_names_in_too(place: Place) -> None:
    place.write(".env", "A=from the file\n")
    assert place.server({"command": "${A}"}).upstreams[0].command == "from the file"


@pytest.mark.parametrize("text", ["${}", "${a-b}", "${1A}", "${A:-x}"])
def test_what_is_no_name_is_a_problem(place: Place, text: str) -> None:
    assert f"{text} names no variable" in place.problem(mcps={"mcps": [{"name": "one", "command": text}]})


def test_a_server_that_lacks_a_variable_is_skipped_with_its_name(place: Place) -> None:
    servers = [
        {"name": "one", "command": "run", "env": {"T": "${TOKEN}", "U": "${OTHER}"}},
        {"name": "two", "url": "https://x.example", "headers": {"A": "${TOKEN}"}},
        {"name": "three", "command": "run"},
    ]
    settings = place.load({"OTHER": ""}, mcps={"mcps": servers})
    assert [config.name for config in settings.upstreams] == ["three"]
    assert settings.skipped == (
        "Server 'one' is skipped: TOKEN is not set.",
        "Server 'one' is skipped: OTHER is not set.",
        "Server 'two' is skipped: TOKEN is not set.",
    )


def test_a_policy_or_client_that_lacks_a_variable_is_a_problem(place: Place) -> None:
    assert "${ACTION} is used, but is not set" in place.problem(policies={"policies": {"a/b": "${ACTION}"}})
    assert place.load({"ACTION": "deny"}, policies={"policies": {"a/b": "${ACTION}"}}).policy.entries == {
        "a/b": Action.DENY
    }
    assert "${HASH} is used, but is not set" in place.problem(
        clients={"clients": [{"name": "x", "tokenSha256": "${HASH}"}]}
    )


# --- mcps.json -----------------------------------------------------------------------------------------------------


def test_a_program_with_everything(place: Place) -> None:
    (config,) = place.server(
        {
            "command": "npx",
            "args": ["-y", "x"],
            "env": {"A": "b"},
            "prefix": False,
            "timeoutSeconds": 2.5,
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


# --- policies.json -------------------------------------------------------------------------------------------------


def test_policies_are_read_as_they_are_written(place: Place) -> None:
    servers = {"mcps": [{"name": "a", "command": "x"}]}
    policies = {"policies": {"a/*": "allow", "a/b": "deny", "*": "require-approval"}, "defaultPolicy": "deny"}
    settings = place.load(mcps=servers, policies=policies)
    assert settings.policy.entries == {"a/*": Action.ALLOW, "a/b": Action.DENY, "*": Action.ASK}
    assert settings.policy.default is Action.DENY
    assert settings.warnings == ()


@pytest.mark.parametrize(
    ("policies", "part"),
    [
        ({"policies": {"a/b": "alow"}}, "'a/b': 'alow' is not an action. Is 'allow' meant?"),
        ({"policies": {"a/b": "Allow"}}, "Is 'allow' meant?"),
        ({"policies": {"a/b": "ask"}}, "'ask' is not an action"),
        ({"policies": {"a/b": True}}, "True is not an action. Write one of allow, deny, require-approval."),
        ({"policies": {}, "defaultPolicy": "none"}, "defaultPolicy: 'none' is not an action"),
        ({"policies": {}, "defaultPolicy": None}, "defaultPolicy: None is not an action"),
        ({"policies": {"github": "allow"}}, "'github' is not a pattern"),
        ({"policies": {"": "allow"}}, "pattern is empty"),
        ({"policies": []}, "policies must be an object, not a list"),
        ({"policies": {}, "default": "deny"}, "Is 'defaultPolicy' meant?"),
    ],
)
def test_a_wrong_policy_is_named(place: Place, policies: Any, part: str) -> None:
    said = place.problem(policies=policies)
    assert said.startswith("policies.json: ")
    assert part in said


def test_a_policy_for_a_server_that_is_not_there_is_warned_of(place: Place) -> None:
    settings = place.load(
        {},
        mcps={"mcps": [{"name": "github", "command": "${NO}"}]},
        policies={"policies": {"gihub/*": "deny", "github/x": "allow", "*/y": "allow", "git*/z": "allow"}},
    )
    assert settings.warnings == (
        "policies.json: 'gihub/*' is for a server that mcps.json does not name. Is 'github' meant?",
    )


# --- replacements.json ---------------------------------------------------------------------------------------------


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


# --- clients.json --------------------------------------------------------------------------------------------------


def digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def test_clients_are_known_by_the_digests_of_their_tokens(place: Place) -> None:
    lines = [
        {"name": "laptop", "tokenSha256": digest("one")},
        {"name": "ci", "tokenSha256": digest("two").upper(), "disabled": True},
    ]
    clients = place.load(clients={"clients": lines}).clients
    assert [(client.name, client.disabled) for client in clients] == [("laptop", False), ("ci", True)]
    assert [client.token_sha256 for client in clients] == [bytes.fromhex(digest("one")), bytes.fromhex(digest("two"))]


@pytest.mark.parametrize(
    ("lines", "part"),
    [
        ([{"name": "default", "tokenSha256": digest("x")}], "is the client of BEARER_TOKEN"),
        ([{"name": "a b", "tokenSha256": digest("x")}], "needs a name of letters"),
        ([{"tokenSha256": digest("x")}], "needs a name"),
        ([{"name": "a", "tokenSha256": "secret"}], "64 hex digits: printf %s TOKEN | sha256sum"),
        ([{"name": "a"}], "64 hex digits"),
        ([{"name": "a", "tokenSha256": digest("")}], "that of an empty token"),
        ([{"name": "a", "token": "x", "tokenSha256": digest("x")}], "there is no key 'token' here"),
        ([{"name": "a", "tokenSha256": digest("x")}, {"name": "b", "tokenSha256": digest("x")}], "same token as 'a'"),
        ([{"name": "a", "tokenSha256": digest("x")}, {"name": "a", "tokenSha256": digest("y")}], "stands here twice"),
    ],
)
def test_a_wrong_client_is_named(place: Place, lines: list[Any], part: str) -> None:
    said = place.problem(clients={"clients": lines})
    assert said.startswith("clients.json: ")
    assert part in said
