"""Portero's own tools: search, call, check_task, list_tasks."""

from collections.abc import Awaitable, Callable
from typing import Any, Final

import attrs
import msgspec
from msgspec import UNSET, Raw, UnsetType

from handlers.calls.outcomes import Done
from portero.domain.call import Call
from portero.domain.values import Kind, Status
from portero.errors import INVALID_PARAMS, RpcError
from portero.gateway import texts, wire
from portero.gateway.calls.calls import Calls
from portero.gateway.calls.tasks import MAX_WAIT_SECONDS, Tasks
from portero.gateway.exchange.request import Request
from portero.gateway.exchange.results import Results
from portero.gateway.offer.definitions import (
    CALL,
    CHECK_TASK,
    LIST_TASKS,
    MAX_TASKS,
    SEARCH_TOOLS,
    SHOWN_STATUSES,
)
from portero.gateway.services import Services
from portero.upstream import Tool

SERVER: Final = "portero"
MAX_FOUND: Final = 50
"""Tools in one search answer; more would fill the model's context."""


class _Search(msgspec.Struct):
    query: str | None = None
    category: str | None = None


class _Call(msgspec.Struct):
    tool: str
    args: Raw | UnsetType = UNSET


class _Check(msgspec.Struct):
    task_id: str
    wait_seconds: float | None = None


class _List(msgspec.Struct):
    status: str | None = None
    limit: int | None = None


class _Definition(msgspec.Struct):
    """What a search shows of a tool, as the upstream wrote it, but for real values."""

    title: str | None = None
    description: str | None = None
    inputSchema: Raw | UnsetType = UNSET  # noqa: N815 - the protocol's name
    annotations: Raw | UnsetType = UNSET


_definition = msgspec.json.Decoder(_Definition)


@attrs.frozen
class VirtualTool:
    name: str
    definition: dict[str, Any]
    run: Callable[[Request, bytes], Awaitable[bytes]]

    def listing(self, *, safe: bool) -> bytes:
        return wire.encode({"name": spelled(self.name, safe=safe), **self.definition})


def spelled(name: str, *, safe: bool) -> str:
    return f"{SERVER}__{name}" if safe else f"{SERVER}/{name}"


class VirtualTools:
    """The four tools that every client has, whatever its upstreams."""

    def __init__(self, services: Services, results: Results, calls: Calls, tasks: Tasks) -> None:
        self._services = services
        self._results = results
        self._calls = calls
        self._tasks = tasks
        self.all: Final = (
            VirtualTool("search_tools", SEARCH_TOOLS, self._search_tools),
            VirtualTool("call", CALL, self._call),
            VirtualTool("check_task", CHECK_TASK, self._check_task),
            VirtualTool("list_tasks", LIST_TASKS, self._list_tasks),
        )
        self._by_name = {spelled(tool.name, safe=safe): tool for tool in self.all for safe in (False, True)}

    def get(self, name: str) -> VirtualTool | None:
        """By either spelling."""
        return self._by_name.get(name)

    # --- search -----------------------------------------------------------------------------------------------------

    async def _search_tools(self, request: Request, arguments: bytes) -> bytes:
        asked = _decode(_SEARCH, arguments)
        found = self._services.upstreams.catalogue.search(asked.query, asked.category)
        answer: dict[str, Any] = {
            "count": min(len(found), MAX_FOUND),
            "tools": [self._found(request, tool) for tool in found[:MAX_FOUND]],
        }
        if len(found) > MAX_FOUND:
            answer["message"] = f"{len(found)} tools match; these fit best. Search with more words to see others."
        return self._results.document(answer, modern=request.modern)

    def _found(self, request: Request, tool: Tool) -> dict[str, Any]:
        services = self._services
        definition = _definition.decode(tool.definition)
        shown: dict[str, Any] = {
            "name": tool.spelled(services.spelling),
            "description": definition.description or "",
            "policy": services.verdict_for_lists(tool.canonical, request.client).action.value,
        }
        for member in ("title", "inputSchema", "annotations"):
            value = getattr(definition, member)
            if value is not None and value is not UNSET:
                shown[member] = value
        return shown

    # --- call -------------------------------------------------------------------------------------------------------

    async def _call(self, request: Request, arguments: bytes) -> bytes:
        asked = _decode(_CALL, arguments)
        tool = self._services.upstreams.catalogue.resolve(asked.tool)
        if tool is None:
            raise RpcError(INVALID_PARAMS, unknown_tool(asked.tool))
        inner = bytes(asked.args) if asked.args is not UNSET else b"{}"
        if inner == wire.NULL:
            inner = b"{}"
        if inner[:1] != b"{":
            raise RpcError(INVALID_PARAMS, "The argument 'args' must be an object.")
        return await self._calls.tool(request, tool, inner)

    # --- tasks ------------------------------------------------------------------------------------------------------

    async def _check_task(self, request: Request, arguments: bytes) -> bytes:
        asked = _decode(_CHECK, arguments)
        wait = asked.wait_seconds or 0.0
        if not 0 <= wait <= MAX_WAIT_SECONDS:
            raise RpcError(INVALID_PARAMS, f"wait_seconds must be between 0 and {MAX_WAIT_SECONDS:g}.")
        call = await self._tasks.find(request.client, asked.task_id)
        if call is None:
            text = "There is no such task. Use the task_id of the pending answer, or portero/list_tasks."
            return self._results.document(
                {"task_id": asked.task_id, "status": "unknown-task", "message": text},
                modern=request.modern,
                is_error=True,
            )
        if request.modern and "requestState" in request.params:
            return await self._go_on(request, call)
        return await self._shown(request, await self._tasks.wait(call, wait), asked.task_id)

    async def _go_on(self, request: Request, call: Call) -> bytes:
        """The call had ended with questions, and here are the answers."""
        tool = self._services.upstreams.catalogue.resolve(call.tool)
        if call.kind is not Kind.TOOL or tool is None:
            raise RpcError(INVALID_PARAMS, unknown_tool(call.tool))
        return await self._calls.tool(request, tool, await self._tasks.arguments(call))

    async def _shown(self, request: Request, call: Call, asked_as: str) -> bytes:
        result = await self._tasks.result(call)
        self._tasks.mark_read(call)
        if result is not None and call.kind is Kind.TOOL:
            done = Done(call.id, result)
            return await self._calls.finished(request, call.tool, await self._tasks.arguments(call), done)
        shown = self._tasks.view(call, asked_as)
        if result is not None:
            shown |= {"result": Raw(result), "message": texts.RAN}
        return self._results.document(shown, modern=request.modern)

    async def _list_tasks(self, request: Request, arguments: bytes) -> bytes:
        asked = _decode(_LIST, arguments)
        limit = 20 if asked.limit is None else asked.limit
        if not 1 <= limit <= MAX_TASKS:
            raise RpcError(INVALID_PARAMS, f"limit must be between 1 and {MAX_TASKS}.")
        status = None
        if asked.status is not None:
            if asked.status not in SHOWN_STATUSES:
                raise RpcError(INVALID_PARAMS, f"status must be one of {', '.join(SHOWN_STATUSES)}.")
            status = Status(asked.status)
        recent = self._services.core.view.calls.recent(request.client, status, limit)
        rows = [self._tasks.row(call) for call in recent]
        return self._results.document({"count": len(rows), "tasks": rows}, modern=request.modern)


def unknown_tool(name: str) -> str:
    return f"There is no tool {name[:200]!r}. Use portero/search_tools to find the tools there are."


_SEARCH: Final = msgspec.json.Decoder(_Search)
_CALL: Final = msgspec.json.Decoder(_Call)
_CHECK: Final = msgspec.json.Decoder(_Check)
_LIST: Final = msgspec.json.Decoder(_List)


def _decode(decoder: "msgspec.json.Decoder[Any]", arguments: bytes) -> Any:
    try:
        return decoder.decode(arguments)
    except (ValueError, RecursionError) as error:
        raise RpcError(INVALID_PARAMS, f"The arguments do not fit the tool: {error}.") from None
