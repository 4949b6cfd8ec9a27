"""The official TypeScript clients, in both eras, against a real ``portero serve``: what they check, they check here."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.clients.tap import Tap
from tests.clients.typescript import ClientError, TypeScript
from tests.clients.world import FAKE_MAIL, FAKE_NAME, NAME, World, task_of, text_of
from tests.system.place import wait_until


@pytest.fixture(scope="module", params=["sdk", "legacy", "auto"])
def client(request: pytest.FixtureRequest, tap: Tap) -> Iterator[TypeScript]:
    with TypeScript(request.param, tap.url) as client:
        yield client


def test_it_connects_and_lists(client: TypeScript) -> None:
    assert client.connected["version"] == ("2026-07-28" if client.modern else "2025-11-25")
    assert "portero/check_task" in client.connected["instructions"]
    tools = {tool["name"]: tool for tool in client.do("tools")["tools"]}
    assert {"portero/call", "old/echo", "new/card", "new/region"} <= set(tools)
    assert not {"old/shred", "new/shred"} & set(tools)
    assert tools["new/echo"]["inputSchema"]["properties"]["text"]["default"] == FAKE_NAME
    assert list(tools["old/card"]["outputSchema"]["properties"]) == ["owner", "mail", FAKE_NAME]
    assert "outputSchema" not in tools["old/sign"], "its answer may be that it waits"


@pytest.mark.parametrize("upstream", ["old", "new"])
def test_it_calls_and_checks_what_was_promised(world: World, client: TypeScript, upstream: str) -> None:
    """The client compares structured content with the schema that it was shown: both are replaced alike."""
    client.do("tools")
    said = client.call(f"{upstream}/echo", text=f"{client.kind}: {FAKE_NAME}")
    assert text_of(said) == f"{client.kind}: {FAKE_NAME}"
    assert f"echo {client.kind}: {NAME}" in world.effects()
    card = client.call(f"{upstream}/card")
    assert card["structuredContent"] == {"owner": FAKE_NAME, "mail": FAKE_MAIL, FAKE_NAME: 1}
    assert json.loads(text_of(card)) == card["structuredContent"]
    with pytest.raises(ClientError, match="schema"):
        client.call(f"{upstream}/forged")


def test_it_takes_a_pending_answer_and_fetches_the_result(world: World, client: TypeScript) -> None:
    client.do("tools")
    task = task_of(client.call("old/sign", text=f"{client.kind} by {FAKE_NAME}"))
    waiting = client.begin_call("portero/check_task", task_id=task, wait_seconds=25)
    world.decide("approve", task)
    assert json.loads(text_of(client.end(waiting))) == {"signed": f"{client.kind} by {FAKE_NAME}", "by": FAKE_NAME}
    assert world.effects().count(f"sign {client.kind} by {NAME}") == 1


def test_it_understands_refusals_and_errors(world: World, client: TypeScript) -> None:
    denied = client.call("new/shred")
    assert denied["isError"] is True
    assert "shred" not in world.effects()
    with pytest.raises(ClientError) as unknown:
        client.call("nobody/knows")
    assert unknown.value.code == -32602
    with pytest.raises(ClientError, match=f"{FAKE_NAME} is not at the desk") as broken:
        client.call("old/broken")
    assert (broken.value.code, broken.value.data) == (-32000, {"who": FAKE_NAME, "mail": FAKE_MAIL})


@pytest.mark.parametrize("upstream", ["old", "new"])
def test_it_sees_progress(client: TypeScript, upstream: str, tmp_path: Path) -> None:
    working = client.begin_call(f"{upstream}/work", file=str(tmp_path / "go"))
    third = client.event(f"progress {working}", since=2)
    assert third == {"progress": 3, "total": 1000, "message": f"{FAKE_NAME}: 3"}
    (tmp_path / "go").touch()
    assert text_of(client.end(working)).endswith(f"steps for {FAKE_NAME}")


@pytest.mark.parametrize("upstream", ["old", "new"])
def test_it_cancels(world: World, client: TypeScript, upstream: str) -> None:
    before = world.effects()
    waiting = client.begin_call(f"{upstream}/wait")
    wait_until(lambda: world.effects()[len(before) :] == ["waiting"], "the call is under way")
    client.do("cancel", id=waiting)
    with pytest.raises(ClientError, match="not wanted any more"):
        client.end(waiting)
    wait_until(lambda: world.effects()[len(before) :] == ["waiting", "cancelled"], "the upstream is told")


def test_it_reads_resources_gets_prompts_and_completes(client: TypeScript) -> None:
    one = client.do("resources")["resources"][0]
    assert (one["uri"], one["name"]) == (f"desk://mail/{FAKE_MAIL}", FAKE_NAME)
    assert client.do("templates")["resourceTemplates"][0]["description"] == f"A drawer of {FAKE_NAME}"
    (read,) = client.do("read", uri=one["uri"])["contents"]
    assert (read["uri"], read["text"]) == (one["uri"], f"notes of {FAKE_NAME} <{FAKE_MAIL}>")
    prompts = {prompt["name"]: prompt for prompt in client.do("prompts")["prompts"]}
    assert prompts["new/letter"]["arguments"] == [{"name": "to", "description": FAKE_NAME}]
    got = client.do("prompt", name="old/letter", arguments={"to": FAKE_NAME})
    assert got["messages"][0]["content"]["text"] == f"{FAKE_NAME} writes to {FAKE_NAME}"
    ref = {"type": "ref/prompt", "name": "new/letter"}
    completed = client.do("complete", ref=ref, argument={"name": "to", "value": "J"})
    assert completed["completion"]["values"] == [FAKE_NAME, FAKE_MAIL]


@pytest.mark.parametrize(("tool", "asked"), [("fill", "elicitation"), ("think", "sampling")])
@pytest.mark.parametrize("upstream", ["old", "new"])
def test_it_is_asked_and_answers(world: World, client: TypeScript, upstream: str, tool: str, asked: str) -> None:
    before = len(client.events(asked))
    answer = json.loads(text_of(client.call(f"{upstream}/{tool}")))["answer"]
    told = world.effects()[-1]
    seen = client.event(asked, since=before)
    if tool == "fill":
        assert seen["message"] == f"Who is {FAKE_NAME}?"
        assert answer == {"action": "accept", "content": {"who": f"{FAKE_NAME} himself"}}
        assert f"{NAME} himself" in told
    else:
        assert seen["systemPrompt"] == f"You are {FAKE_NAME}."
        assert answer["content"]["text"] == f"thought: Think of {FAKE_NAME}"
        assert f"thought: Think of {NAME}" in told


@pytest.mark.parametrize("upstream", ["old", "new"])
def test_it_gets_the_log_messages_that_it_wants(client: TypeScript, upstream: str) -> None:
    before = len(client.events("message"))
    for level, wanted in (("error", 0), ("info", 1)):
        if client.modern:
            client.do("call", name=f"{upstream}/chat", _meta={"io.modelcontextprotocol/logLevel": level})
        else:
            client.do("level", level=level)
            client.call(f"{upstream}/chat")
        assert len(client.events("message")) == before + wanted
    said = client.event("message", since=before)
    assert (said["logger"], said["data"]) == (FAKE_NAME, {"said": f"{FAKE_NAME} says hello"})


def test_it_sends_the_headers_that_a_tool_asks_for(client: TypeScript, tap: Tap) -> None:
    client.do("tools")
    assert text_of(client.call("new/region", region="Süd")) == "Süd"
    if client.modern:
        assert any("mcp-param-region" in asked.headers for asked in tap.asked())


@pytest.mark.parametrize("upstream", ["old", "new"])
def test_it_hears_of_changes(client: TypeScript, upstream: str) -> None:
    before = len(client.events("changed tools"))
    grown = f"grown-{client.kind}"
    client.call(f"{upstream}/grow", name=grown)
    wait_until(
        lambda: any(f"{upstream}/{grown}" in names for names in client.events("changed tools")[before:]),
        "it is told, and has looked",
    )


# --- what only the newer era has ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def modern(tap: Tap) -> Iterator[TypeScript]:
    """It is told which version to speak, and asks nothing before."""
    with TypeScript("pinned", tap.url) as client:
        yield client


def test_its_calls_wait_as_tasks(world: World, modern: TypeScript) -> None:
    """The official client of the extension: a call becomes a task, is followed, and has the ordinary result."""
    now = modern.do("task", name="new/echo", arguments={"text": "at once"})
    assert now == {"kind": "immediate", "task": None}
    assert text_of(modern.do("settle", task=None)["result"]) == "at once"

    texts = {"yes": "approve", "no": "reject"}
    begun = {text: modern.do("task", name="new/sign", arguments={"text": f"task: {text}"}) for text in texts}
    never = modern.do("task", name="old/sign", arguments={"text": "task: never"})
    assert {task["kind"] for task in [*begun.values(), never]} == {"task"}
    settling = {text: modern.begin("settle", task=task["task"]) for text, task in begun.items()}
    for text, word in texts.items():
        world.decide(word, begun[text]["task"])
    modern.do("cancelTask", task=never["task"])
    assert modern.do("settle", task=never["task"])["status"] == "cancelled"
    yes, no = (modern.end(settling[text]) for text in texts)
    assert yes["status"] == no["status"] == "completed"
    assert yes["result"]["structuredContent"] == {"signed": "task: yes", "by": FAKE_NAME}
    assert no["result"]["isError"] is True
    assert "A person denied it" in text_of(no["result"])
    assert [effect for effect in world.effects() if effect.startswith("sign task")] == ["sign task: yes"]


def test_a_call_that_takes_long_becomes_a_task(modern: TypeScript, tmp_path: Path) -> None:
    """As the entry of its server says; a call through a client that knows no tasks just takes as long."""
    begun = modern.do("task", name="old/work", arguments={"file": str(tmp_path / "go")})
    assert begun["kind"] == "task"
    settling = modern.begin("settle", task=begun["task"])
    (tmp_path / "go").touch()
    done = modern.end(settling)
    assert done["status"] == "completed"
    assert text_of(done["result"]).endswith(f"steps for {FAKE_NAME}")
