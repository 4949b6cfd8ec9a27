"""Configuration files in general, policies and clients: what they mean, and how exactly a mistake is named."""

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
        "Server 'one' is skipped: TOKEN and OTHER are not set.",
        "Server 'two' is skipped: TOKEN is not set.",
    )


def test_a_policy_or_client_that_lacks_a_variable_is_a_problem(place: Place) -> None:
    assert "a variable is used, but ACTION is not set." in place.problem(policies={"policies": {"a/b": "${ACTION}"}})
    assert place.load({"ACTION": "deny"}, policies={"policies": {"a/b": "${ACTION}"}}).policy.entries == {
        "a/b": Action.DENY
    }
    assert "a variable is used, but HASH is not set." in place.problem(
        clients={"clients": [{"name": "x", "tokenSha256": "${HASH}"}]}
    )


# --- policies.json -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["mail/send_to_Maria Real", "mail/*MARIA REAL*", "mail/resource:box://Maria%20Real/*"])
def test_a_policy_that_says_a_real_value_is_a_mistake_that_says_how_to_write_it(place: Place, text: str) -> None:
    entry = {"fake": "Jane Roe", "real": "${NAME}", "bidirectional": True, "caseSensitive": False}
    said = place.problem(
        {"NAME": "Maria Real"},
        policies={"policies": {text: "deny", "mail/send_to_Jane Roe": "deny"}},
        replacements={"replacements": [entry]},
    )
    assert said.startswith(
        "policies.json: The pattern holds a real value, and names are known with its fake. Write 'mail/"
    )
    assert "Jane" in said
    assert "maria" not in said.lower()


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
