"""An upstream whose every effect can be counted: ``do`` leaves a line in a file before it answers. Legacy, over stdio.

Standard library only, so that it is up in a few hundredths of a second.
"""

import json
import os
import sys
import threading
import time
from typing import Any

FILE = os.open(sys.argv[1], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
TEXT = {"type": "object", "properties": {"id": {"type": "string"}, "seconds": {"type": "number"}}}
TOOLS = [
    {"name": "do", "description": "Does something that shows.", "inputSchema": TEXT},
    {"name": "danger", "description": "Does something that shows, and is asked for.", "inputSchema": TEXT},
    {"name": "look", "description": "Looks only.", "inputSchema": TEXT, "annotations": {"readOnlyHint": True}},
    {"name": "forbidden", "description": "Never runs.", "inputSchema": TEXT},
]
lock = threading.Lock()


def send(message: dict[str, Any]) -> None:
    with lock:
        sys.stdout.write(json.dumps({"jsonrpc": "2.0", **message}) + "\n")
        sys.stdout.flush()


def work(identity: Any, name: str, given: dict[str, Any]) -> None:
    os.write(FILE, f"{name} {given.get('id', '')} {os.getpid()}\n".encode())
    time.sleep(given.get("seconds", 0))
    text = json.dumps(given, ensure_ascii=False)
    send({"id": identity, "result": {"content": [{"type": "text", "text": text}], "isError": False}})


def main() -> None:
    for line in sys.stdin:
        message = json.loads(line)
        identity, method, params = message.get("id"), message["method"], message.get("params", {})
        match method:
            case "initialize":
                result = {"protocolVersion": params["protocolVersion"], "capabilities": {"tools": {}}}
                send({"id": identity, "result": {**result, "serverInfo": {"name": "effects", "version": "1"}}})
            case "tools/list":
                send({"id": identity, "result": {"tools": TOOLS}})
            case "tools/call":
                given = params.get("arguments", {})
                threading.Thread(target=work, args=(identity, params["name"], given), daemon=True).start()
            case _ if identity is not None:
                send({"id": identity, "error": {"code": -32601, "message": "no such method"}})


if __name__ == "__main__":
    main()
