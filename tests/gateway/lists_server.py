"""An upstream whose lists are what is in a file, whenever it is asked: ``lists_server.py FILE [AFTER]``, over stdio.

Each name in the file, a JSON list, is a tool, a prompt, a resource and a template. It says when the file has become
another one. It answers nothing before there is a file ``AFTER``. Of the older era, standard library only.
"""

import json
import sys
import threading
import time
from pathlib import Path
from typing import Any

FILE = Path(sys.argv[1])
lock = threading.Lock()


def send(message: dict[str, Any]) -> None:
    with lock:
        sys.stdout.write(json.dumps({"jsonrpc": "2.0", **message}) + "\n")
        sys.stdout.flush()


def watch() -> None:
    before = FILE.read_bytes()
    while True:
        time.sleep(0.005)
        if (now := FILE.read_bytes()) != before:
            before = now
            for kind in ("tools", "prompts", "resources"):
                send({"method": f"notifications/{kind}/list_changed"})


def listed(method: str) -> dict[str, Any] | None:
    names = json.loads(FILE.read_bytes())
    match method:
        case "tools/list":
            return {"tools": [{"name": name, "inputSchema": {"type": "object"}} for name in names]}
        case "prompts/list":
            return {"prompts": [{"name": name} for name in names]}
        case "resources/list":
            return {"resources": [{"uri": f"made://{name}", "name": name} for name in names]}
        case "resources/templates/list":
            return {"resourceTemplates": [{"uriTemplate": f"made://{name}/{{id}}", "name": name} for name in names]}
        case "initialize":
            changing = {kind: {"listChanged": True} for kind in ("tools", "prompts", "resources")}
            info = {"name": "lists", "version": "1"}
            return {"protocolVersion": "2025-11-25", "capabilities": changing, "serverInfo": info}
    return None


while sys.argv[2:] and not Path(sys.argv[2]).exists():
    time.sleep(0.005)
threading.Thread(target=watch, daemon=True).start()
for line in sys.stdin:
    message = json.loads(line)
    if "id" not in message:
        continue
    result = listed(message["method"])
    body = {"result": result} if result is not None else {"error": {"code": -32601, "message": "no such method"}}
    send({"id": message["id"], **body})
