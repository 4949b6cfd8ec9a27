"""Names that hold real values: known by their fakes everywhere, and by their real ones to their upstream alone."""

import hashlib
import json
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from structlog.testing import capture_logs

from portero.domain.replacement import Entry, Replacer
from portero.domain.values import Action
from portero.errors import Invalid
from portero.settings import UpstreamConfig
from tests.gateway.house import ADMIN, House, document, open_house
from tests.gateway.streaming import begin, following
from tests.log.support import everything
from tests.servers import people
from tests.servers.people import KEY, MAIL, NAME
from tests.system.reals import forms

pytestmark = pytest.mark.asyncio(loop_scope="session")

REPLACER = Replacer.from_entries(
    [
        Entry("Jane Doe", NAME),
        Entry("jane@example.com", MAIL, case_sensitive=False),
        Entry("key-fake", KEY, bidirectional=False, response_replacement="[key]"),
    ]
)
SEND = "people/send_to_jane@example.com"
POLICIES = {"people/shout_*": Action.DENY, "people/prompt:thank *": Action.DENY}
Pair = tuple[House, House]
CLEAR = "it stands for more than one, once real values are replaced; none is taken"
OTHERS = "addresses made of it would not be those that it is for, once real values are put in"
ONE_WAY = "it holds a value that is shown as something else than what stands for it, so nobody could ask for it"


def servers(effects: Path) -> list[UpstreamConfig]:
    script = str(Path(people.__file__))
    return [UpstreamConfig(name="people", command=sys.executable, args=(script, str(effects)), pinned_tools=None)]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def town() -> AsyncIterator[Pair]:
    """Two replicas, each with a server of its own."""
    options: dict[str, Any] = {"policies": POLICIES, "upstreams": servers, "replacer": REPLACER}
    async with open_house(**options) as one, open_house(**options, beside=one) as two:
        yield one, two


def reals_in(text: str) -> list[str]:
    return [real for real in (NAME, MAIL, KEY) if any(form.decode() in text for form in forms(real))]


def shown(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False) + json.dumps(value)


async def test_lists_hold_fakes_only_names_and_all(town: Pair, name: str) -> None:
    async with town[0].caller(name) as caller:
        lists = {
            member: (await caller.rpc(f"{method}/list"))[member]
            for method, member in (
                ("tools", "tools"),
                ("prompts", "prompts"),
                ("resources", "resources"),
                ("resources/templates", "resourceTemplates"),
            )
        }
        found = document(await caller.tool("portero/search_tools", query="send to Jane"))
        asked = document(await caller.tool("portero/search_tools", query=NAME))
    assert reals_in(shown(lists) + shown(found)) == []
    assert {tool["name"] for tool in lists["tools"] if tool["name"].startswith("people")} == {
        SEND,
        "people/praise_Jane Doe",
        "people/note_Jane Doe",
    }
    assert [prompt["name"] for prompt in lists["prompts"]] == ["people/greet Jane Doe"]
    assert {resource["uri"] for resource in lists["resources"]} == {
        "mail://jane@example.com/inbox",
        "mail://jane@example.com/archive",
        "news://Jane Doe",
    }
    assert [one["uriTemplate"] for one in lists["resourceTemplates"]] == ["box://jane@example.com/{folder}"]
    (send,) = [tool for tool in lists["tools"] if tool["name"] == SEND]
    properties = send["inputSchema"]["properties"]
    assert properties["to"]["enum"] == ["jane@example.com", "nobody"]
    assert (properties["to"]["default"], "Jane Doe" in properties) == ("jane@example.com", True)
    assert send["icons"] == [{"src": "https://faces.test/jane@example.com.png"}]
    assert send["_meta"] == {"owner": {"Jane Doe": "jane@example.com"}}
    assert send["description"] == "Writes to Jane Doe <jane@example.com> with [key]."
    assert found["tools"][0]["name"] == SEND
    assert asked["count"] == 0, "who guesses a real is not told that it is there"


@pytest.mark.parametrize("replica", [0, 1])
@pytest.mark.parametrize("spelt", [SEND, "people__send_to_jane_example_com", "portero/call"])
async def test_a_tool_is_called_by_its_own_name(town: Pair, name: str, replica: int, spelt: str) -> None:
    house = town[replica]
    async with house.caller(name) as caller:
        if spelt == "portero/call":
            result = await caller.tool(spelt, tool=SEND, args={})
        else:
            result = await caller.tool(spelt)
    assert result["content"][0]["text"] == "send_to_jane@example.com did it"
    assert house.effects_seen()[-1] == f"tool send_to_{MAIL}"
    (call,) = [call for call in house.view.calls._ended.values() if call.client == name]
    assert call.tool == SEND


async def test_a_tool_that_bears_the_fake_is_not_taken_for_another(town: Pair, name: str) -> None:
    async with town[0].caller(name) as caller:
        await caller.tool("people/praise_Jane Doe")
    assert town[0].effects_seen()[-1] == "tool praise_Jane Doe"


async def test_what_was_approved_on_one_replica_runs_under_the_real_name(town: Pair, name: str) -> None:
    one, two = town
    rule = await one.decisions.set_rule(SEND, Action.ASK, ADMIN)
    try:
        async with one.caller(name) as here, two.caller(name) as there:
            pending = document(await here.tool(SEND, to="jane@example.com"))
            assert pending["toolName"] == SEND
            await two.core.catch_up()
            await two.approve(pending["task_id"])
            done = await there.tool("portero/check_task", task_id=pending["task_id"], wait_seconds=10)
    finally:
        await one.decisions.remove_rule(rule, ADMIN)
    assert done["content"][0]["text"] == "send_to_jane@example.com did it"
    assert one.effects_seen()[-1] == f"tool send_to_{MAIL}"


ASKED = [
    ("prompts/get", {"name": "people/greet Jane Doe"}, f"prompt greet {NAME}"),
    ("resources/read", {"uri": "mail://jane@example.com/inbox"}, f"resource mail://{MAIL}/inbox"),
    ("resources/read", {"uri": f"mail://{MAIL}/inbox"}, f"resource mail://{MAIL}/inbox"),
    ("resources/read", {"uri": "mail://jane@example.com/archive"}, f"resource mail://{MAIL.upper()}/archive"),
    ("resources/read", {"uri": "news://Jane Doe"}, "resource news://Jane Doe"),
    ("resources/read", {"uri": "box://jane@example.com/sent"}, f"resource box://{MAIL}/sent"),
    (
        "completion/complete",
        {"ref": {"type": "ref/prompt", "name": "people/greet Jane Doe"}, "argument": {"name": "a", "value": ""}},
        f"completion greet {NAME}",
    ),
    (
        "completion/complete",
        {
            "ref": {"type": "ref/resource", "uri": "box://jane@example.com/{folder}"},
            "argument": {"name": "folder", "value": "Jane Doe"},
        },
        f"completion box://{MAIL}/{{folder}}",
    ),
    (
        "completion/complete",
        {"ref": {"type": "ref/resource", "uri": "news://Jane Doe"}, "argument": {"name": "a", "value": ""}},
        "completion news://Jane Doe",
    ),
]


@pytest.mark.parametrize("asked", ASKED, ids=lambda asked: f"{asked[0]} {asked[2]}")
@pytest.mark.parametrize("replica", [0, 1])
async def test_prompts_and_resources_are_asked_for_by_their_own_names(
    town: Pair, name: str, replica: int, asked: tuple[str, dict[str, Any], str]
) -> None:
    method, params, heard = asked
    async with town[replica].caller(name) as caller:
        result = await caller.rpc(method, params)
    assert town[replica].effects_seen()[-1] == heard
    assert reals_in(shown(result)) == []


async def test_changes_of_a_resource_are_told_by_the_name_that_the_client_knows(town: Pair, name: str) -> None:
    uris = ["mail://jane@example.com/archive", "news://Jane Doe"]
    async with town[0].caller(name) as caller:
        caller.http.headers["mcp-session-id"] = await begin(caller)
        async with following(caller) as stream:
            for uri in uris:
                assert await caller.rpc("resources/subscribe", {"uri": uri}) == {}
            await caller.tool("people/note_Jane Doe")
            told = [(await stream.next())["params"]["uri"] for _ in uris]
    assert sorted(told) == uris
    heard = {line for line in town[0].effects_seen() if line.startswith("subscription")}
    assert heard == {f"subscription mail://{MAIL.upper()}/archive", "subscription news://Jane Doe"}


STRANGERS = [
    f"people/send_to_{MAIL}",
    f"people/send_to_{MAIL.upper()}",
    "people/ask Jane Doe",
    f"people/ask {NAME}",
    "people/with_[key]",
    "people/with_key-fake",
    f"people/with_{KEY}",
]


@pytest.mark.parametrize("tool", STRANGERS)
async def test_no_other_name_is_known(town: Pair, name: str, tool: str) -> None:
    async with town[0].caller(name) as caller:
        _, error = await caller.error("tools/call", {"name": tool, "arguments": {}})
    assert error["code"] == -32602
    assert reals_in(shown(error)) == []


@pytest.mark.parametrize(
    "uri",
    ["people://Jane Doe", f"people://{NAME}", "keys://[key]", "keys://key-fake", f"keys://{KEY}", "keys://[key]/x"],
)
async def test_no_other_address_is_known(town: Pair, name: str, uri: str) -> None:
    async with town[0].caller(name) as caller:
        _, error = await caller.error("resources/read", {"uri": uri})
    assert error["code"] in {-32002, -32602}
    assert reals_in(shown(error)) == []


async def test_what_cannot_be_named_is_left_out_and_said(town: Pair) -> None:
    (status,) = town[0].upstreams.status()
    assert set(status.dropped) == {
        f"ask Jane Doe: {CLEAR}",
        f"people://Jane Doe: {CLEAR}",
        f"with_[key]: {ONE_WAY}",
        f"keys://[key]: {ONE_WAY}",
        f"keys://[key]/{{part}}: {ONE_WAY}",
        f"box://jane@example.com/{{other}}: {OTHERS}",
    }
    assert status.instructions == "Ask Jane Doe at jane@example.com."
    assert reals_in(shown([*status.dropped, status.instructions, status.server])) == []


async def test_policies_know_the_fake(town: Pair, name: str) -> None:
    house = town[0]
    async with house.caller(name) as caller:
        refused = await caller.tool("people/shout_jane@example.com")
        assert "denies it" in refused["content"][0]["text"]
        assert (await caller.error("prompts/get", {"name": "people/thank Jane Doe"}))[1]["code"] == 4003
    for real in (f"people/send_to_{MAIL}", f"people/*{NAME}*"):
        with pytest.raises(Invalid, match=r"holds a real value, and names are known with its fake\. Write 'people/"):
            await house.decisions.set_rule(real, Action.DENY, ADMIN)
        with pytest.raises(Invalid, match="holds a real value"):
            await house.decisions.grant(real, 1_000, ADMIN)


async def test_a_denial_from_before_names_had_fakes_still_holds(name: str) -> None:
    """It stands on the log with the real value, as earlier releases wrote it."""
    async with open_house(upstreams=servers) as before:
        await before.decisions.set_rule(f"people/send_to_{MAIL}", Action.DENY, ADMIN)
        options: dict[str, Any] = {"upstreams": servers, "replacer": REPLACER}
        async with open_house(**options, beside=before) as house, house.caller(name) as caller:
            assert "denies it" in (await caller.tool(SEND))["content"][0]["text"]
            listed = [tool["name"] for tool in (await caller.rpc("tools/list"))["tools"]]
            assert SEND not in listed


async def test_nothing_real_is_kept_or_said_anywhere(name: str) -> None:
    """Also no digest of a definition as its server gave it: who has a guess could try it."""
    with capture_logs() as logs:
        async with open_house(replacer=REPLACER, upstreams=servers) as house, house.caller(name) as caller:
            await caller.tool(SEND, to="jane@example.com")
            await caller.rpc("resources/read", {"uri": "mail://jane@example.com/archive"})
            await caller.rpc("prompts/get", {"name": "people/greet Jane Doe"})
            await caller.error("tools/call", {"name": f"people/send_to_{MAIL}", "arguments": {}})
            kept = str(await everything(house.log))
            metrics = (await caller.http.get("/metrics")).text
            catalogue = repr(house.upstreams.catalogue) + repr(house.upstreams.catalogue.tools)
            files = {
                path: path.read_bytes() for path in house.folder.rglob("*") if path.is_file() and path != house.effects
            }
    own = SEND.partition("/")[2]
    assert own in kept
    assert reals_in(kept + metrics + catalogue + str(logs)) == []
    assert any(own.encode() in content for content in files.values())
    found = [
        path for path, content in files.items() for real in (NAME, MAIL, KEY) if any(f in content for f in forms(real))
    ]
    assert found == []
    digests = [
        hashlib.sha256(json.dumps(tool, sort_keys=True, separators=(",", ":")).encode()) for tool in people.TOOLS
    ]
    definitions = {tool.name: tool.facts.definition for tool in house.upstreams.catalogue.tools}
    assert definitions["praise_Jane Doe"] in {digest.hexdigest() for digest in digests}, "so are they made"
    assert definitions["send_to_jane@example.com"] not in {digest.hexdigest() for digest in digests}
