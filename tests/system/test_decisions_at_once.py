"""Many at once: every request that needs approval is stored, and each is decided once, whoever decides."""

import asyncio
import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

from tests.system.place import Place, document, wait_until

HEAD_START = 10
"""Calls that one of the two gets first, so that some are approved whoever is faster afterwards."""
DECIDER = Path(__file__).parent / "decider.py"


def test_twenty_concurrent_calls_that_need_approval_are_twenty_tasks() -> None:
    with Place() as place:
        place.start()
        client = place.client()

        async def ask_all() -> list[str]:
            async with client:
                answers = await asyncio.gather(*(client.atool("fx/danger", id=str(number)) for number in range(20)))
            return [document(answer)["task_id"] for answer in answers]

        tasks = asyncio.run(ask_all())
        assert len(set(tasks)) == 20
        listed = document(client.tool("portero/list_tasks", status="pending-approval", limit=100))
        assert {task["task_id"] for task in listed["tasks"]} == set(tasks)
        assert place.done() == {}


def tell(decider: "subprocess.Popen[str]", task: str) -> None:
    assert decider.stdin is not None
    decider.stdin.write(task.split("-", maxsplit=1)[0] + "\n")
    decider.stdin.flush()


def test_approve_and_reject_fired_together_from_two_processes_decide_once_each() -> None:
    with Place() as place:
        place.start()
        client = place.client()
        tasks = [client.ask(str(number)) for number in range(100)]
        deciders = [
            subprocess.Popen(
                [sys.executable, str(DECIDER), verb],
                cwd=place.folder,
                env=place.env,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
            for verb in ("approve", "reject")
        ]
        for decider in deciders:
            assert decider.stdout is not None
            assert decider.stdout.readline() == "ready\n"
        approver, rejecter = deciders
        for task in tasks[:HEAD_START]:
            tell(approver, task)
        wait_until(lambda: sum(place.done().values()) == HEAD_START, "the head start of approvals runs")
        for task in tasks[:HEAD_START]:
            tell(rejecter, task)
        for number, task in enumerate(tasks[HEAD_START:]):  # both in the same moment, each first every other time
            for decider in deciders[:: 1 if number % 2 else -1]:
                tell(decider, task)
        answers = [json.loads(decider.communicate(timeout=60)[0].splitlines()[-1]) for decider in deciders]
        won = Counter(task for answer in answers for task, outcome in answer.items() if outcome == "decided")
        assert won == Counter({task.split("-")[0]: 1 for task in tasks})
        assert all(outcome in {"decided", "already"} for answer in answers for outcome in answer.values())
        approved = {task for task, outcome in answers[0].items() if outcome == "decided"}
        assert {task.split("-")[0] for task in tasks[:HEAD_START]} <= approved
        assert all(len(answer) == len(tasks) for answer in answers), "one of the two did not try them all"
        wait_until(lambda: sum(place.done().values()) >= len(approved), "the approved ones run")
        assert max(place.done().values()) == 1
        numbers = {task.split("-")[0]: str(number) for number, task in enumerate(tasks)}
        assert set(place.done()) == {numbers[task] for task in approved}
