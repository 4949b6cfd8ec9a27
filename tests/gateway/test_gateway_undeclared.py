"""Questions of upstreams for which a client has not declared itself: it is told so, and the questions go no further."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from portero.domain.call import Call
from portero.domain.replacement import Entry, Replacer
from portero.domain.values import Action, Status
from portero.gateway import texts
from portero.gateway.calls import following
from portero.settings import UpstreamConfig
from tests.gateway.house import ADMIN, TASKS, House, document, fixture, open_house, wait_until
from tests.gateway.streaming import begin, listening

pytestmark = pytest.mark.asyncio(loop_scope="session")

FORM = {"method": "elicitation/create", "params": {"message": "Who is Tessa?", "mode": "form"}}
PLAIN = {"method": "elicitation/create", "params": {"message": "Who is Tessa?"}}
URL = {"method": "elicitation/create", "params": {"mode": "url", "url": "https://x.test/", "message": "Go there."}}
SAMPLE = {"method": "sampling/createMessage", "params": {"messages": [], "maxTokens": 5}}
TOOLS = {"method": "sampling/createMessage", "params": {"messages": [], "maxTokens": 5, "tools": [{"name": "x"}]}}
ROOTS = {"method": "roots/list"}
OWN = {"method": "their/own of Tessa", "params": {}}
MODE = {"method": "elicitation/create", "params": {"mode": "telepathy", "message": "?"}}
NO_PARAMS = {"method": "elicitation/create", "params": None}

NEED_FORM = {"elicitation": {"form": {}}}
NEED_URL = {"elicitation": {"url": {}}}
NEED_SAMPLE = {"sampling": {}}
NEED_TOOLS = {"sampling": {"tools": {}}}
NEED_ROOTS: dict[str, Any] = {"roots": {}}
ALL = {"elicitation": {"form": {}, "url": {}}, "sampling": {"tools": {}}, "roots": {}}


def asking(*questions: dict[str, Any], **more: Any) -> dict[str, Any]:
    """A result that asks all of these."""
    numbered = {f"q{number}": question for number, question in enumerate(questions)}
    return {"resultType": "input_required", "inputRequests": numbered, "requestState": "theirs", **more}


def behind(effects: Path) -> list[UpstreamConfig]:
    return [
        fixture(effects, name="modern", modern=True),
        fixture(effects, name="patient", modern=True, task_after_seconds=0.1),
    ]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def modern() -> AsyncIterator[House]:
    replacer = Replacer.from_entries([Entry("NAME", "Tessa")])
    async with open_house(upstreams=behind, policies={}, replacer=replacer) as house:
        yield house


def last_call(house: House, name: str) -> Call:
    calls = [found for found in house.view.calls._all() if found.client == name]
    return max(calls, key=lambda found: found.requested_seq)


CASES: list[tuple[dict[str, Any], dict[str, Any], str, dict[str, Any] | None]] = [
    ({}, FORM, "elicitation/create with a form", NEED_FORM),
    ({}, PLAIN, "elicitation/create with a form", NEED_FORM),
    (NEED_URL, FORM, "elicitation/create with a form", NEED_FORM),
    (NEED_FORM, URL, "elicitation/create with a URL", NEED_URL),
    ({"elicitation": {}}, URL, "elicitation/create with a URL", NEED_URL),
    ({**NEED_FORM, **NEED_ROOTS}, SAMPLE, "sampling/createMessage", NEED_SAMPLE),
    (NEED_SAMPLE, TOOLS, "sampling/createMessage with tools", NEED_TOOLS),
    ({**NEED_FORM, **NEED_TOOLS}, ROOTS, "roots/list", NEED_ROOTS),
    (ALL, OWN, "their/own of NAME", None),
    (ALL, MODE, "elicitation/create", None),
    (ALL, NO_PARAMS, "elicitation/create", None),
]


@pytest.mark.parametrize("case", CASES)
async def test_it_is_told_what_was_asked_and_the_call_ends_with_that(
    modern: House, name: str, case: tuple[dict[str, Any], dict[str, Any], str, dict[str, Any] | None]
) -> None:
    declared, question, what, needed = case
    params = {"name": "modern/raw", "arguments": {"result": asking(question)}}
    async with modern.caller(name, modern=True, capabilities=declared) as caller:
        status, error = await caller.error("tools/call", params)
    assert error["message"].startswith(f"modern asks the client something that it cannot be asked: {what}. ")
    assert (status, error["code"]) == ((400, -32021) if needed else (200, -32603))
    assert error.get("data") == ({"requiredCapabilities": needed} if needed else None)
    call = last_call(modern, name)
    assert (call.status, call.asks, call.result_blob) == (Status.ERROR, False, None)
    assert json.loads(call.error or "") == error


async def test_one_question_too_many_is_as_if_all_were(modern: House, name: str) -> None:
    params = {"name": "modern/raw", "arguments": {"result": asking(FORM, URL, ROOTS, FORM)}}
    async with modern.caller(name, modern=True, capabilities=NEED_FORM) as caller:
        _, error = await caller.error("tools/call", params)
    assert "elicitation/create with a URL, roots/list." in error["message"]
    assert error["data"] == {"requiredCapabilities": {**NEED_URL, **NEED_ROOTS}}


@pytest.mark.parametrize("question", [FORM, PLAIN, URL, SAMPLE, TOOLS, ROOTS])
async def test_what_it_has_declared_it_is_asked(modern: House, name: str, question: dict[str, Any]) -> None:
    params = {"name": "modern/raw", "arguments": {"result": asking(question)}}
    async with modern.caller(name, modern=True, capabilities=ALL) as caller:
        result = await caller.rpc("tools/call", params)
    assert result["resultType"] == "input_required"
    assert list(result["inputRequests"]) == ["q0"]
    assert last_call(modern, name).asks


@pytest.mark.parametrize(
    "odd", [{"inputRequests": [FORM]}, {"inputRequests": {"q": "who?"}}, {"inputRequests": {"q": {"params": {}}}}]
)
async def test_questions_that_cannot_be_read_are_asked_of_nobody(modern: House, name: str, odd: dict[str, Any]) -> None:
    params = {"name": "modern/raw", "arguments": {"result": asking(**odd)}}
    async with modern.caller(name, modern=True, capabilities=ALL) as caller:
        status, error = await caller.error("tools/call", params)
    assert (status, error["code"]) == (200, -32603)
    assert "questions cannot be read" in error["message"]
    assert last_call(modern, name).status is Status.ERROR


@pytest.mark.parametrize("nothing", [{}, {"inputRequests": None}, {"inputRequests": {}}])
async def test_who_only_wants_to_be_asked_again_asks_nothing(modern: House, name: str, nothing: dict[str, Any]) -> None:
    result = {"resultType": "input_required", "requestState": "theirs", **nothing}
    async with modern.caller(name, modern=True) as caller:
        again = await caller.rpc("tools/call", {"name": "modern/raw", "arguments": {"result": result}})
    assert again["resultType"] == "input_required"
    assert again["requestState"].startswith("c:")


async def test_an_older_client_is_told_too(modern: House, name: str) -> None:
    params = {"name": "modern/raw", "arguments": {"result": asking(URL)}}
    async with modern.caller(name) as caller:
        await begin(caller, elicitation={})
        status, error = await caller.error("tools/call", params)
        assert (status, error["code"], error["data"]) == (200, -32021, {"requiredCapabilities": NEED_URL})
        assert last_call(modern, name).status is Status.ERROR
        message = caller.message("tools/call", {"name": "modern/raw", "arguments": {"result": asking(FORM)}})
        response = await caller.http.post("/mcp", json=message, headers={"accept": "application/json"})
    assert response.json()["error"]["code"] == -32021
    assert last_call(modern, name).status is Status.ERROR


# --- tasks ------------------------------------------------------------------------------------------------------------


async def test_an_approved_call_fails_with_what_it_asks(modern: House, name: str) -> None:
    rule = await modern.decisions.set_rule("modern/raw", Action.ASK, ADMIN)
    await modern.core.catch_up()
    try:
        async with modern.caller(name, modern=True, capabilities={**TASKS, **NEED_FORM}) as caller:
            task = (await caller.tool("modern/raw", result=asking(URL)))["taskId"]
            await modern.approve(task)
            found = await caller.ended(task)
        assert (found["status"], found["error"]["code"]) == ("failed", -32021)
        assert "elicitation/create with a URL" in found["error"]["message"]
    finally:
        await modern.decisions.remove_rule(rule, ADMIN)
        await modern.core.catch_up()


async def test_who_fetches_a_result_must_have_declared_what_it_asks(modern: House, name: str) -> None:
    """Its call had, so it is asked when it comes with that again."""
    rule = await modern.decisions.set_rule("modern/raw", Action.ASK, ADMIN)
    await modern.core.catch_up()
    try:
        async with (
            modern.caller(name, modern=True, capabilities=NEED_FORM) as able,
            modern.caller(name, modern=True) as unable,
            modern.caller(name, modern=True, capabilities=TASKS) as tasks,
        ):
            task = document(await able.tool("modern/raw", result=asking(FORM)))["task_id"]
            await modern.approve(task)
            await wait_until(modern.sees(modern.call_id(task), lambda call: call.finished), "it has run")
            check = {"name": "portero/check_task", "arguments": {"task_id": task}}
            status, error = await unable.error("tools/call", check)
            assert (status, error["code"], error["data"]) == (400, -32021, {"requiredCapabilities": NEED_FORM})
            found = await tasks.rpc("tasks/get", {"taskId": task})
            assert (found["status"], found["result"]["resultType"]) == ("completed", "complete")
            assert "portero/check_task" in found["result"]["content"][0]["text"]
            assert list((await able.rpc("tools/call", check))["inputRequests"]) == ["q0"]
    finally:
        await modern.decisions.remove_rule(rule, ADMIN)
        await modern.core.catch_up()


async def test_a_call_that_became_a_task_asks_through_it(modern: House, name: str) -> None:
    arguments = {"file": str(modern.folder / name), "result": asking(FORM)}
    async with modern.caller(name, modern=True, capabilities={**TASKS, **NEED_FORM}) as caller:
        task = (await caller.tool("patient/quiet", **arguments))["taskId"]
        (modern.folder / name).touch()
        found = await caller.ended(task)
        assert found["status"] == "input_required"
        ((key, question),) = found["inputRequests"].items()
        assert question["params"]["message"] == "Who is NAME?"
        await caller.rpc("tasks/update", {"taskId": task, "inputResponses": {key: {"action": "decline"}}})
        found = await caller.ended(task, past=("working", "input_required"))
        assert found["result"]["content"][0]["text"].startswith("after")
    async with modern.caller(name, modern=True, capabilities=TASKS) as caller:
        (modern.folder / name).unlink()
        task = (await caller.tool("patient/quiet", **arguments))["taskId"]
        (modern.folder / name).touch()
        found = await caller.ended(task)
        assert (found["status"], found["error"]["code"]) == ("failed", -32021)


@pytest.mark.parametrize(
    "more",
    [{"inputRequests": {"q0": URL}}, {"status": "completed", "result": asking(URL)}],
    ids=["it asks", "its result asks"],
)
async def test_a_task_of_the_upstreams_own_asks_who_looks_at_it(modern: House, name: str, more: dict[str, Any]) -> None:
    async with (
        modern.caller(name, modern=True, capabilities={**TASKS, **NEED_FORM}) as unable,
        modern.caller(name, modern=True, capabilities={**TASKS, **NEED_URL}) as able,
    ):
        task = (await able.tool("modern/entrust", more=more))["taskId"]
        status, error = await unable.error("tasks/get", {"taskId": task})
        assert (status, error["code"], error["data"]) == (400, -32021, {"requiredCapabilities": NEED_URL})
        assert "elicitation/create with a URL" in error["message"]
        found = await able.rpc("tasks/get", {"taskId": task})
        assert URL["params"]["url"] in json.dumps(found)  # type: ignore[index] # it has params
        await unable.rpc("tasks/cancel", {"taskId": task})


async def test_nor_is_it_told_on_a_stream_of_notices(modern: House, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(following, "SOONEST_SECONDS", 0.02)
    async with (
        modern.caller(name, modern=True, capabilities={**TASKS, **NEED_FORM}) as unable,
        modern.caller(name, modern=True, capabilities={**TASKS, **NEED_URL}) as able,
    ):
        task = (await able.tool("modern/entrust", more={"inputRequests": {"q0": URL}}))["taskId"]
        async with listening(unable, {"taskIds": [task]}) as silent, listening(able, {"taskIds": [task]}) as stream:
            assert (await silent.next())["params"]["notifications"] == {"taskIds": [task]}
            assert (await stream.next())["params"]["notifications"] == {"taskIds": [task]}
            assert list((await stream.next())["params"]["inputRequests"]) == ["q0"]
            assert await silent.is_silent(0.3)


async def test_one_that_asks_as_it_is_made_is_not_passed_on(modern: House, name: str) -> None:
    made = {"resultType": "task", "taskId": "t", "status": "input_required", "inputRequests": {"q0": URL}}
    async with modern.caller(name, modern=True, capabilities={**TASKS, **NEED_FORM}) as caller:
        status, error = await caller.error("tools/call", {"name": "modern/raw", "arguments": {"result": made}})
    assert (status, error["code"]) == (400, -32021)
    assert last_call(modern, name).status is Status.ERROR


@pytest.mark.parametrize("modern", [True, False])
async def test_who_knows_no_tasks_is_told_that_there_is_one(name: str, *, modern: bool) -> None:
    """Also when it fetches the result of a call that was approved."""
    made = {"resultType": "task", "taskId": "task-9", "status": "working"}
    policies = {"asked/*": Action.ASK}
    async with (
        open_house(
            policies=policies,
            upstreams=lambda effects: [fixture(effects, name=server, modern=True) for server in ("fixture", "asked")],
        ) as house,
        house.caller(name, modern=modern) as caller,
    ):
        told = [await caller.tool("fixture/raw", result=made)]
        task = json.loads((await caller.tool("asked/raw", result=made))["content"][0]["text"])["task_id"]
        await house.approve(task)
        told.append(await caller.tool("portero/check_task", task_id=task, wait_seconds=10))
        for result in told:
            assert (result["isError"], result["content"][0]["text"]) == (True, texts.UNFOLLOWED)
