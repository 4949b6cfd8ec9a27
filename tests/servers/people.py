"""A server whose tools, prompts and resources bear the names of people, as some do. Over stdio.

``people.py HEARD``: a line in that file for each request, with the name that it was asked by.
"""

import json
import sys
from pathlib import Path
from typing import Any

NAME, MAIL, KEY = "Ana Ruiz", "ana.ruiz@harbour.test", "rk_live_77aa"
FAKES = {NAME: "Jane Doe", MAIL: "jane@example.com"}

SCHEMA = {
    "type": "object",
    "properties": {
        "to": {"type": "string", "enum": [MAIL, "nobody"], "default": MAIL, "description": f"{NAME} by default"},
        NAME: {"type": "string"},
    },
}
SEND = {
    "name": f"send_to_{MAIL}",
    "title": f"Send to {NAME}",
    "description": f"Writes to {NAME} <{MAIL}> with {KEY}.",
    "inputSchema": SCHEMA,
    "outputSchema": {"type": "object", "properties": {"sent": {"const": MAIL}}},
    "annotations": {"title": NAME, "readOnlyHint": False},
    "icons": [{"src": f"https://faces.test/{MAIL}.png"}],
    "_meta": {"owner": {NAME: MAIL}},
}
TOOLS = [
    SEND,
    *(
        {"name": name, "inputSchema": {"type": "object"}}
        for name in (
            f"ask {NAME}",
            "ask Jane Doe",
            f"with_{KEY}",
            "praise_Jane Doe",
            f"shout_{MAIL.upper()}",
            f"note_{NAME}",
        )
    ),
]
PROMPTS = [{"name": f"greet {NAME}", "title": NAME, "arguments": [{"name": MAIL}]}, {"name": "thank Jane Doe"}]
RESOURCES = [
    f"mail://{MAIL}/inbox",
    f"mail://{MAIL.upper()}/archive",
    f"people://{NAME}",
    "people://Jane Doe",
    f"keys://{KEY}",
    "news://Jane Doe",
]
TEMPLATES = [f"box://{MAIL}/{{folder}}", f"box://{MAIL.title()}/{{other}}", f"keys://{KEY}/{{part}}"]


def heard(method: str, name: str) -> None:
    with Path(sys.argv[1]).open("a") as file:
        file.write(f"{method} {name}\n")


def send(message: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps({"jsonrpc": "2.0", **message}) + "\n")
    sys.stdout.flush()


def text(said: str) -> dict[str, Any]:
    return {"content": [{"type": "text", "text": said}]}


def call(params: dict[str, Any]) -> dict[str, Any]:
    heard("tool", params["name"])
    if params["name"] not in [tool["name"] for tool in TOOLS]:
        return {**text(f"there is no {params['name']}"), "isError": True}
    if params["name"].startswith("note_"):
        for uri in RESOURCES:
            send({"method": "notifications/resources/updated", "params": {"uri": uri}})
    return {**text(f"{params['name']} did it"), "structuredContent": {"sent": MAIL}}


def get(params: dict[str, Any]) -> dict[str, Any]:
    heard("prompt", params["name"])
    return {"messages": [{"role": "user", "content": {"type": "text", "text": f"Dear {NAME}"}}]}


def read(params: dict[str, Any]) -> dict[str, Any]:
    heard("resource", params["uri"])
    return {"contents": [{"uri": params["uri"], "text": f"of {NAME}"}]}


def complete(params: dict[str, Any]) -> dict[str, Any]:
    heard("completion", params["ref"].get("name") or params["ref"]["uri"])
    return {"completion": {"values": [MAIL]}}


def subscribe(params: dict[str, Any]) -> dict[str, Any]:
    heard("subscription", params["uri"])
    return {}


ANSWERS = {
    "initialize": lambda _: {
        "protocolVersion": "2025-11-25",
        "capabilities": {"tools": {}, "prompts": {}, "resources": {"subscribe": True}, "completions": {}},
        "serverInfo": {"name": f"people of {NAME}", "version": "1"},
        "instructions": f"Ask {NAME} at {MAIL}.",
    },
    "ping": lambda _: {},
    "tools/list": lambda _: {"tools": TOOLS},
    "prompts/list": lambda _: {"prompts": PROMPTS},
    "resources/list": lambda _: {"resources": [{"uri": uri, "name": uri, "title": NAME} for uri in RESOURCES]},
    "resources/templates/list": lambda _: {
        "resourceTemplates": [{"uriTemplate": uri, "name": NAME} for uri in TEMPLATES]
    },
    "tools/call": call,
    "prompts/get": get,
    "resources/read": read,
    "resources/subscribe": subscribe,
    "resources/unsubscribe": lambda _: {},
    "completion/complete": complete,
}

if __name__ == "__main__":
    for line in sys.stdin:
        message = json.loads(line)
        if "id" not in message:
            continue
        answer = ANSWERS.get(message.get("method"))
        params = message.get("params") or {}
        said = {"result": answer(params)} if answer else {"error": {"code": -32601, "message": "no such method"}}
        send({"id": message["id"], **said})
