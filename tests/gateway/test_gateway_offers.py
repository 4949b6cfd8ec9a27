"""Resources, prompts and completion pass the same gate as tools: policy, log, and only then the upstream."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from portero.settings import UpstreamConfig
from tests.gateway.house import META, House, document, fixture, open_house
from tests.gateway.paging import SERVER as LISTS
from tests.gateway.streaming import begin

pytestmark = pytest.mark.asyncio(loop_scope="session")

ARGUMENT = {"name": "who", "value": "A"}
ERAS = pytest.mark.parametrize("modern", [False, True], ids=["legacy", "modern"])


@ERAS
async def test_lists_leave_out_what_is_denied(house: House, name: str, modern: bool) -> None:
    async with house.caller(name, modern=modern) as caller:
        resources = await caller.rpc("resources/list")
        prompts = await caller.rpc("prompts/list")
        templates = await caller.rpc("resources/templates/list")
    listed = [resource["uri"] for resource in resources["resources"]]
    assert listed == ["made://Tessa/notes", "made://asked", "made://one", "made://two"]
    assert [prompt["name"] for prompt in prompts["prompts"]] == ["fixture/curious", "fixture/greet"]
    assert [template["uriTemplate"] for template in templates["resourceTemplates"]] == ["made://by/{id}"]
    for listed in (resources, prompts, templates):
        assert ("ttlMs" in listed) is modern
        assert ("resultType" in listed) is modern


@ERAS
@pytest.mark.parametrize("uri", ["made://one", "made://by/seven"])
async def test_a_resource_is_read_and_the_reading_is_on_the_log(
    house: House, name: str, modern: bool, uri: str
) -> None:
    async with house.caller(name, modern=modern) as caller:
        result = await caller.rpc("resources/read", {"uri": uri})
    assert result["contents"] == [{"uri": uri, "text": f"what is in {uri}"}]
    if modern:
        assert (result["resultType"], result["ttlMs"], result["cacheScope"]) == ("complete", 0, "private")
    (call,) = [call for call in house.view.calls._ended.values() if call.client == name]
    assert call.tool == f"fixture/resource:{uri}"
    assert call.status == "completed"


@ERAS
async def test_a_prompt_is_got_under_its_own_name(house: House, name: str, modern: bool) -> None:
    async with house.caller(name, modern=modern) as caller:
        result = await caller.rpc("prompts/get", {"name": "fixture/greet", "arguments": {"who": "Ada"}})
    assert result["messages"][0]["content"]["text"] == 'greet {"who": "Ada"}'


@pytest.mark.parametrize(
    ("method", "params"),
    [
        ("resources/read", {"uri": "made://denied"}),
        ("prompts/get", {"name": "fixture/hidden"}),
        ("completion/complete", {"ref": {"type": "ref/prompt", "name": "fixture/hidden"}, "argument": ARGUMENT}),
        ("completion/complete", {"ref": {"type": "ref/resource", "uri": "made://denied"}, "argument": ARGUMENT}),
    ],
)
async def test_what_is_denied_is_not_fetched(house: House, name: str, method: str, params: dict[str, Any]) -> None:
    async with house.caller(name, modern=True) as caller:
        status, error = await caller.error(method, params)
    assert (status, error["code"]) == (200, 4003)
    assert "denies it" in error["message"]


async def test_what_is_asked_for_waits_for_a_person(house: House, name: str) -> None:
    async with house.caller(name) as caller:
        _, error = await caller.error("resources/read", {"uri": "made://asked"})
        assert error["code"] == 4202
        assert error["data"]["status"] == "pending-approval"
        assert error["data"]["toolName"] == "fixture/resource:made://asked"
        task = error["data"]["task_id"]
        await house.approve(task)
        shown = document(await caller.tool("portero/check_task", task_id=task, wait_seconds=10))
    assert shown["status"] == "completed"
    assert shown["result"]["contents"][0]["text"] == "what is in made://asked"


@pytest.mark.parametrize(
    ("method", "params"),
    [
        ("resources/read", {"uri": "other://one"}),
        ("resources/read", {"uri": "made"}),
        ("resources/read", {"uri": "file:///made"}),
        ("resources/read", {}),
        ("prompts/get", {"name": "nobody/knows"}),
        ("prompts/get", {}),
        ("completion/complete", {}),
        ("completion/complete", {"ref": {"type": "ref/other"}, "argument": {"name": "a", "value": ""}}),
        ("completion/complete", {"ref": {"type": "ref/prompt", "name": "x"}, "argument": {"name": "a", "value": ""}}),
        ("completion/complete", {"ref": {"type": "ref/resource", "uri": "x"}, "argument": {"name": "a", "value": ""}}),
        ("prompts/list", {"cursor": "nonsense"}),
        ("resources/list", {"cursor": "nonsense"}),
    ],
)
async def test_what_is_unknown_is_a_wrong_parameter(
    house: House, name: str, method: str, params: dict[str, Any]
) -> None:
    async with house.caller(name, modern=True) as caller:
        status, error = await caller.error(method, params)
    assert (status, error["code"]) == (400, -32602)


@ERAS
@pytest.mark.parametrize(
    ("given", "arriving"),
    [
        ({"type": "ref/prompt", "name": "fixture/greet"}, {"type": "ref/prompt", "name": "greet"}),
        ({"type": "ref/resource", "uri": "made://by/{id}"}, {"type": "ref/resource", "uri": "made://by/{id}"}),
    ],
)
async def test_completion_asks_the_upstream_that_it_is_for(
    house: House, name: str, modern: bool, given: dict[str, Any], arriving: dict[str, Any]
) -> None:
    async with house.caller(name, modern=modern) as caller:
        result = await caller.rpc("completion/complete", {"ref": given, "argument": ARGUMENT})
    (seen,) = result["completion"]["values"]
    arrived = json.loads(seen)
    assert arrived["ref"] == arriving
    assert arrived["argument"] == ARGUMENT
    assert not any(key.startswith(META) for key in arrived.get("_meta", {}))


@ERAS
@pytest.mark.parametrize(
    "ref", [{"type": "ref/prompt", "name": "plain/greet"}, {"type": "ref/resource", "uri": "made://greet"}]
)
async def test_an_upstream_that_completes_nothing_has_no_suggestions(
    name: str, modern: bool, ref: dict[str, Any]
) -> None:
    """Portero says that it completes, and a client cannot know who is behind a name."""

    def plain(effects: Path) -> list[UpstreamConfig]:
        (names := effects.parent / "names").write_text('["greet"]')
        return [UpstreamConfig(name="plain", command=sys.executable, args=(str(LISTS), str(names)))]

    async with open_house(upstreams=plain, policies={}) as house, house.caller(name, modern=modern) as caller:
        result = await caller.rpc("completion/complete", {"ref": ref, "argument": ARGUMENT})
        assert result["completion"] == {"values": []}
        (call,) = house.view.calls._ended.values()
        assert (call.status, json.loads(call.error or "")["code"]) == ("error", -32601)
        _, error = await caller.error("resources/read", {"uri": "made://greet"})
        assert error["code"] == (-32603 if modern else -32601)


@ERAS
async def test_what_else_a_client_says_with_a_completion_arrives(house: House, name: str, modern: bool) -> None:
    params = {
        "ref": {"type": "ref/prompt", "name": "fixture/greet"},
        "argument": ARGUMENT,
        "context": {"arguments": {"other": "B"}},
        "_meta": {"their/own": 7, "progressToken": "t"},
    }
    async with house.caller(name, modern=modern) as caller:
        result = await caller.rpc("completion/complete", params)
    arrived = json.loads(result["completion"]["values"][0])
    assert arrived["context"] == params["context"]
    assert arrived["_meta"]["their/own"] == 7
    assert arrived["_meta"].get("progressToken") != "t"


@pytest.mark.parametrize("method", ["resources/read", "resources/subscribe"])
async def test_in_the_older_era_an_unknown_resource_has_a_code_of_its_own(house: House, name: str, method: str) -> None:
    async with house.caller(name) as caller:
        await begin(caller)
        status, error = await caller.error(method, {"uri": "other://one"})
    assert (status, error["code"], error["data"]) == (200, -32002, {"uri": "other://one"})


async def test_a_resource_is_for_its_reader_whatever_the_upstream_says() -> None:
    """What the policy lets one client read, no cache between may hand to another."""
    async with (
        open_house(upstreams=lambda effects: [fixture(effects, modern=True)]) as house,
        house.caller(modern=True) as caller,
    ):
        result = await caller.rpc("resources/read", {"uri": "made://by/public"})
    assert (result["cacheScope"], result["ttlMs"]) == ("private", 5000)
