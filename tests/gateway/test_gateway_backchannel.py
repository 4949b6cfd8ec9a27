"""What an upstream asks and says in the middle of a call reaches the client of that call, and nobody else.

The older era: a question comes on the stream of the client's request, its answer as a message to any replica.
"""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from portero.domain.replacement import Entry, Replacer
from portero.domain.values import Actor
from portero.errors import METHOD_NOT_FOUND
from tests.gateway.house import Caller, House, open_house, wait_until
from tests.gateway.streaming import LEGACY, Stream, begin

pytestmark = pytest.mark.asyncio(loop_scope="session")

Pair = tuple[House, House]
ELICIT = {"method": "elicitation/create", "params": {"message": "Who are you?", "requestedSchema": {"type": "object"}}}
SAMPLE = {"method": "sampling/createMessage", "params": {"messages": [], "maxTokens": 5}}
ACCEPT = {"action": "accept", "content": {"name": "NAME"}}


@asynccontextmanager
async def asking(caller: Caller, *questions: Any, tool: str = "fixture/ask") -> AsyncIterator[Stream]:
    """A call on a tool that asks; the stream of its answer."""
    message = caller.message("tools/call", {"name": tool, "arguments": {"questions": list(questions)}})
    async with caller.http.stream("POST", "/mcp", json=message, headers=LEGACY) as response:
        stream = Stream(response, message["id"])
        yield stream
        await stream.leave()


async def answer(caller: Caller, question: dict[str, Any], **members: Any) -> int:
    response = {"jsonrpc": "2.0", "id": question["id"], **members}
    return (await caller.http.post("/mcp", json=response, headers=LEGACY)).status_code


def said(message: dict[str, Any]) -> list[Any]:
    """What the upstream was answered."""
    found: list[Any] = json.loads(message["result"]["content"][0]["text"])
    return found


async def test_a_client_is_asked_and_answers_to_any_replica(pair: Pair, name: str) -> None:
    one, two = pair
    async with one.caller(name) as here, two.caller(name) as there:
        there.http.headers["mcp-session-id"] = await begin(here, elicitation={}, sampling={})
        async with asking(here, ELICIT, SAMPLE, ELICIT) as stream:
            question = await stream.next()
            assert (question["method"], question["params"]) == (ELICIT["method"], ELICIT["params"])
            assert await answer(there, question, result=ACCEPT) == 202
            assert await answer(here, await stream.next(), result={"role": "assistant"}) == 202
            assert await answer(there, await stream.next(), error={"code": -1, "message": "no", "data": [7]}) == 202
            last = await stream.next()
        assert said(last) == [ACCEPT, {"role": "assistant"}, {"code": -1, "message": "no", "data": [7]}]
    (call,) = [call for call in one.view.calls._ended.values() if call.client == name]
    assert call.dialogue is not None
    assert (call.dialogue.asked, call.questions) == (3, ())


async def test_an_answer_finds_its_question_on_a_replica_that_has_not_seen_it_yet(name: str) -> None:
    async with (
        open_house() as one,
        open_house(beside=one) as two,
        one.caller(name) as here,
        two.caller(name) as there,
    ):
        there.http.headers["mcp-session-id"] = await begin(here, elicitation={})
        async with asking(here, ELICIT) as stream:
            async with two.behind():
                question = await stream.next()
                answering = asyncio.create_task(answer(there, question, result=ACCEPT))
                await asyncio.wait([answering], timeout=0.2)
            assert await answering == 202
            assert said(await stream.next()) == [ACCEPT]


async def test_an_answer_counts_once_and_only_from_the_client_that_was_asked(house: House, name: str) -> None:
    async with house.caller(name) as caller, house.caller("client993") as stranger:
        await begin(caller, elicitation={})
        await begin(stranger, elicitation={})
        async with asking(caller, ELICIT, ELICIT) as stream:
            question = await stream.next()
            for who, members in (
                (stranger, {"result": {"action": "accept"}}),
                (caller, {"result": {"action": "decline"}}),
                (caller, {"result": {"action": "accept"}}),
            ):
                assert await answer(who, question, **members) == 202
            assert await answer(caller, await stream.next(), result={"action": "cancel"}) == 202
            assert said(await stream.next()) == [{"action": "decline"}, {"action": "cancel"}]


@pytest.mark.parametrize("result", [7, "yes", None, [ACCEPT]])
async def test_an_answer_that_is_none_is_refused_and_still_waited_for(house: House, name: str, result: Any) -> None:
    async with house.caller(name) as caller:
        await begin(caller, elicitation={})
        async with asking(caller, ELICIT) as stream:
            question = await stream.next()
            assert await answer(caller, question, result=result) == 400
            assert await answer(caller, question, result=ACCEPT) == 202
            assert said(await stream.next()) == [ACCEPT]


async def test_an_error_of_null_is_none(house: House, name: str) -> None:
    async with house.caller(name) as caller:
        await begin(caller, elicitation={})
        async with asking(caller, ELICIT) as stream:
            assert await answer(caller, await stream.next(), result=ACCEPT, error=None) == 202
            assert said(await stream.next()) == [ACCEPT]


@pytest.mark.parametrize(
    ("declared", "question"),
    [
        ({}, ELICIT),
        ({"sampling": {}}, ELICIT),
        ({"elicitation": {}}, SAMPLE),
        ({"elicitation": {}}, {"method": "elicitation/create", "params": {"mode": "url", "url": "https://x"}}),
        ({"elicitation": {}}, {"method": "elicitation/create", "params": {"mode": 7}}),
        ({"elicitation": {}, "sampling": {}}, {"method": "tools/list", "params": {}}),
        ({"sampling": {}}, {**SAMPLE, "params": {**SAMPLE["params"], "tools": []}}),
        ({"sampling": {}}, {**SAMPLE, "params": {**SAMPLE["params"], "toolChoice": {"mode": "auto"}}}),
    ],
)
async def test_nobody_is_asked_what_was_not_declared(house: House, name: str, declared: Any, question: Any) -> None:
    async with house.caller(name) as caller:
        await begin(caller, **declared)
        (refusal,) = json.loads((await caller.tool("fixture/ask", questions=[question]))["content"][0]["text"])
    assert refusal["code"] == METHOD_NOT_FOUND
    assert "cannot be asked" in refusal["message"]


async def test_who_reads_no_stream_is_not_asked(house: House, name: str) -> None:
    async with house.caller(name) as caller:
        await begin(caller, elicitation={})
        caller.http.headers["accept"] = "application/json"
        (refusal,) = json.loads((await caller.tool("fixture/ask", questions=[ELICIT]))["content"][0]["text"])
    assert "reads no event stream" in refusal["message"]


@pytest.mark.parametrize("modern", [False, True], ids=["a session", "none, and nothing declared"])
async def test_a_question_between_two_clients_goes_to_neither(house: House, name: str, modern: bool) -> None:
    async with house.caller(name) as caller, house.caller("client992", modern=modern) as other:
        await begin(caller, elicitation={})
        if not modern:
            await begin(other, elicitation={})
        before = house.gateway.in_flight()
        waiting = asyncio.create_task(other.tool("fixture/quiet", file=str(house.folder / name)))
        await wait_until(lambda: house.gateway.in_flight() == before + 1, "the other's call is under way")
        (refusal,) = json.loads((await caller.tool("fixture/ask", questions=[ELICIT]))["content"][0]["text"])
        assert await caller.told("fixture/log", level="alert") == []
        (house.folder / name).touch()
        await waiting
    assert "no one client" in refusal["message"]


async def test_a_client_that_does_not_answer_is_not_waited_for_for_ever() -> None:
    async with open_house(answer_seconds=0.3) as house, house.caller() as caller:
        await begin(caller, elicitation={})
        async with asking(caller, ELICIT) as stream:
            question = await stream.next()
            (refusal,) = said(await stream.next())
            assert "did not answer in time" in refusal["message"]
            assert await answer(caller, question, result=ACCEPT) == 202, "it comes too late, and nobody minds"


async def test_questions_end_with_their_call(house: House, name: str) -> None:
    async with house.caller(name) as caller:
        await begin(caller, elicitation={})
        async with asking(caller, ELICIT) as stream:
            question = await stream.next()
            call = house.call_id(question["id"].split(".")[1])
            await house.decisions.cancel(call, Actor("cli", "x"))
            assert "cancelled" in (await stream.next())["error"]["message"]
        assert await answer(caller, question, result=ACCEPT) == 202
        assert house.view.calls.get(call).questions == ()  # type: ignore[union-attr]


async def test_real_values_pass_questions_and_answers_behind_the_gate_only() -> None:
    replacer = Replacer.from_entries([Entry("NAME", "Tessa"), Entry("KEY", "hunter2", bidirectional=False)])
    async with open_house(replacer=replacer) as house, house.caller() as caller:
        await begin(caller, elicitation={})
        asked = {"message": "Tessa, your hunter2?", "requestedSchema": {"title": "Tessa"}}
        async with asking(caller, {"method": "elicitation/create", "params": asked}) as stream:
            question = await stream.next()
            assert question["params"] == {"message": "NAME, your ***REDACTED***?", "requestedSchema": {"title": "NAME"}}
            await answer(caller, question, result={"action": "accept", "content": {"who": "NAME and Tessa, KEY"}})
            (heard,) = said(await stream.next())
        assert heard["content"]["who"] == "NAME and NAME, ***REDACTED***", "the upstream's echo, seen from outside"
        effects = await house.upstreams.request("fixture", "tools/call", b'{"name":"heard","arguments":{}}')
        assert b"Tessa and Tessa, hunter2" in effects
        stored = [file.read_bytes() for file in house.folder.rglob("*") if file.is_file()]
        assert not any(b"Tessa" in data or b"hunter2" in data for data in stored)
