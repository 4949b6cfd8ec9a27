"""An upstream that lists what it is told to, and serves any address at all: ``links_server.py NAME [ADDRESS …]``.

An address with ``{`` in it is listed as a template. What it serves says who served it. Of the older era, over stdio.
"""

import json
import sys
from typing import Any

NAME, *PLACES = sys.argv[1:]
ASKED: list[str] = []


def read(params: dict[str, Any]) -> dict[str, Any]:
    ASKED.append(params["uri"])
    return {"contents": [{"uri": params["uri"], "text": f"served by {NAME}"}]}


def subscribe(params: dict[str, Any]) -> dict[str, Any]:
    ASKED.append(params["uri"])
    return {}


def complete(params: dict[str, Any]) -> dict[str, Any]:
    ASKED.append(params["ref"]["uri"])
    return {"completion": {"values": [NAME]}}


ANSWERS = {
    "initialize": lambda _: {
        "protocolVersion": "2025-11-25",
        "capabilities": {"tools": {}, "resources": {"subscribe": True}, "completions": {}},
        "serverInfo": {"name": NAME, "version": "1"},
    },
    "ping": lambda _: {},
    "tools/list": lambda _: {"tools": [{"name": "asked", "inputSchema": {"type": "object"}}]},
    "tools/call": lambda _: {"content": [{"type": "text", "text": json.dumps(ASKED)}]},
    "prompts/list": lambda _: {"prompts": []},
    "resources/list": lambda _: {"resources": [{"uri": uri, "name": uri} for uri in PLACES if "{" not in uri]},
    "resources/templates/list": lambda _: {
        "resourceTemplates": [{"uriTemplate": uri, "name": uri} for uri in PLACES if "{" in uri]
    },
    "resources/read": read,
    "resources/subscribe": subscribe,
    "resources/unsubscribe": lambda _: {},
    "completion/complete": complete,
}

for line in sys.stdin:
    message = json.loads(line)
    if "id" in message:
        answer = ANSWERS.get(message["method"])
        said = {"result": answer(message.get("params") or {})} if answer else {"error": {"code": -32601, "message": ""}}
        sys.stdout.write(json.dumps({"jsonrpc": "2.0", "id": message["id"], **said}) + "\n")
        sys.stdout.flush()
