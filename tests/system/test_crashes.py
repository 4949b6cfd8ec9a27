"""Processes killed at the worst moments: nothing acknowledged is lost, nothing runs twice, all recovers by itself."""

import asyncio
import os
import signal
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from tests.system.place import Client, Place, document, kill, wait_until


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110 - other processes set no event of ours
            await asyncio.sleep(0.005)


def status(place: Place, task: str) -> str:
    return str(place.client().task(task)["status"])


def test_killed_after_pending_the_task_waits_and_can_be_approved() -> None:
    with Place() as place:
        gateway = place.start()
        task = place.client().ask("a")
        kill(gateway)
        place.start()
        assert status(place, task) == "pending-approval"
        assert place.command("approve", task).returncode == 0
        wait_until(lambda: status(place, task) == "completed", "it runs")
        assert place.done() == {"a": 1}


def test_killed_after_approval_the_call_runs_once_at_the_next_start() -> None:
    with Place() as place:
        gateway = place.start()
        task = place.client().ask("a")
        kill(gateway)  # nobody serves, but the store does: the command line approves all the same
        assert place.command("approve", task).returncode == 0
        assert place.done() == {}
        place.start()
        wait_until(lambda: status(place, task) == "completed", "it runs")
        assert place.done() == {"a": 1}


def test_killed_in_mid_execution_the_outcome_is_unknown_and_nothing_is_repeated() -> None:
    with Place(PORTERO_LEASE_SECONDS="2") as place:
        gateway = place.start()
        task = place.client().ask("a", seconds=30)
        assert place.command("approve", task).returncode == 0
        wait_until(lambda: place.done() == {"a": 1}, "it is under way")
        kill(gateway)
        place.start()
        wait_until(lambda: status(place, task) == "outcome-unknown", "its lease ends")
        assert "not known" in document(place.client().check(task))["message"]
        assert place.done() == {"a": 1}


def test_killed_in_mid_execution_an_allowed_call_is_unknown_too() -> None:
    with Place(PORTERO_LEASE_SECONDS="2") as place:
        gateway = place.start()

        async def call_and_kill() -> None:
            async with place.client() as client:
                calling = asyncio.create_task(client.atool("fx/do", id="a", seconds=30))
                await until(lambda: place.done() == {"a": 1})
                kill(gateway)
                with pytest.raises(httpx.TransportError):
                    await calling

        asyncio.run(call_and_kill())
        place.start()
        wait_until(lambda: [e for e in place.json("logs") if e["type"] == "ExecutionOutcomeUnknown"], "it is unknown")
        assert place.done() == {"a": 1}


def test_the_store_killed_under_load_comes_back_with_all_that_was_acknowledged() -> None:
    with Place() as place:
        place.start()
        answered: list[str] = []
        refused: list[dict[str, Any]] = []

        async def caller(client: Client, number: int) -> None:
            for turn in range(60):
                identity = f"{number}.{turn}"
                answer = await client.atool("fx/do", id=identity)
                if "result" in answer:
                    answered.append(identity)
                else:
                    refused.append(answer["error"])

        async def load() -> None:
            async with place.client() as client:
                calls = [asyncio.create_task(caller(client, number)) for number in range(8)]
                await until(lambda: len(answered) >= 40)
                pid = place.store_pid()
                assert pid is not None
                os.kill(pid, signal.SIGKILL)
                await asyncio.gather(*calls)

        asyncio.run(load())
        done = place.done()
        assert max(done.values()) == 1
        assert set(answered) <= set(done)
        assert len(answered) > 200, (len(answered), refused[:3])
        assert all("log" in error["message"] for error in refused), refused[:3]
        wait_until(lambda: httpx.get(f"{place.url}/ready").status_code == 200, "it is ready again")
        rebuilt = place.command("replay")
        assert rebuilt.returncode == 0, rebuilt.stdout + rebuilt.stderr


def test_an_upstream_killed_under_load_comes_back_and_no_call_is_repeated() -> None:
    with Place() as place:
        place.start()
        outcomes: dict[str, dict[str, Any]] = {}

        async def caller(client: Client, number: int) -> None:
            for turn in range(40):
                identity = f"{number}.{turn}"
                outcomes[identity] = await client.atool("fx/do", id=identity, seconds=0.01)

        async def load() -> None:
            async with place.client() as client:
                calls = [asyncio.create_task(caller(client, number)) for number in range(6)]
                await until(lambda: len(outcomes) >= 60)
                pid = int(place.effects.read_text().splitlines()[-1].split()[2])
                os.kill(pid, signal.SIGKILL)
                await asyncio.gather(*calls)

        asyncio.run(load())
        done = place.done()
        assert max(done.values()) == 1
        fine = {identity for identity, answer in outcomes.items() if "result" in answer}
        assert fine <= set(done)
        lost = [answer["error"] for answer in outcomes.values() if "error" in answer]
        assert lost
        assert all(error["code"] in {4502, 4504} for error in lost), lost[:3]
        unsent = {identity for identity, answer in outcomes.items() if answer.get("error", {}).get("code") == 4502}
        assert not unsent & set(done)
        wait_until(lambda: "result" in place.client().tool("fx/do", id="after"), "the upstream is back")
