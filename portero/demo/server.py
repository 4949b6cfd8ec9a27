"""A small MCP server over stdio for the demo: an office with customers and an outbox.

It needs the standard library only and is run as a file. It knows real people. With ``OFFICE_JOURNAL`` set it writes
every call it gets there, a line of JSON each, so that the demo can show what really arrived behind the gateway.
"""

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

CUSTOMERS = {"Marta Ruiz": "marta.ruiz@harbour.example", "Li Wei": "li.wei@harbour.example"}

TEXT = {"type": "string"}
TOOLS = [
    {
        "name": "find_customer",
        "description": "Finds a customer by name.",
        "inputSchema": {"type": "object", "properties": {"name": TEXT}, "required": ["name"]},
        "annotations": {"readOnlyHint": True},
    },
    {
        "name": "send_mail",
        "description": "Sends a mail.",
        "inputSchema": {
            "type": "object",
            "properties": {"to": TEXT, "subject": TEXT, "body": TEXT},
            "required": ["to", "subject", "body"],
        },
        "annotations": {"readOnlyHint": False, "destructiveHint": False, "openWorldHint": True},
    },
    {
        "name": "delete_customer",
        "description": "Deletes a customer for good.",
        "inputSchema": {"type": "object", "properties": {"name": TEXT}, "required": ["name"]},
        "annotations": {"readOnlyHint": False, "destructiveHint": True},
    },
]


def find_customer(name: str) -> str:
    mail = CUSTOMERS.get(name)
    return f"{name} <{mail}>" if mail else f"No customer is called {name}."


def send_mail(to: str, subject: str, body: str) -> str:
    return f"Sent “{subject}” to {to} ({len(body)} characters)."


def delete_customer(name: str) -> str:
    return f"{name} is gone." if CUSTOMERS.pop(name, None) else f"No customer is called {name}."


ACTIONS: dict[str, Callable[..., str]] = {
    "find_customer": find_customer,
    "send_mail": send_mail,
    "delete_customer": delete_customer,
}


def call(name: str, arguments: dict[str, str]) -> dict[str, Any]:
    """The result of tools/call; wrong arguments are a tool error."""
    journal = os.environ.get("OFFICE_JOURNAL")
    if journal:
        with Path(journal).open("a", encoding="utf-8") as file:
            file.write(json.dumps({"tool": name, "arguments": arguments}) + "\n")
    try:
        text, failed = ACTIONS[name](**arguments), False
    except (KeyError, TypeError) as error:
        text, failed = f"cannot do that: {error}", True
    return {"content": [{"type": "text", "text": text}], "isError": failed}


def answer(method: str, params: dict[str, Any]) -> dict[str, Any] | None:
    """The result of a request, or None for a method this server does not have."""
    if method == "initialize":
        return {
            "protocolVersion": params.get("protocolVersion", "2025-11-25"),
            "capabilities": {"tools": {}},
            "serverInfo": {"name": "office", "version": "1"},
        }
    if method == "ping":
        return {}
    if method == "tools/list":
        return {"tools": TOOLS}
    if method == "tools/call":
        return call(params["name"], params.get("arguments") or {})
    return None


def main() -> None:
    """Answers one JSON-RPC message a line until stdin ends."""
    for line in sys.stdin.buffer:
        message = json.loads(line)
        if "id" not in message or "method" not in message:
            continue
        reply: dict[str, Any] = {"jsonrpc": "2.0", "id": message["id"]}
        result = answer(message["method"], message.get("params") or {})
        if result is None:
            reply["error"] = {"code": -32601, "message": f"no such method: {message['method']}"}
        else:
            reply["result"] = result
        sys.stdout.buffer.write(json.dumps(reply).encode() + b"\n")
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
