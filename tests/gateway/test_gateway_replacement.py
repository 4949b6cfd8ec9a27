"""What a client is shown holds fakes only: in results, lists, errors, progress."""

import json

import pytest

from portero.domain.replacement import Entry, Replacer
from portero.domain.values import Action
from tests.gateway.house import POLICIES, open_house
from tests.log.support import everything

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_nothing_real_reaches_a_client() -> None:
    replacer = Replacer.from_entries([Entry("NAME", "Tessa"), Entry("WORD", "Echo"), Entry("one-fake", "made://one")])
    policies = {**POLICIES, "fixture/echo": Action.ASK}
    async with open_house(replacer=replacer, policies=policies) as house, house.caller(modern=True) as caller:
        raw = await caller.tool("fixture/raw", result={"content": [{"type": "text", "text": "Tessa"}], "by": "Tessa"})
        assert raw["content"][0]["text"] == "NAME"
        _, error = await caller.error(
            "tools/call", {"name": "fixture/fail", "arguments": {"code": 1, "message": "NAME?", "data": ["NAME"]}}
        )
        assert error == {"code": 1, "message": "NAME?", "data": ["NAME"]}
        task = (await caller.document("fixture/echo", text="I am NAME"))["task_id"]
        await house.approve(task)
        done = await caller.tool("portero/check_task", task_id=task, wait_seconds=10)
        assert done["content"][0]["text"] == "I am NAME"
        resources = (await caller.rpc("resources/list"))["resources"]
        assert "one-fake" in [resource["uri"] for resource in resources]
        read = await caller.rpc("resources/read", {"uri": "one-fake"})
        assert read["contents"] == [{"uri": "one-fake", "text": "what is in one-fake"}]
        argument = {"name": "id", "value": "Tessa"}
        given = {"ref": {"type": "ref/resource", "uri": "made://one"}, "argument": argument}
        completed = await caller.rpc("completion/complete", given)
        assert "one-fake" in completed["completion"]["values"][0]
        assert "NAME" in completed["completion"]["values"][0]
        _, unknown = await caller.error("tools/call", {"name": "Tessa/x", "arguments": {}})
        assert "Tessa" not in json.dumps(unknown)
        kept = str(await everything(house.log))
        assert "one-fake" in kept
        assert [real for real in ("Tessa", "made://one") if real in kept] == []


async def test_a_request_whose_keys_would_become_one_is_refused_before_anything_happens() -> None:
    replacer = Replacer.from_entries([Entry("name", "Tessa", case_sensitive=False)])
    async with open_house(replacer=replacer) as house, house.caller(modern=True) as caller:
        before = house.view.seq
        status, error = await caller.error(
            "tools/call", {"name": "fixture/echo", "arguments": {"text": "x", "NAME": 1, "name": 2}}
        )
        assert (status, error["code"]) == (400, -32602)
        assert "stand for the same name" in error["message"]
        assert house.view.seq == before
