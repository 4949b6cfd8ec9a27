"""``tools/list``: the same for everybody who may see the same, in pages that any replica can turn."""

from pathlib import Path
from typing import Any

import pytest

from portero.domain.ids import ClientId
from portero.domain.values import Action
from portero.gateway.options import Options
from portero.settings import UpstreamConfig
from tests.gateway.house import ADMIN, Caller, House, fixture, open_house, wait_until

pytestmark = pytest.mark.asyncio(loop_scope="session")

VIRTUAL = ["portero/search_tools", "portero/call", "portero/check_task", "portero/list_tasks"]


async def names(caller: Caller) -> list[str]:
    return [tool["name"] for tool in (await caller.rpc("tools/list"))["tools"]]


async def test_own_tools_come_first_then_those_of_the_upstreams_by_name(house: House, name: str) -> None:
    async with house.caller(name) as caller:
        found = await names(caller)
    assert found[:4] == VIRTUAL
    assert found[4:8] == ["fixture/ask", "fixture/called_off", "fixture/die", "fixture/echo"]
    assert found[4:] == sorted(found[4:])
    assert len(found) == len(set(found))


async def test_denied_tools_are_not_listed_but_found(house: House, name: str) -> None:
    async with house.caller(name) as caller:
        assert "fixture/hidden" not in await names(caller)
        found = await caller.document("portero/search_tools", query="hidden")
    assert found["tools"][0] == {
        "name": "fixture/hidden",
        "description": "Denied by policy.",
        "policy": "deny",
        "inputSchema": {"type": "object"},
    }


async def test_a_modern_list_says_how_long_it_holds(house: House, name: str) -> None:
    async with house.caller(name, modern=True) as caller:
        listed = await caller.rpc("tools/list")
    assert (listed["resultType"], listed["cacheScope"]) == ("complete", "private")
    assert listed["ttlMs"] >= 0


async def test_definitions_are_the_upstreams_own(house: House, name: str) -> None:
    async with house.caller(name) as caller:
        listed = {tool["name"]: tool for tool in (await caller.rpc("tools/list"))["tools"]}
    assert listed["fixture/echo"] == {
        "name": "fixture/echo",
        "inputSchema": {"type": "object"},
        "description": "Give back the text.",
        "annotations": {"readOnlyHint": True},
    }


async def test_a_rule_changes_the_list_at_once(house: House, name: str) -> None:
    async with house.caller(name) as caller:
        rule = await house.decisions.set_rule("fixture/echo", Action.DENY, ADMIN)
        await wait_until(lambda: any(found.id == rule for found in house.view.rules), "the rule is known")
        assert "fixture/echo" not in await names(caller)
        await house.decisions.remove_rule(rule, ADMIN)
        await wait_until(lambda: all(found.id != rule for found in house.view.rules), "the rule is gone")
        assert "fixture/echo" in await names(caller)


async def test_a_lock_leaves_the_list_and_refuses_the_calls(house: House, name: str) -> None:
    async with house.caller(name) as caller:
        before = await names(caller)
        await house.decisions.lock(ADMIN, reason="lunch")
        try:
            await wait_until(lambda: house.view.locked is not None, "the lock is known")
            assert await names(caller) == before
            result = await caller.tool("fixture/echo", text="x")
            assert result["isError"] is True
            assert "locked" in result["content"][0]["text"]
        finally:
            await house.decisions.unlock(ADMIN)
            await wait_until(lambda: house.view.locked is None, "the lock is gone")


async def test_pages_hold_everything_once() -> None:
    async with open_house(options=Options(port=0, page_size=3)) as house, house.caller(modern=True) as caller:
        found: list[str] = []
        cursor = None
        pages = 0
        while True:
            page = await caller.rpc("tools/list", {} if cursor is None else {"cursor": cursor})
            found += [tool["name"] for tool in page["tools"]]
            pages += 1
            cursor = page.get("nextCursor")
            if cursor is None:
                break
            assert isinstance(cursor, str)
            assert "fixture" not in cursor, "it is opaque"
        assert pages == -(-len(found) // 3)
        allowed = [tool for tool in house.upstreams.catalogue.tools if tool.name != "hidden"]
        assert len(found) == len(set(found)) == len(VIRTUAL) + len(allowed) > 20
        first = await caller.rpc("tools/list", {"cursor": ""})
        assert [tool["name"] for tool in first["tools"]] == VIRTUAL[:3]
        for wrong in ("nonsense", "MTpub2JvZHk", "====", "\u00e9"):
            assert (await caller.error("tools/list", {"cursor": wrong}))[1]["code"] == -32602


async def test_the_safe_spelling_is_offered_where_it_is_asked_for() -> None:
    async with open_house(options=Options(port=0, safe_names=True)) as house, house.caller() as caller:
        found = await names(caller)
        assert found[:5] == [*(name.replace("/", "__") for name in VIRTUAL), "fixture__ask"]
        assert (await caller.tool("fixture__echo", text="x"))["content"][0]["text"] == "x"
        assert (await caller.tool("fixture/echo", text="x"))["content"][0]["text"] == "x"
        searched = await caller.document("portero__search_tools", query="echo")
        assert searched["tools"][0]["name"] == "fixture__echo"


async def test_pinned_tools_and_those_used_lately_are_listed_to_each_client() -> None:
    def pinned(effects: Path) -> list[UpstreamConfig]:
        return [fixture(effects, pinned_tools=("raw",))]

    async with (
        open_house(upstreams=pinned) as house,
        house.caller("client1") as one,
        house.caller("client2") as two,
    ):
        assert await names(one) == [*VIRTUAL, "fixture/raw"]
        await one.tool("fixture/echo", text="x")
        await wait_until(lambda: bool(house.view.recent.used(ClientId("client1"))), "its use is known")
        assert await names(one) == [*VIRTUAL, "fixture/echo", "fixture/raw"]
        assert await names(two) == [*VIRTUAL, "fixture/raw"]


async def test_a_server_without_a_prefix_keeps_its_names() -> None:
    async with (
        open_house(upstreams=lambda effects: [fixture(effects, prefix=False)]) as house,
        house.caller() as caller,
    ):
        assert "echo" in await names(caller)
        assert (await caller.tool("echo", text="x"))["content"][0]["text"] == "x"
        assert (await caller.document("portero/search_tools", query="echo"))["tools"][0]["name"] == "echo"


@pytest.mark.parametrize("modern", [False, True])
@pytest.mark.parametrize("cursor", [[], {}, [[]], 0, True, "x"])
async def test_what_is_no_cursor_is_refused(house: House, name: str, modern: bool, cursor: Any) -> None:
    async with house.caller(name, modern=modern) as caller:
        for method in ("tools/list", "prompts/list", "resources/list"):
            status, error = await caller.error(method, {"cursor": cursor})
            assert (status, error["code"]) == (400 if modern else 200, -32602)
