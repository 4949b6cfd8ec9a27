"""The least of an MCP server over stdio: one JSON-RPC message a line, tools only, standard library only."""

import json
import sys
from collections.abc import Callable, Mapping
from typing import Any, BinaryIO, Final, NamedTuple

PROTOCOLS: Final = ("2025-11-25", "2025-06-18", "2025-03-26", "2024-11-05")
"""The revisions it speaks, newest first."""

_PARSE_ERROR, _METHOD_NOT_FOUND, _INVALID_PARAMS = -32700, -32601, -32602


class ToolError(Exception):
    """A tool could not do what it was asked; the text is for the model."""


class Tool(NamedTuple):
    """``arguments`` are texts: name -> (description, whether it must be given). ``run`` gets them by name."""

    name: str
    description: str
    arguments: Mapping[str, tuple[str, bool]]
    annotations: Mapping[str, bool]
    run: Callable[..., str]

    def listing(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "description": self.description,
            "inputSchema": {
                "type": "object",
                "properties": {
                    name: {"type": "string", "description": text} for name, (text, _) in self.arguments.items()
                },
                "required": [name for name, (_, must) in self.arguments.items() if must],
                "additionalProperties": False,
            },
            "annotations": dict(self.annotations),
        }

    def call(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """The result of tools/call. Wrong arguments and a world that refuses are tool errors, not protocol ones."""
        try:
            self._check(given)
            text, failed = self.run(**given), False
        except ToolError as error:
            text, failed = str(error), True
        except OSError as error:
            text, failed = f"{self.name} failed: {error.strerror or 'the system refused'}.", True
        return {"content": [{"type": "text", "text": text}], "isError": failed}

    def _check(self, given: Mapping[str, Any]) -> None:
        for name, value in given.items():
            if name not in self.arguments:
                raise ToolError(f"{self.name} has no argument {name!r}.")
            if not isinstance(value, str):
                raise ToolError(f"{name} must be a text.")
        for name, (_, must) in self.arguments.items():
            if must and name not in given:
                raise ToolError(f"{name} is missing.")


class _RpcError(Exception):
    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


def serve(name: str, version: str, tools: list[Tool], source: BinaryIO, sink: BinaryIO) -> None:
    """Answers every request on ``source`` until it ends."""
    by_name = {tool.name: tool for tool in tools}
    for line in source:
        if not line.strip():
            continue
        reply = _reply(line, name, version, by_name)
        if reply is not None:
            sink.write(json.dumps(reply, ensure_ascii=False).encode("utf-8", "backslashreplace") + b"\n")
            sink.flush()


def _reply(line: bytes, name: str, version: str, tools: Mapping[str, Tool]) -> dict[str, Any] | None:
    """None for what wants no answer: notifications, and answers to requests we never make."""
    try:
        message = json.loads(line)
    except (ValueError, RecursionError):
        return {"jsonrpc": "2.0", "id": None, "error": {"code": _PARSE_ERROR, "message": "this is not JSON"}}
    if not isinstance(message, dict) or "method" not in message:
        return None
    if message.get("id") is None:
        return None
    reply: dict[str, Any] = {"jsonrpc": "2.0", "id": message["id"]}
    try:
        reply["result"] = _result(message["method"], message.get("params") or {}, name, version, tools)
    except _RpcError as error:
        reply["error"] = {"code": error.code, "message": str(error)}
    return reply


def _result(method: Any, params: Any, name: str, version: str, tools: Mapping[str, Tool]) -> dict[str, Any]:
    if not isinstance(params, dict):
        raise _RpcError(_INVALID_PARAMS, "params must be an object")
    if method == "initialize":
        asked = params.get("protocolVersion")
        return {
            "protocolVersion": asked if asked in PROTOCOLS else PROTOCOLS[0],
            "capabilities": {"tools": {}},
            "serverInfo": {"name": name, "version": version},
        }
    if method == "ping":
        return {}
    if method == "tools/list":
        return {"tools": [tool.listing() for tool in tools.values()]}
    if method == "tools/call":
        tool = tools.get(str(params.get("name")))
        arguments = params.get("arguments") or {}
        if tool is None:
            raise _RpcError(_INVALID_PARAMS, f"there is no tool {params.get('name')!r}")
        if not isinstance(arguments, dict):
            raise _RpcError(_INVALID_PARAMS, "arguments must be an object")
        return tool.call(arguments)
    raise _RpcError(_METHOD_NOT_FOUND, f"there is no method {method!r}")


def run(name: str, version: str, tools: list[Tool]) -> None:
    serve(name, version, tools, sys.stdin.buffer, sys.stdout.buffer)
