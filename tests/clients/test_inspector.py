"""The MCP Inspector's command lines drive Portero in both eras, through an approval to its result."""

import json
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.clients.inspector import Connection, Inspector
from tests.clients.tap import Tap
from tests.clients.world import FAKE_MAIL, FAKE_NAME, NAME, World, task_of, text_of
from tests.system.place import wait_until

ERAS = pytest.mark.parametrize("era", ["legacy", "modern"])


@pytest.fixture
def home() -> Iterator[Path]:
    """A socket's path must be shorter than 108 bytes, and pytest's own folders are not."""
    with tempfile.TemporaryDirectory(prefix="pi-", dir="/tmp") as folder:
        yield Path(folder)


@pytest.mark.parametrize("era", ["legacy", "auto", "modern"])
def test_it_lists_and_calls(world: World, tap: Tap, home: Path, era: str) -> None:
    inspector = Inspector(tap.url, era, home)
    listed = inspector.run("tools/list", "--strict")
    tools = {tool["name"]: tool for tool in listed.value["result"]["tools"]}
    assert {"portero/check_task", "old/echo", "new/card", "new/sign"} <= set(tools)
    assert not {"old/shred", "new/shred"} & set(tools)
    assert tools["old/echo"]["description"] == f"Give back the text, for {FAKE_NAME}"

    said = inspector.call("old/echo", {"text": f"to {FAKE_NAME}, {era}"})
    assert (said.code, text_of(said.value["result"])) == (0, f"to {FAKE_NAME}, {era}")
    assert f"echo to {NAME}, {era}" in world.effects()


@ERAS
def test_it_is_told_of_a_denial(world: World, tap: Tap, home: Path, era: str) -> None:
    said = Inspector(tap.url, era, home).call("portero/call", {"tool": "old/shred", "args": {}})
    assert said.code == 5
    assert said.value["result"]["isError"] is True
    assert "the policy for */shred denies it" in text_of(said.value["result"])
    assert "shred" not in world.effects()


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor() as pool:
        yield pool


def test_calls_wait_for_their_approval_as_tasks(world: World, tap: Tap, home: Path, pool: ThreadPoolExecutor) -> None:
    """The Inspector declares tasks, and follows them by itself until a person has decided or it is told to cancel."""
    before, done = world.pending(), len(world.effects())
    inspector = Inspector(tap.url, "modern", home)
    texts = (f"yes, {FAKE_NAME}", "no", "never mind")
    calls = {text: pool.submit(inspector.call, "new/sign", {"text": text}) for text in texts}
    tasks: dict[str, str] = {}

    def all_wait() -> bool:
        for row in world.place.json("pending")[0]["tasks"]:
            if row["task_id"] not in before:
                tasks[json.loads(row["argumentsText"])["text"]] = row["task_id"]
        return tasks.keys() == calls.keys()

    wait_until(all_wait, "all calls wait for a person")
    world.decide("approve", tasks[f"yes, {FAKE_NAME}"])
    world.decide("reject", tasks["no"], "--reason", "not on a Friday")
    with Connection(tap.url, "modern", home) as portero:
        seen = portero.do("tasks/get", tasks["never mind"]).value["task"]
        assert seen["status"] == "working"
        assert "Waiting for a person's approval" in seen["statusMessage"]
        assert portero.do("tasks/cancel", tasks["never mind"]).code == 0

    yes, no, never = (call.result() for call in calls.values())
    assert yes.code == 0
    assert yes.value["result"]["structuredContent"] == {"signed": f"yes, {FAKE_NAME}", "by": FAKE_NAME}
    assert no.code == 5
    assert "not on a Friday" in text_of(no.value["result"])
    assert never.code != 0
    assert "cancelled" in json.dumps(never.value)
    assert world.effects()[done:] == [f"sign yes, {NAME}"]


def test_an_approval_without_tasks_goes_by_check_task(world: World, tap: Tap, home: Path) -> None:
    inspector = Inspector(tap.url, "legacy", home)
    said = inspector.call("old/sign", {"text": "as it was"})
    assert said.code == 0
    task = task_of(said.value["result"])
    assert "sign as it was" not in world.effects()
    world.decide("approve", task)
    said = inspector.call("portero/check_task", {"task_id": task, "wait_seconds": 20})
    assert (said.code, json.loads(text_of(said.value["result"]))) == (0, {"signed": "as it was", "by": FAKE_NAME})
    assert world.effects().count("sign as it was") == 1


@ERAS
def test_it_reads_gets_and_answers_on_one_connection(tap: Tap, home: Path, era: str) -> None:
    with Connection(tap.url, era, home) as portero:
        (read,) = portero.do("resources/read", f"desk://mail/{FAKE_MAIL}").value["contents"]
        assert read["text"] == f"notes of {FAKE_NAME} <{FAKE_MAIL}>"
        got = portero.do("prompts/get", "old/letter", "--prompt-args", f"to={FAKE_NAME}").value
        assert got["messages"][0]["content"]["text"] == f"{FAKE_NAME} writes to {FAKE_NAME}"
        for upstream in ("old", "new"):
            asked = portero.do("tools/call", f"{upstream}/fill").value["elicitationPending"]
            assert asked["message"] == f"Who is {FAKE_NAME}?"
            done = portero.run("elicitation/respond", asked["elicitationId"], f"who:={FAKE_NAME} himself")
            answer = json.loads(text_of(done.value))["answer"]
            assert answer == {"action": "accept", "content": {"who": f"{FAKE_NAME} himself"}}
