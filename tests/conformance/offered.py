"""What the upstream offers beside tools, and how its lists change."""

import json
from collections.abc import Awaitable, Callable
from typing import Any

from asking import Call, elicit
from mcp.server.subscriptions import InMemorySubscriptionBus, PromptsListChanged, ToolsListChanged
from mcp.shared.exceptions import MCPError

PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8DwHwAFBQIAX8jx0gAAAABJRU5ErkJggg=="
IMAGE = {"type": "image", "data": PIXEL, "mimeType": "image/png"}
AUDIO = {
    "type": "audio",
    "data": "UklGRiYAAABXQVZFZm10IBAAAAABAAEAQB8AAAB9AAACABAAZGF0YQIAAAA=",
    "mimeType": "audio/wav",
}
RESOURCE_NOT_FOUND = -32602

RESOURCES: list[dict[str, Any]] = [
    {"uri": "test://static-text", "name": "Static text", "description": "A text", "mimeType": "text/plain"},
    {"uri": "test://static-binary", "name": "Static binary", "description": "A pixel", "mimeType": "image/png"},
    {"uri": "test://watched-resource", "name": "Watched", "description": "It changes", "mimeType": "text/plain"},
]
TEMPLATES: list[dict[str, Any]] = [
    {
        "uriTemplate": "test://template/{id}/data",
        "name": "Template",
        "description": "One per id",
        "mimeType": "application/json",
    }
]


def read(uri: str) -> dict[str, Any]:
    if uri == "test://static-binary":
        return {"contents": [{"uri": uri, "mimeType": "image/png", "blob": PIXEL}]}
    if uri in ("test://static-text", "test://watched-resource"):
        text = "This is the content of the static text resource."
        return {"contents": [{"uri": uri, "mimeType": "text/plain", "text": text}]}
    if uri.startswith("test://template/") and uri.endswith("/data"):
        identity = uri.removeprefix("test://template/").removesuffix("/data")
        data = {"id": identity, "templateTest": True, "data": f"Data for ID: {identity}"}
        return {"contents": [{"uri": uri, "mimeType": "application/json", "text": json.dumps(data)}]}
    raise MCPError(RESOURCE_NOT_FOUND, "Resource not found", {"uri": uri})


# --- prompts --------------------------------------------------------------------------------------------------------


def _prompt(name: str, *arguments: str) -> dict[str, Any]:
    needed = [{"name": argument, "description": argument, "required": True} for argument in arguments]
    return {"name": name, "description": name.replace("_", " "), "arguments": needed}


PROMPTS = [
    _prompt("test_simple_prompt"),
    _prompt("test_prompt_with_arguments", "arg1", "arg2"),
    _prompt("test_prompt_with_embedded_resource", "resourceUri"),
    _prompt("test_prompt_with_image"),
    _prompt("test_input_required_result_prompt"),
]


def _said(*contents: Any) -> dict[str, Any]:
    return {
        "messages": [
            {"role": "user", "content": {"type": "text", "text": one} if isinstance(one, str) else one}
            for one in contents
        ]
    }


async def prompt(name: str, call: Call) -> dict[str, Any]:
    given = call.arguments
    if name == "test_prompt_with_arguments":
        return _said(f"Prompt with arguments: arg1='{given['arg1']}', arg2='{given['arg2']}'")
    if name == "test_prompt_with_embedded_resource":
        text = "Embedded resource content for testing."
        embedded = {"uri": given["resourceUri"], "mimeType": "text/plain", "text": text}
        return _said({"type": "resource", "resource": embedded}, "Please process the embedded resource above.")
    if name == "test_prompt_with_image":
        return _said(IMAGE, "Please analyze the image above.")
    if name == "test_input_required_result_prompt":
        asked = elicit("What context should the prompt use?", context={"type": "string"})
        answer = (await call.ask({"user_context": asked}))["user_context"]
        return _said(json.dumps(answer))
    return _said("This is a simple prompt for testing.")


# --- changes --------------------------------------------------------------------------------------------------------


async def _tools_change(session: Any, bus: InMemorySubscriptionBus) -> None:
    await bus.publish(ToolsListChanged())
    await session.send_tool_list_changed()


async def _prompts_change(session: Any, bus: InMemorySubscriptionBus) -> None:
    await bus.publish(PromptsListChanged())
    await session.send_prompt_list_changed()


CHANGING: dict[str, Callable[[Any, InMemorySubscriptionBus], Awaitable[None]]] = {
    "test_trigger_tool_change": _tools_change,
    "test_trigger_prompt_change": _prompts_change,
}
