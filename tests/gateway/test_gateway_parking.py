"""A client of the newer era is asked by the answer to its request; its call is parked until it comes back."""

import asyncio
import json
from typing import Any

import pytest

from portero.domain.ids import CallId
from portero.domain.replacement import Entry, Replacer
from portero.domain.values import Actor, Status
from portero.gateway.calls import parking
from portero.gateway.options import Options
from tests.gateway.house import META, Caller, House, messages, open_house, wait_until

pytestmark = pytest.mark.asyncio(loop_scope="session")

Pair = tuple[House, House]
ABLE = {"elicitation": {"form": {}}, "sampling": {}}
ELICIT = {"method": "elicitation/create", "params": {"message": "Who are you?"}}
SAMPLE = {"method": "sampling/createMessage", "params": {"messages": [], "maxTokens": 5}}
ACCEPT = {"action": "accept", "content": {"name": "NAME"}}


async def ask(caller: Caller, *questions: Any, **more: Any) -> dict[str, Any]:
    """The answer to a call that asks, or to its continuation."""
    arguments = {"questions": list(questions)}
    return await caller.rpc("tools/call", {"name": "fixture/ask", "arguments": arguments, **more})


def question(asking: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """The one question, with its key."""
    assert asking["resultType"] == "input_required"
    ((key, asked),) = asking["inputRequests"].items()
    return key, asked


def answered(asking: dict[str, Any], answer: Any) -> dict[str, Any]:
    """What a client sends beside what it has sent before."""
    key, _ = question(asking)
    return {"requestState": asking["requestState"], "inputResponses": {key: answer}}


def said(result: dict[str, Any]) -> list[Any]:
    found: list[Any] = json.loads(result["content"][0]["text"])
    return found


def call_of(house: House, asking: dict[str, Any]) -> CallId:
    return house.call_id(asking["requestState"].removeprefix("p:").split(".")[0])


async def test_a_parked_call_finds_its_answers_on_any_replica(pair: Pair, name: str) -> None:
    one, two = pair
    async with (
        one.caller(name, modern=True, capabilities=ABLE) as here,
        two.caller(name, modern=True, capabilities=ABLE) as there,
    ):
        first = await ask(here, ELICIT, SAMPLE)
        assert question(first)[1] == ELICIT
        await wait_until(lambda: one.gateway.in_flight() == 0, "nobody waits for an answer to it")
        second = await ask(there, ELICIT, SAMPLE, **answered(first, ACCEPT))
        assert question(second)[1] == SAMPLE
        last = await ask(here, ELICIT, SAMPLE, **answered(second, {"role": "assistant"}))
        assert last["resultType"] == "complete"
        assert said(last) == [ACCEPT, {"role": "assistant"}]
        call = two.view.calls.get(call_of(two, first))
        assert call is not None
        assert (call.status, call.attempt, call.dialogue.asked) == (Status.COMPLETED, 1, 2)  # type: ignore[union-attr]
        again = await ask(there, ELICIT, SAMPLE, **answered(second, {"role": "x"}))
        assert said(again) == said(last), "who asks again gets the same result, and nothing runs again"


async def test_who_comes_back_without_an_answer_is_asked_again(house: House, name: str) -> None:
    async with house.caller(name, modern=True, capabilities=ABLE) as caller:
        first = await ask(caller, ELICIT)
        for more in ({}, {"inputResponses": {}}, {"inputResponses": {"unasked": ACCEPT}}):
            again = await ask(caller, ELICIT, requestState=first["requestState"], **more)
            assert again["inputRequests"] == first["inputRequests"]
        assert said(await ask(caller, ELICIT, **answered(again, ACCEPT))) == [ACCEPT]


@pytest.mark.parametrize("answer", [7, "yes", None, [ACCEPT], True])
async def test_an_answer_that_is_none_is_refused_and_asked_for_again(house: House, name: str, answer: Any) -> None:
    async with house.caller(name, modern=True, capabilities=ABLE) as caller:
        first = await ask(caller, ELICIT)
        params = {"name": "fixture/ask", "arguments": {}, **answered(first, answer)}
        status, error = await caller.error("tools/call", params)
        assert (status, error["code"]) == (400, -32602)
        again = await ask(caller, ELICIT, requestState=first["requestState"])
        assert again["inputRequests"] == first["inputRequests"]
        assert said(await ask(caller, ELICIT, **answered(again, ACCEPT))) == [ACCEPT]


async def test_who_comes_back_hears_what_is_said_from_then_on(house: House, name: str) -> None:
    progress = {"method": "notifications/progress", "params": {"progress": 3, "message": "now"}}
    log = {"method": "notifications/message", "params": {"level": "warning", "data": "careful"}}
    quiet = {"method": "notifications/message", "params": {"level": "debug", "data": "details"}}
    asked = {**ELICIT, "notes": [progress, log, quiet], "file": str(house.folder / name)}
    async with house.caller(name, modern=True, capabilities=ABLE) as caller:
        first = await ask(caller, asked, _meta={"progressToken": "first"})
        meta = {"progressToken": "second", META + "logLevel": "warning"}
        arguments = {"questions": [asked]}
        params = {"name": "fixture/ask", "arguments": arguments, "_meta": meta, **answered(first, ACCEPT)}
        calling = asyncio.create_task(caller.post("tools/call", params))
        await asyncio.sleep(0.2)
        (house.folder / name).touch()
        told = messages(await calling)
    assert [message.get("method") for message in told] == ["notifications/progress", "notifications/message", None]
    assert told[0]["params"] == {"progressToken": "second", "progress": 3, "message": "now"}
    assert told[1]["params"]["data"] == "careful"


async def test_who_comes_back_to_another_replica_is_shown_that_the_call_lives(name: str) -> None:
    """Some clients give up a call that shows no progress for minutes."""
    options = Options(port=0, alive_seconds=0.1)
    async with (
        open_house() as one,
        open_house(beside=one, options=options) as two,
        one.caller(name, modern=True, capabilities=ABLE) as here,
        two.caller(name, modern=True, capabilities=ABLE) as there,
    ):
        asked = {**ELICIT, "file": str(one.folder / name)}
        first = await ask(here, asked)
        arguments = {"questions": [asked]}
        meta = {"progressToken": "t"}
        params = {"name": "fixture/ask", "arguments": arguments, "_meta": meta, **answered(first, ACCEPT)}
        calling = asyncio.create_task(there.post("tools/call", params))
        await asyncio.sleep(0.6)
        (one.folder / name).touch()
        told = messages(await calling)
    assert told[0]["params"]["progressToken"] == "t"
    assert "still running" in told[0]["params"]["message"]
    assert said(told[-1]["result"]) == [ACCEPT]


async def test_a_state_is_good_for_its_client_and_its_call_only(house: House, name: str) -> None:
    async with (
        house.caller(name, modern=True, capabilities=ABLE) as caller,
        house.caller("client991", modern=True, capabilities=ABLE) as stranger,
    ):
        first = await ask(caller, ELICIT)
        state = first["requestState"]
        forged = state[:-1] + ("0" if state[-1] != "0" else "1")
        for wrong in (forged, "p:", "p:x.y", "", "c:x.y", "round-1", 7, state + " "):
            params = {"name": "fixture/ask", "arguments": {}, "requestState": wrong}
            status, error = await caller.error("tools/call", params)
            assert (status, error["code"]) == (400, -32602), wrong
        right = {"requestState": state, "inputResponses": {}}
        for who, name_ in ((stranger, "fixture/ask"), (caller, "fixture/echo")):
            status, error = await who.error("tools/call", {"name": name_, "arguments": {}, **right})
            assert (status, error["code"]) == (400, -32602)
        status, error = await caller.error("prompts/get", {"name": "fixture/greet", **right})
        assert (status, error["code"]) == (400, -32602)
        status, error = await caller.error("tools/call", {"name": "fixture/ask", **right, "inputResponses": [7]})
        assert (status, error["code"]) == (400, -32602)
        assert said(await ask(caller, ELICIT, **answered(first, ACCEPT))) == [ACCEPT]


async def test_a_client_that_does_not_come_back_loses_its_call() -> None:
    async with (
        open_house(answer_seconds=0.3) as house,
        house.caller(modern=True, capabilities=ABLE) as caller,
    ):
        first = await ask(caller, ELICIT)
        call = call_of(house, first)
        await wait_until(house.sees(call, lambda state: state.finished), "it is given up")
        ended = house.view.calls.get(call)
        assert ended is not None
        assert (ended.status, ended.cancel_reason) == (
            Status.CANCELLED,
            "its client did not come back with an answer",
        )
        assert (await caller.tool("fixture/called_off"))["content"][0]["text"] == "1"
        _, error = await caller.error("tools/call", {"name": "fixture/ask", "arguments": {}, **answered(first, ACCEPT)})
        assert "It was cancelled" in error["message"]


async def test_a_client_that_leaves_while_it_waits_again_cancels_its_call(pair: Pair, name: str) -> None:
    one, two = pair
    async with (
        one.caller(name, modern=True, capabilities=ABLE) as here,
        two.caller(name, modern=True, capabilities=ABLE) as there,
    ):
        waits = {"file": str(one.folder / name), **ELICIT}
        first = await ask(here, waits)
        call = call_of(one, first)
        before = two.gateway.in_flight()
        coming_back = asyncio.create_task(ask(there, waits, **answered(first, ACCEPT)))
        await wait_until(lambda: two.gateway.in_flight() == before + 1, "it waits for the result")
        await wait_until(two.sees(call, lambda state: state.questions == ()), "it has answered")
        coming_back.cancel()
        await asyncio.wait([coming_back])
        await wait_until(one.sees(call, lambda state: state.finished), "it is cancelled")
        ended = one.view.calls.get(call)
        assert ended is not None
        assert (ended.status, ended.decided_by) == (Status.CANCELLED, Actor("client", name))


async def test_parked_calls_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parking, "MAX_PARKED_OF_CLIENT", 2)
    async with open_house() as house, house.caller(modern=True, capabilities=ABLE) as caller:
        parked = [await ask(caller, ELICIT) for _ in range(2)]
        (refused,) = said(await ask(caller, ELICIT))
        assert "Too many" in refused["message"]
        assert said(await ask(caller, ELICIT, **answered(parked[0], ACCEPT))) == [ACCEPT]
        assert question(await ask(caller, ELICIT)), "there is room again"


async def test_an_upstream_that_dies_meanwhile_is_told_to_who_comes_back() -> None:
    async with open_house() as house, house.caller(modern=True, capabilities=ABLE) as caller:
        first = await ask(caller, ELICIT)
        await caller.error("tools/call", {"name": "fixture/die", "arguments": {}})
        params = {"name": "fixture/ask", "arguments": {}, **answered(first, ACCEPT)}
        _, error = await caller.error("tools/call", params)
        assert error["code"] == 4504
        assert "not known whether it took effect" in error["message"]


async def test_a_replica_that_stops_ends_its_parked_calls_in_good_order() -> None:
    async with (
        open_house() as one,
        open_house(beside=one) as two,
        one.caller(modern=True, capabilities=ABLE) as here,
        two.caller(modern=True, capabilities=ABLE) as there,
    ):
        first = await ask(here, ELICIT)
        async with asyncio.timeout(4):
            await one.stop()
        (refusal,) = said(await ask(there, ELICIT, **answered(first, ACCEPT)))
        assert "Portero stops" in refusal["message"]


async def test_prompts_and_virtual_calls_are_parked_like_tools(house: House, name: str) -> None:
    arguments = {"tool": "fixture/ask", "args": {"questions": [ELICIT]}}
    async with house.caller(name, modern=True, capabilities=ABLE) as caller:
        first = await caller.rpc("tools/call", {"name": "portero/call", "arguments": arguments})
        params = {"name": "portero/call", "arguments": arguments, **answered(first, ACCEPT)}
        assert said(await caller.rpc("tools/call", params)) == [ACCEPT]
        first = await caller.rpc("prompts/get", {"name": "fixture/curious"})
        params = {"name": "fixture/curious", **answered(first, ACCEPT)}
        result = await caller.rpc("prompts/get", params)
        assert json.loads(result["messages"][0]["content"]["text"]) == ACCEPT


async def test_real_values_stay_behind_the_gate() -> None:
    replacer = Replacer.from_entries([Entry("NAME", "Tessa")])
    async with open_house(replacer=replacer) as house, house.caller(modern=True, capabilities=ABLE) as caller:
        asked = {"method": "elicitation/create", "params": {"message": "Are you Tessa?"}}
        first = await ask(caller, asked)
        assert question(first)[1]["params"] == {"message": "Are you NAME?"}
        assert said(await ask(caller, asked, **answered(first, ACCEPT))) == [ACCEPT]
        heard = await house.upstreams.request("fixture", "tools/call", b'{"name":"heard","arguments":{}}')
        assert b"Tessa" in heard
        assert not any(b"Tessa" in file.read_bytes() for file in house.folder.rglob("*") if file.is_file())


async def test_answers_whose_keys_become_one_are_refused_and_asked_for_again() -> None:
    replacer = Replacer.from_entries([Entry("name", "Tessa", case_sensitive=False)])
    async with open_house(replacer=replacer) as house, house.caller(modern=True, capabilities=ABLE) as caller:
        first = await ask(caller, ELICIT)
        two_faced = {"action": "accept", "content": {"NAME": 1, "name": 2}}
        params = {"name": "fixture/ask", "arguments": {}, **answered(first, two_faced)}
        status, error = await caller.error("tools/call", params)
        assert (status, error["code"]) == (400, -32602)
        assert said(await ask(caller, ELICIT, **answered(first, {"action": "decline"}))) == [{"action": "decline"}]
