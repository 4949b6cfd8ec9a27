"""Addresses of resources that clients spell in their own way, against a server that serves them all the same."""

import json
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from portero.domain.addresses import LONGEST
from portero.domain.values import Action
from portero.settings import UpstreamConfig
from tests.gateway.house import ADMIN, House, document, open_house
from tests.gateway.streaming import begin
from tests.log.support import everything

pytestmark = pytest.mark.asyncio(loop_scope="session")

SECRET = "the key of the safe"
POLICIES = {
    "library/asked": Action.ALLOW,
    "library/resource:file:///public/*": Action.ALLOW,
    "library/resource:file:///secret/*": Action.DENY,
    "library/resource:{+address}": Action.ALLOW,
}
SPELLINGS = [
    "file:///secret/key",
    "file:///s%65cret/key",
    "file:///public/../secret/key",
    "file:///public/%2e%2e/secret/key",
    "file:///public/..%2Fsecret%2Fkey",
    "file:///public/%252e%252e/secret/key",
    "file:///public/./../secret//key",
    "file:///public//../../secret/key",
    "file:///public/..\\secret\\key",
    "file:///public/..\t/secret/key",
    "FILE:///secret/key",
    "file:/secret/key",
    "file:secret/key",
    "file://localhost/secret/key",
    "file:////secret///key",
    "file:///SECRET/KEY",
    " file:///secret/key ",
]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def library() -> AsyncIterator[House]:
    def configs(effects: Path) -> list[UpstreamConfig]:
        folder = effects.parent / "books"
        for name, text in (("public/poem", "a poem"), ("secret/key", SECRET)):
            (folder / name).parent.mkdir(parents=True)
            (folder / name).write_text(text)
        server = str(Path(__file__).parent / "library_server.py")
        return [UpstreamConfig(name="library", command=sys.executable, args=(server, str(folder)))]

    async with open_house(policies=POLICIES, default=Action.ALLOW, upstreams=configs) as house:
        yield house


async def asked(house: House) -> list[str]:
    """The addresses that reached the server."""
    result = await house.upstreams.request("library", "tools/call", b'{"name":"asked","arguments":{}}')
    found: list[str] = json.loads(json.loads(result)["content"][0]["text"])
    return found


@pytest.mark.parametrize("uri", SPELLINGS)
async def test_no_spelling_opens_what_is_denied(library: House, name: str, uri: str) -> None:
    """By itself the server would serve each of them."""
    params = json.dumps({"uri": uri}).encode()
    assert SECRET.encode() in await library.upstreams.request("library", "resources/read", params)
    before = await asked(library)
    argument = {"name": "address", "value": ""}
    async with library.caller(name) as caller:
        caller.http.headers["mcp-session-id"] = await begin(caller)
        for method, params_of in (
            ("resources/read", {"uri": uri}),
            ("resources/subscribe", {"uri": uri}),
            ("completion/complete", {"ref": {"type": "ref/resource", "uri": uri}, "argument": argument}),
        ):
            _, error = await caller.error(method, params_of)
            assert error["code"] == 4003, method
            assert SECRET not in json.dumps(error)
    assert await asked(library) == before
    kept = [call for call in library.view.calls._ended.values() if call.client == name]
    assert {call.name.removeprefix("resource:") for call in kept} == {uri}


async def test_what_is_permitted_reaches_the_server_as_it_was_written(library: House, name: str) -> None:
    uri = "file:///public/./%70oem"
    async with library.caller(name) as caller:
        result = await caller.rpc("resources/read", {"uri": uri})
    assert result["contents"] == [{"uri": uri, "text": "a poem"}]
    assert (await asked(library))[-1] == uri
    (call,) = [call for call in library.view.calls._ended.values() if call.client == name]
    assert call.tool == f"library/resource:{uri}"


async def test_a_card_shows_what_was_written_and_its_grant_is_for_that_alone(library: House, name: str) -> None:
    written, other = "file:///public/../public/poem", "file:///public/x/../poem"
    rule = await library.decisions.set_rule("library/resource:file:///public/poem", Action.ASK, ADMIN)
    try:
        async with library.caller(name) as caller:
            _, error = await caller.error("resources/read", {"uri": written})
            assert error["data"]["toolName"] == f"library/resource:{written}"
            call = library.call_id(error["data"]["task_id"])
            assert library.view.calls.get(call).name == written  # type: ignore[union-attr] # it waits
            await library.decisions.approve(call, ADMIN, grant_ms=60_000)
            done = document(await caller.tool("portero/check_task", task_id=error["data"]["task_id"], wait_seconds=10))
            assert done["status"] == "completed"
            assert (await caller.rpc("resources/read", {"uri": written}))["contents"][0]["text"] == "a poem"
            for uri in (other, "file:///public/poem"):
                assert (await caller.error("resources/read", {"uri": uri}))[1]["code"] == 4202
    finally:
        await library.decisions.remove_rule(rule, ADMIN)
    assert written in str(await everything(library.log))


@pytest.mark.parametrize(
    "uri", ["file:///%", "file:///%zz/%4", "%00", "file:///" + "%25" * 2_000, "x:" + "/.." * 2_000]
)
async def test_odd_addresses_are_calls_like_others(library: House, name: str, uri: str) -> None:
    async with library.caller(name) as caller:
        _, error = await caller.error("resources/read", {"uri": uri})
    assert error["code"] in {-32002, -32602}
    assert [call.name for call in library.view.calls._ended.values() if call.client == name] == [uri]


@pytest.mark.parametrize("method", ["resources/read", "resources/subscribe", "completion/complete"])
async def test_an_endless_address_is_no_address(library: House, name: str, method: str) -> None:
    uri = "file:///public/" + "a" * LONGEST
    async with library.caller(name) as caller:
        caller.http.headers["mcp-session-id"] = await begin(caller)
        before = library.view.seq
        ref = {"ref": {"type": "ref/resource", "uri": uri}, "argument": {"name": "a", "value": ""}}
        _, error = await caller.error(method, ref if method == "completion/complete" else {"uri": uri})
    assert error["code"] in {-32002, -32602}
    assert library.view.seq == before


async def test_tools_that_policies_would_take_for_something_else_are_refused(library: House, name: str) -> None:
    (status,) = library.upstreams.status()
    other_kind = "policies would take it for a resource or a prompt"
    parts = "its letters are put together from parts, so that a policy written with the same letters would miss it"
    assert status.dropped == (
        f"resource:file:///public/x: {other_kind}",
        f"prompt:x: {other_kind}",
        f"cafe\\u0301: {parts}",
    )
    async with library.caller(name) as caller:
        listed = [tool["name"] for tool in (await caller.rpc("tools/list"))["tools"]]
        assert [tool for tool in listed if tool.startswith("library")] == ["library/asked"]
        for tool in (
            "library/resource:file:///public/x",
            "library/prompt:x",
            "library__prompt_x",
            "library/cafe\u0301",
        ):
            assert (await caller.error("tools/call", {"name": tool, "arguments": {}}))[1]["code"] == -32602


@pytest.mark.parametrize("spelt", ["fixture__hidden", "fixture/hidden"])
@pytest.mark.parametrize("through", ["tools/call", "portero/call"])
async def test_either_spelling_of_a_denied_tool_is_denied(house: House, name: str, spelt: str, through: str) -> None:
    async with house.caller(name) as caller:
        if through == "tools/call":
            result = await caller.tool(spelt)
        else:
            result = await caller.tool("portero/call", tool=spelt, args={})
    assert result["isError"] is True
    assert "denies it" in result["content"][0]["text"]


@pytest.mark.parametrize(
    "spelt",
    [
        "fixture/Hidden",
        "FIXTURE/hidden",
        "fixture/hidden ",
        " fixture/hidden",
        "fixture//hidden",
        "fixture/./hidden",
        "fixture/%68idden",
        "fixture\\hidden",
        "fixture__Hidden",
        "fixture/hidden\u200b",
        "fixture/h\u0456dden",
        "\uff46ixture/hidden",
        "fixture/fixture/hidden",
        "hidden",
        "portero/fixture/hidden",
    ],
)
async def test_no_other_spelling_of_a_tool_or_prompt_is_known(house: House, name: str, spelt: str) -> None:
    async with house.caller(name) as caller:
        assert (await caller.error("tools/call", {"name": spelt, "arguments": {}}))[1]["code"] == -32602
        assert (await caller.error("prompts/get", {"name": spelt}))[1]["code"] == -32602
        called = await caller.post("tools/call", {"name": "portero/call", "arguments": {"tool": spelt, "args": {}}})
    assert called.json()["error"]["code"] == -32602
