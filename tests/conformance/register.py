"""The register of the tools, and what they all use."""

from collections.abc import Awaitable, Callable
from typing import Any

from asking import Call

Tool = Callable[[Call], Awaitable[dict[str, Any]]]
TOOLS: dict[str, Tool] = {}
SCHEMAS: dict[str, dict[str, Any]] = {}
TEXT = {"type": "string"}


def tool(name: str, schema: dict[str, Any] | None = None, /, **properties: Any) -> Callable[[Tool], Tool]:
    def add(function: Tool) -> Tool:
        TOOLS[name] = function
        SCHEMAS[name] = schema or {"type": "object", "properties": properties, "required": list(properties)}
        return function

    return add


def definitions(changes: int) -> list[dict[str, Any]]:
    known = [
        {"name": name, "description": (TOOLS[name].__doc__ or name).strip(), "inputSchema": schema}
        for name, schema in SCHEMAS.items()
    ]
    new = [{"name": f"changed_{n}", "description": "new", "inputSchema": {"type": "object"}} for n in range(changes)]
    triggers = [
        {"name": f"test_trigger_{kind}_change", "description": kind, "inputSchema": {"type": "object"}}
        for kind in ("tool", "prompt")
    ]
    return [*known, *triggers, *new]


def text(content: str) -> dict[str, Any]:
    return {"content": [{"type": "text", "text": content}]}


def resource(uri: str, mime: str, content: str) -> dict[str, Any]:
    return {"type": "resource", "resource": {"uri": uri, "mimeType": mime, "text": content}}
