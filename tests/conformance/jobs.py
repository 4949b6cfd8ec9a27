"""The tools that take their time: tasks, for clients that know them."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

from asking import Call, elicit
from questions import NAME
from register import TEXT, text, tool
from tasks import TASKS_EXTENSION, Task, declares_tasks


@tool("greet", name=TEXT)
async def greet(call: Call) -> dict[str, Any]:
    return text(f"Hello, {call.arguments['name']}!")


async def as_task(call: Call, work: Callable[[Task], Awaitable[dict[str, Any]]]) -> dict[str, Any]:
    if call.modern and declares_tasks(call.capabilities):
        answer: dict[str, Any] = call.tasks.start(work)
        return answer
    return await work(Task())


@tool("slow_compute", {"type": "object", "properties": {"seconds": {"type": "number"}, "label": TEXT}})
async def slow_compute(call: Call) -> dict[str, Any]:
    async def work(_: Task) -> dict[str, Any]:
        await asyncio.sleep(call.arguments.get("seconds", 0))
        return text(f"computed {call.arguments.get('label', '')}")

    return await as_task(call, work)


@tool("failing_job")
async def failing_job(call: Call) -> dict[str, Any]:
    call.need(extensions={TASKS_EXTENSION: {}})

    async def work(_: Task) -> dict[str, Any]:
        await asyncio.sleep(0.3)
        return {**text("the job failed"), "isError": True}

    return await as_task(call, work)


@tool("protocol_error_job")
async def protocol_error_job(call: Call) -> dict[str, Any]:
    async def work(_: Task) -> dict[str, Any]:
        await asyncio.sleep(0.1)
        raise RuntimeError("the job broke")

    return await as_task(call, work)


@tool("confirm_delete", filename=TEXT)
async def confirm_delete(call: Call) -> dict[str, Any]:
    async def work(task: Task) -> dict[str, Any]:
        answers = await task.ask({"confirm": elicit("Delete it?", confirm={"type": "boolean"})})
        return text(f"{call.arguments['filename']}: {answers['confirm'].get('action')}")

    return await as_task(call, work)


@tool("multi_input")
async def multi_input(call: Call) -> dict[str, Any]:
    async def work(task: Task) -> dict[str, Any]:
        return text(json.dumps(await task.ask({"first": NAME, "second": elicit("Sure?", confirm={"type": "boolean"})})))

    return await as_task(call, work)


@tool("test_tool_with_task")
async def with_task(call: Call) -> dict[str, Any]:
    answer = (await call.ask({"user_name": NAME}))["user_name"]

    async def work(_: Task) -> dict[str, Any]:
        return text(f"Hello, {answer['content']['name']}!")

    return await as_task(call, work)
