"""The Tasks extension of the upstream, which the SDK does not have: served by a middleware, kept in memory."""

import asyncio
import secrets
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

from mcp.shared.exceptions import MCPError

TASKS_EXTENSION = "io.modelcontextprotocol/tasks"
CAPABILITIES = "io.modelcontextprotocol/clientCapabilities"
MISSING_CAPABILITY, INVALID_PARAMS, INTERNAL_ERROR = -32021, -32602, -32603
TERMINAL = ("completed", "failed", "cancelled")


def now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def declares_tasks(capabilities: dict[str, Any]) -> bool:
    return TASKS_EXTENSION in (capabilities.get("extensions") or {})


class Task:
    def __init__(self) -> None:
        self.id = secrets.token_urlsafe(16)
        self.status, self.created, self.updated = "working", now(), now()
        self.outcome: dict[str, Any] = {}
        self.waiting: dict[str, tuple[dict[str, Any], asyncio.Future[Any]]] = {}
        self.running: asyncio.Task[None] | None = None

    async def ask(self, requests: dict[str, Any]) -> dict[str, Any]:
        loop = asyncio.get_running_loop()
        futures = {key: loop.create_future() for key in requests}
        self.waiting |= {key: (request, futures[key]) for key, request in requests.items()}
        self.move("input_required")
        answers = dict(zip(futures, await asyncio.gather(*futures.values()), strict=True))
        self.move("working")
        return answers

    def move(self, status: str, **outcome: Any) -> None:
        if self.status not in TERMINAL:
            self.status, self.outcome, self.updated = status, outcome, now()

    def base(self) -> dict[str, Any]:
        return {
            "taskId": self.id,
            "status": self.status,
            "createdAt": self.created,
            "lastUpdatedAt": self.updated,
            "ttlMs": 600_000,
            "pollIntervalMs": 100,
        }

    def detailed(self) -> dict[str, Any]:
        asked = {key: request for key, (request, _) in self.waiting.items()}
        return {**self.base(), **self.outcome, **({"inputRequests": asked} if asked else {})}


class Tasks:
    def __init__(self) -> None:
        self._tasks: dict[str, Task] = {}

    def start(self, work: Callable[[Task], Awaitable[dict[str, Any]]]) -> dict[str, Any]:
        """The answer that creates a task for ``work``, which runs from now on."""
        task = Task()
        self._tasks[task.id] = task
        task.running = asyncio.get_running_loop().create_task(self._run(task, work))
        return {"resultType": "task", **task.base()}

    async def _run(self, task: Task, work: Callable[[Task], Awaitable[dict[str, Any]]]) -> None:
        try:
            task.move("completed", result={"resultType": "complete", **await work(task)})
        except Exception as error:  # noqa: BLE001 - whatever happens is the task's outcome
            task.move("failed", error={"code": INTERNAL_ERROR, "message": str(error)})

    async def middleware(self, ctx: Any, call_next: Any) -> Any:
        handler = {"tasks/get": self._get, "tasks/update": self._update, "tasks/cancel": self._cancel}.get(ctx.method)
        if handler is None or ctx.request_id is None:
            return await call_next(ctx)
        params = ctx.params or {}
        if not declares_tasks((params.get("_meta") or {}).get(CAPABILITIES) or {}):
            wanted = {"requiredCapabilities": {"extensions": {TASKS_EXTENSION: {}}}}
            raise MCPError(MISSING_CAPABILITY, "the tasks extension is not declared", wanted)
        task = self._tasks.get(params.get("taskId", ""))
        if task is None:
            raise MCPError(INVALID_PARAMS, "unknown task")
        return {"resultType": "complete", **handler(task, params)}

    def _get(self, task: Task, _: Any) -> dict[str, Any]:
        return task.detailed()

    def _update(self, task: Task, params: Any) -> dict[str, Any]:
        for key, answer in (params.get("inputResponses") or {}).items():
            if key in task.waiting:
                task.waiting.pop(key)[1].set_result(answer)
        return {}

    def _cancel(self, task: Task, _: Any) -> dict[str, Any]:
        if task.running is not None:
            task.running.cancel()
        task.move("cancelled")
        return {}
