"""An upstream whose every effect can be counted: a tool leaves a line in a file before it answers. Legacy.

``effects.py FILE`` speaks over stdio, ``effects.py FILE PORT`` over HTTP on the loopback. A line is tool, id, process
and time (ms). ``effects.py FILE alone NAME`` must be the only process of its name: its first line says ``begins`` (or
``twin``, when there is another) and that name. Standard library only, so that it is up in a few hundredths of a second.
"""

import fcntl
import json
import os
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

FILE = os.open(sys.argv[1], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
TEXT = {"type": "object", "properties": {"id": {"type": "string"}, "seconds": {"type": "number"}}}
READS, REPEATS = {"annotations": {"readOnlyHint": True}}, {"annotations": {"idempotentHint": True}}
TOOLS: list[dict[str, Any]] = [
    {"name": "do", "description": "Does something that shows.", "inputSchema": TEXT},
    {"name": "danger", "description": "Does something that shows, and is asked for.", "inputSchema": TEXT},
    {"name": "look", "description": "Looks only.", "inputSchema": TEXT, **READS},
    {"name": "peek", "description": "Looks only, and is asked for.", "inputSchema": TEXT, **READS},
    {"name": "again", "description": "May be repeated, and is asked for.", "inputSchema": TEXT, **REPEATS},
    {"name": "lent", "description": "Is asked for, unless there is a grant.", "inputSchema": TEXT},
    {"name": "moody", "description": "Runs, unless there is a rule against it.", "inputSchema": TEXT},
    {"name": "forbidden", "description": "Never runs.", "inputSchema": TEXT},
]
lock = threading.Lock()


def send(message: dict[str, Any]) -> None:
    with lock:
        sys.stdout.write(json.dumps({"jsonrpc": "2.0", **message}) + "\n")
        sys.stdout.flush()


def note(what: str, identity: str) -> None:
    os.write(FILE, f"{what} {identity} {os.getpid()} {time.time_ns() // 1_000_000}\n".encode())


def work(name: str, given: dict[str, Any]) -> dict[str, Any]:
    """Leaves the line, takes its time, and gives back what it was given."""
    note(name, given.get("id", ""))
    time.sleep(given.get("seconds", 0))
    return {"content": [{"type": "text", "text": json.dumps(given, ensure_ascii=False)}], "isError": False}


def answer(message: dict[str, Any]) -> dict[str, Any]:
    """The answer to a request, whole but for its version."""
    identity, method, params = message["id"], message["method"], message.get("params", {})
    match method:
        case "initialize":
            result = {"protocolVersion": params["protocolVersion"], "capabilities": {"tools": {}}}
            return {"id": identity, "result": {**result, "serverInfo": {"name": "effects", "version": "1"}}}
        case "tools/list":
            return {"id": identity, "result": {"tools": TOOLS}}
        case "tools/call":
            return {"id": identity, "result": work(params["name"], params.get("arguments", {}))}
    return {"id": identity, "error": {"code": -32601, "message": "no such method"}}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_POST(self) -> None:
        message = json.loads(self.rfile.read(int(self.headers["content-length"])))
        asked = "id" in message and "method" in message
        body = json.dumps({"jsonrpc": "2.0", **answer(message)}).encode() if asked else b""
        self.send_response(200 if asked else 202)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self) -> None:
        self.send_error(405)

    def log_message(self, *_: Any) -> None:
        """Nothing to the terminal."""


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, *_: Any) -> None:
        """A client that goes away in the middle is what some tests are about."""


def over_stdio() -> None:
    for line in sys.stdin:
        message = json.loads(line)
        if "id" in message and "method" in message:
            if message["method"] == "tools/call":
                threading.Thread(target=lambda asked=message: send(answer(asked)), daemon=True).start()
            else:
                send(answer(message))


def alone(name: str) -> None:
    """Says whether this is the only process of that name, and is it from now on to its end."""
    file = os.open(f"{sys.argv[1]}.{name}", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        note("twin", name)
    else:
        note("begins", name)


if __name__ == "__main__":
    if sys.argv[2:3] == ["alone"]:
        alone(sys.argv[3])
        over_stdio()
    elif len(sys.argv) > 2:
        Server(("127.0.0.1", int(sys.argv[2])), Handler).serve_forever()
    else:
        over_stdio()
