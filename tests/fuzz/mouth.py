"""An upstream that says what it is told to, byte for byte: ``mouth.py`` over stdio, ``mouth.py PORTFILE`` over HTTP.

Its tool ``say`` takes base64, in which ``<ID>`` becomes the id of the call. Over stdio a proper answer follows on a
line of its own, unless the call says ``end``; over HTTP the bytes are all there is, status line included. Standard
library only.
"""

import base64
import json
import os
import socket
import sys
import threading
from pathlib import Path
from typing import Any

ANY = {"type": "object"}


def answer(message: dict[str, Any]) -> dict[str, Any] | None:
    """What a proper server says; None for a notification."""
    if "id" not in message or "method" not in message:
        return None
    found: dict[str, Any] | None = {
        "initialize": {
            "protocolVersion": "2025-11-25",
            "capabilities": {"tools": {}},
            "serverInfo": {"name": "mouth", "version": "1"},
        },
        "tools/list": {"tools": [{"name": name, "inputSchema": ANY} for name in ("say", "echo")]},
        "tools/call": {"content": [{"type": "text", "text": "proper"}]},
    }.get(message["method"])
    body = {"result": found} if found is not None else {"error": {"code": -32601, "message": "no such method"}}
    return {"jsonrpc": "2.0", "id": message["id"], **body}


def told(message: dict[str, Any]) -> tuple[bytes, bool] | None:
    """The bytes to say, and whether to end then."""
    if message.get("method") != "tools/call" or message["params"]["name"] != "say":
        return None
    given = message["params"]["arguments"]
    return base64.b64decode(given["bytes"]).replace(b"<ID>", b"%d" % message["id"]), given.get("end", False)


def over_stdio() -> None:
    for line in sys.stdin:
        message = json.loads(line)
        if (said := told(message)) is not None:
            os.write(1, said[0] + b"\n")
            if said[1]:
                os._exit(0)
        if (proper := answer(message)) is not None:
            os.write(1, json.dumps(proper).encode() + b"\n")


def over_http(portfile: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        draft = portfile.with_suffix(".draft")
        draft.write_text(str(listening.getsockname()[1]))
        draft.rename(portfile)
        while True:
            connection, _ = listening.accept()
            threading.Thread(target=serve, args=(connection,), daemon=True).start()


def serve(connection: socket.socket) -> None:
    """One request on each connection."""
    with connection, connection.makefile("rb") as reader:
        head = [line.strip() for line in iter(reader.readline, b"\r\n") if line]
        sizes = [int(line.partition(b":")[2]) for line in head if line.lower().startswith(b"content-length:")]
        if not head or not head[0].startswith(b"POST") or not sizes:
            connection.sendall(b"HTTP/1.1 405 No\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
            return
        message = json.loads(reader.read(sizes[0]))
        if (said := told(message)) is not None:
            connection.sendall(said[0])
            return
        proper = answer(message)
        body = b"" if proper is None else json.dumps(proper).encode()
        status = b"202 Accepted" if proper is None else b"200 OK"
        connection.sendall(
            b"HTTP/1.1 %b\r\ncontent-type: application/json\r\ncontent-length: %d\r\nconnection: close\r\n\r\n%b"
            % (status, len(body), body)
        )


if __name__ == "__main__":
    over_http(Path(sys.argv[1])) if sys.argv[1:] else over_stdio()
