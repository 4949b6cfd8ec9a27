"""An upstream for the handlers' tests: it notes what it does, and dies, waits or changes when it is told to.

Standard library only. Arguments of its tools: ``id`` is noted, ``until`` names a file to wait for, ``die`` one whose
absence is deadly, once; with ``progress`` it reports some while it waits, with ``back`` it gives back all that it was
sent.
"""

import json
import os
import sys
import threading
import time
from pathlib import Path
from typing import Any

NOTES = Path(sys.argv[1])
SCHEMA = {"type": "object"}
TOOLS: dict[str, dict[str, Any]] = {
    "do": {"description": "Do it.", "annotations": {"destructiveHint": True}},
    "look": {"description": "Look.", "annotations": {"readOnlyHint": True}},
    "change": {"description": "Change what do says of itself."},
}
lock = threading.Lock()


def send(**message: Any) -> None:
    with lock:
        sys.stdout.write(json.dumps({"jsonrpc": "2.0", **message}) + "\n")
        sys.stdout.flush()


def work(identity: Any, params: dict[str, Any]) -> None:
    name, given = params["name"], params.get("arguments") or {}
    token = params.get("_meta", {}).get("progressToken")
    if name == "change":
        TOOLS["do"]["description"] = "Do something else."
        send(method="notifications/tools/list_changed")
    with lock, NOTES.open("a") as notes:
        notes.write(f"{given.get('id', name)}\n")
    if "die" in given and not Path(given["die"]).exists():
        Path(given["die"]).touch()
        os._exit(1)
    while "until" in given and not Path(given["until"]).exists():
        if "progress" in given:
            send(method="notifications/progress", params={"progressToken": token, "progress": time.monotonic()})
        time.sleep(0.02)
    if "fail" in given:
        send(id=identity, error={"code": 17, "message": given["fail"]})
        return
    said = json.dumps(params) if "back" in given else given.get("say", "done")
    send(id=identity, result={"content": [{"type": "text", "text": said}]})


def answer(method: str, params: dict[str, Any]) -> dict[str, Any] | None:  # noqa: PLR0911 - a table
    match method:
        case "initialize":
            return {
                "protocolVersion": "2025-11-25",
                "capabilities": {"tools": {"listChanged": True}, "resources": {}, "prompts": {}},
                "serverInfo": {"name": "worker", "version": "1"},
            }
        case "ping":
            return {}
        case "tools/list":
            return {"tools": [{"name": name, "inputSchema": SCHEMA, **tool} for name, tool in TOOLS.items()]}
        case "resources/list":
            return {"resources": [{"uri": "made://one", "name": "one"}]}
        case "resources/templates/list":
            return {"resourceTemplates": []}
        case "prompts/list":
            return {"prompts": [{"name": "greet"}]}
        case "resources/read":
            return {"contents": [{"uri": params["uri"], "text": "read"}]}
        case "prompts/get":
            content = {"type": "text", "text": json.dumps(params.get("arguments"))}
            return {"messages": [{"role": "user", "content": content}]}
    return None


for line in sys.stdin:
    message = json.loads(line)
    if "id" not in message or "method" not in message:
        continue
    given = message.get("params") or {}
    if message["method"] == "tools/call":
        threading.Thread(target=work, args=(message["id"], given), daemon=True).start()
    elif (result := answer(message["method"], given)) is None:
        send(id=message["id"], error={"code": -32601, "message": "no such method"})
    else:
        send(id=message["id"], result=result)
