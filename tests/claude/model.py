"""A stand-in for the model behind Claude Code: a Messages API on a loopback port that says what it was told to say."""

import itertools
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import attrs

_numbers = itertools.count()
Block = dict[str, Any]
Speaks = Callable[[str | None], Block]
"""From the text of the latest tool result, None before there is one, to what the model says then."""


def calls(tool: str, /, **given: Any) -> Block:
    """That it wants to use a tool, by the name that Claude Code gives it."""
    return {"type": "tool_use", "id": f"toolu_{next(_numbers)}", "name": tool, "input": given}


def says(text: str) -> Block:
    return {"type": "text", "text": text}


@attrs.define
class Model:
    """``heard``: every byte that Claude Code has sent here."""

    url: str
    heard: bytearray = attrs.field(factory=bytearray)


@contextmanager
def thinking(speaks: Speaks) -> Iterator[Model]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            model.heard += body
            asked = json.loads(body)
            block = speaks(_latest_result(asked["messages"])) if asked.get("tools") else says("a title")
            self._answer("text/event-stream", "".join(_events(asked["model"], block)).encode())

        def do_GET(self) -> None:
            self._answer("application/json", b"{}")

        def do_HEAD(self) -> None:
            self.do_GET()

        def _answer(self, kind: str, body: bytes) -> None:
            self.send_response(200)
            self.send_header("content-type", kind)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            """Says nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    model = Model(f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield model
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _latest_result(messages: list[dict[str, Any]]) -> str | None:
    found = None
    for message in messages:
        for part in message["content"] if isinstance(message["content"], list) else []:
            if part.get("type") == "tool_result":
                content = part["content"]
                found = content if isinstance(content, str) else "".join(item.get("text", "") for item in content)
    return found


def _events(model: str, block: Block) -> Iterator[str]:
    usage = {"input_tokens": 1, "output_tokens": 1}
    head = {"id": "msg_made_up", "type": "message", "role": "assistant", "model": model, "content": [], "usage": usage}
    if block["type"] == "text":
        begin, delta, reason = says(""), {"type": "text_delta", "text": block["text"]}, "end_turn"
    else:
        begin = {**block, "input": {}}
        delta = {"type": "input_json_delta", "partial_json": json.dumps(block["input"])}
        reason = "tool_use"
    for name, more in (
        ("message_start", {"message": {**head, "stop_reason": None, "stop_sequence": None}}),
        ("content_block_start", {"index": 0, "content_block": begin}),
        ("content_block_delta", {"index": 0, "delta": delta}),
        ("content_block_stop", {"index": 0}),
        ("message_delta", {"delta": {"stop_reason": reason, "stop_sequence": None}, "usage": usage}),
        ("message_stop", {}),
    ):
        yield f"event: {name}\ndata: {json.dumps({'type': name, **more})}\n\n"
