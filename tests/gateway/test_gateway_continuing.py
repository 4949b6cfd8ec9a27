"""Upstreams of the newer era that answer with questions: one decision for all rounds, and each state works once."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from portero.domain.replacement import Entry, Replacer
from portero.domain.values import Action, Status
from portero.gateway.calls import continuing
from portero.settings import UpstreamConfig
from tests.gateway.house import ADMIN, TASKS, Caller, House, document, fixture, open_house, wait_until
from tests.gateway.streaming import begin
from tests.gateway.test_gateway_backchannel import asking

pytestmark = pytest.mark.asyncio(loop_scope="session")

ABLE = {"elicitation": {"form": {}}}
ACCEPT = {"action": "accept", "content": {"who": "NAME"}}
POLICIES = {"modern/inquire": Action.ALLOW}


def modern(effects: Path) -> list[UpstreamConfig]:
    return [fixture(effects, name="modern", modern=True)]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def twins() -> AsyncIterator[tuple[House, House]]:
    """Two replicas with an upstream of the newer era behind each."""
    replacer = Replacer.from_entries([Entry("NAME", "Tessa")])
    async with (
        open_house(upstreams=modern, policies=POLICIES, replacer=replacer) as one,
        open_house(upstreams=modern, policies=POLICIES, replacer=replacer, beside=one) as two,
    ):
        yield one, two


Twins = tuple[House, House]


def params(text: str, asking: dict[str, Any] | None = None, **arguments: Any) -> dict[str, Any]:
    """Of the call, or with the answers to what ``asking`` asks."""
    more = {}
    if asking is not None:
        (key,) = asking["inputRequests"]
        more = {"inputResponses": {key: ACCEPT}}
        if "requestState" in asking:
            more["requestState"] = asking["requestState"]
    return {"name": "modern/inquire", "arguments": {"text": text, **arguments}, **more}


async def call(caller: Caller, *given: Any, **arguments: Any) -> dict[str, Any]:
    return await caller.rpc("tools/call", params(*given, **arguments))


async def test_each_round_may_come_to_another_replica_and_after_the_policy_has_changed(twins: Twins, name: str) -> None:
    one, two = twins
    async with (
        one.caller(name, modern=True, capabilities=ABLE) as here,
        two.caller(name, modern=True, capabilities=ABLE) as there,
    ):
        first = await call(here, name, rounds=2)
        ((_, asked),) = first["inputRequests"].items()
        assert asked["params"]["message"] == "Who is NAME? (0)"
        rule = await one.decisions.set_rule("modern/inquire", Action.ASK, ADMIN)
        try:
            await wait_until(lambda: two.view.seq >= one.view.seq, "the other replica knows")
            second = await call(there, name, first, rounds=2)
            assert list(second["inputRequests"]) == ["who1"]
            last = await call(here, name, second, rounds=2)
            assert json.loads(last["content"][0]["text"]) == {"who1": ACCEPT}
            pending = await call(here, "afresh", rounds=2)
            assert "pending-approval" in pending["content"][0]["text"]
        finally:
            await one.decisions.remove_rule(rule, ADMIN)
    calls = [found for found in one.view.calls._all() if found.client == name and found.status is Status.COMPLETED]
    calls.sort(key=lambda found: found.requested_seq)
    assert [found.reason.continues for found in calls if found.reason] == [None, calls[0].id, calls[1].id]
    assert [found.asks for found in calls] == [True, True, False]
    assert [found.dialogue.continued_by for found in calls if found.dialogue] == [calls[1].id, calls[2].id]


@pytest.mark.parametrize("batched", [False, True])
async def test_who_of_the_older_era_reads_no_stream_is_not_said_to_answer(
    twins: Twins, name: str, batched: bool
) -> None:
    """The upstream then does without, as it can, or says what it misses."""
    one, _ = twins
    async with one.caller(name) as caller:
        await begin(caller, elicitation={})
        message = caller.message("tools/call", {"name": "modern/said_able", "arguments": {}})
        if batched:
            response = await caller.http.post("/mcp", json=[message])
            (answer,) = response.json()
        else:
            response = await caller.http.post("/mcp", json=message, headers={"accept": "application/json"})
            answer = response.json()
        assert answer["result"]["content"][0]["text"] == "{}"
        assert "form" in (await caller.tool("modern/said_able"))["content"][0]["text"]


async def test_a_state_works_once(twins: Twins, name: str) -> None:
    one, two = twins
    async with (
        one.caller(name, modern=True, capabilities=ABLE) as here,
        two.caller(name, modern=True, capabilities=ABLE) as there,
    ):
        first = await call(here, name)
        assert "isError" not in await call(there, name, first)
        for caller in (here, there):
            status, error = await caller.error("tools/call", params(name, first))
            assert (status, error["code"]) == (400, -32602)
            assert "used already" in error["message"]
    assert one.effects_seen().count(name) == 1


async def test_a_denial_in_between_holds(twins: Twins, name: str) -> None:
    one, _ = twins
    async with one.caller(name, modern=True, capabilities=ABLE) as caller:
        first = await call(caller, name)
        rule = await one.decisions.set_rule("modern/inquire", Action.DENY, ADMIN)
        try:
            refused = await call(caller, name, first)
        finally:
            await one.decisions.remove_rule(rule, ADMIN)
        assert refused["isError"] is True
        assert "denies it" in refused["content"][0]["text"]
    assert name not in one.effects_seen()


async def test_a_state_is_good_for_its_client_tool_and_arguments_only(twins: Twins, name: str) -> None:
    one, _ = twins
    async with (
        one.caller(name, modern=True, capabilities=ABLE) as caller,
        one.caller("client990", modern=True, capabilities=ABLE) as stranger,
    ):
        first = await call(caller, name)
        right = params(name, first)
        for who, wrong in (
            (stranger, {}),
            (caller, {"arguments": {"text": "other"}}),
            (caller, {"arguments": {}}),
            (caller, {"name": "modern/echo"}),
            (caller, {"requestState": "round-1"}),
            (caller, {"requestState": right["requestState"][:-1] + "~"}),
            (caller, {"requestState": "c:" + "A" * 50}),
        ):
            status, error = await who.error("tools/call", {**right, **wrong})
            assert (status, error["code"]) == (400, -32602), wrong
        reordered = {**right, "arguments": {"x": 1, "text": name}}
        assert (await caller.error("tools/call", reordered))[1]["code"] == -32602
        assert "isError" not in await call(caller, name, first)


async def test_a_state_is_not_good_for_ever(twins: Twins, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    one, _ = twins
    monkeypatch.setattr(continuing, "STATE_MS", -1)
    async with one.caller(name, modern=True, capabilities=ABLE) as caller:
        first = await call(caller, name)
        _, error = await caller.error("tools/call", params(name, first))
        assert "too old" in error["message"]


async def test_an_upstream_that_gives_no_state_gets_none_back(twins: Twins, name: str) -> None:
    """Ours is for us: the upstream asks again as if nothing had been, which is what it would do by itself."""
    one, _ = twins
    async with one.caller(name, modern=True, capabilities=ABLE) as caller:
        first = await call(caller, name, stateless=True)
        again = await call(caller, name, first, stateless=True)
        assert list(again["inputRequests"]) == list(first["inputRequests"])


async def test_an_older_client_is_asked_on_its_stream(twins: Twins, name: str) -> None:
    one, two = twins
    async with one.caller(name) as here, two.caller(name) as there:
        there.http.headers["mcp-session-id"] = await begin(here, elicitation={})
        async with asking(here, tool="modern/inquire") as stream:
            question = await stream.next()
            answer = {"jsonrpc": "2.0", "id": question["id"], "result": ACCEPT}
            assert (await there.http.post("/mcp", json=answer)).status_code == 202
            last = await stream.next()
    assert json.loads(last["result"]["content"][0]["text"]) == {"who0": ACCEPT}


# --- after an approval ------------------------------------------------------------------------------------------------


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def asked() -> AsyncIterator[House]:
    """Both eras behind it, and everything asks."""

    def both(effects: Path) -> list[UpstreamConfig]:
        return [*modern(effects), fixture(effects, name="older")]

    async with open_house(upstreams=both, policies={}, default=Action.ASK) as house:
        yield house


ELICIT = {"method": "elicitation/create", "params": {"message": "Who are you?"}}


@pytest.mark.parametrize("tool", ["modern/inquire", "older/ask"])
async def test_an_approved_call_asks_through_its_task(asked: House, name: str, tool: str) -> None:
    arguments = {"text": name, "questions": [ELICIT]}
    async with asked.caller(name, modern=True, capabilities={**ABLE, **TASKS}) as caller:
        task = (await caller.rpc("tools/call", {"name": tool, "arguments": arguments}))["taskId"]
        await asked.approve(task)
        await wait_until(asked.sees(asked.call_id(task), lambda state: state.questions != ()), "it asks")
        found = await caller.rpc("tasks/get", {"taskId": task})
        assert found["status"] == "input_required"
        assert "it waits for an answer" in found["statusMessage"]
        ((key, question),) = found["inputRequests"].items()
        assert question["method"] == "elicitation/create"
        ack = await caller.rpc("tasks/update", {"taskId": task, "inputResponses": {"other": 1, key: ACCEPT}})
        assert {member for member in ack if member != "_meta"} == {"resultType"}
        result = await caller.tool("portero/check_task", task_id=task, wait_seconds=10)
        assert "accept" in result["content"][0]["text"]
        assert (await caller.rpc("tasks/get", {"taskId": task}))["status"] == "completed"


async def test_a_client_without_tasks_answers_where_it_fetches_the_result(asked: House, name: str) -> None:
    async with asked.caller(name, modern=True, capabilities=ABLE) as caller:
        task = document(await call(caller, name))["task_id"]
        await asked.approve(task)
        check = {"name": "portero/check_task", "arguments": {"task_id": task, "wait_seconds": 10}}
        first = await caller.rpc("tools/call", check)
        assert list(first["inputRequests"]) == ["who0"]
        back = {**check, "requestState": first["requestState"], "inputResponses": {"who0": ACCEPT}}
        result = await caller.rpc("tools/call", back)
        assert json.loads(result["content"][0]["text"]) == {"who0": ACCEPT}
        assert asked.effects_seen().count(name) == 1
        assert "used already" in (await caller.error("tools/call", back))[1]["message"]
        assert "gone on with" in (await caller.error("tools/call", check))[1]["message"]
        assert asked.effects_seen().count(name) == 1


async def test_a_server_of_the_older_era_cannot_ask_who_is_not_there(asked: House, name: str) -> None:
    async with asked.caller(name, modern=True, capabilities=ABLE) as caller:
        pending = await caller.tool("older/ask", questions=[ELICIT])
        task = document(pending)["task_id"]
        await asked.approve(task)
        result = await caller.tool("portero/check_task", task_id=task, wait_seconds=10)
    assert "cannot be asked" in result["content"][0]["text"]
