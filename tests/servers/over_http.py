"""The made-up server over Streamable HTTP. Prints its port; everything it was asked is kept for the tests at /asked."""

import json
import queue
import sys
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from fixture import MODERN, Fixture, begin, options


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    fixture: Fixture
    sessions: dict[str, queue.Queue[dict[str, Any] | None]]
    asked: list[dict[str, Any]]
    statuses: list[int]
    """Statuses to answer the next requests with, instead of looking at them."""
    unfinished: dict[str, queue.Queue[dict[str, Any]]]
    """What is still to come of streams that were cut, by the id of their last event."""

    def log_message(self, *_: Any) -> None:
        """Nothing to the terminal."""

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        message = json.loads(body)
        self.asked.append({"headers": {key.lower(): value for key, value in self.headers.items()}, "message": message})
        if self.path == "/fail":
            self.statuses.extend(message)
            self.plain(200, b"{}")
        elif self.path == "/forget":
            self.sessions.clear()
            self.plain(200, b"{}")
        elif self.fixture.given.moved and self.path == "/mcp":
            self.plain(307, b"", location="/mcp/")
        elif self.statuses and "id" in message and "method" in message:
            self.plain(self.statuses.pop(0), b"no", "text/plain")
        elif not self.authorized():
            self.plain(401, b"who are you?", "text/plain")
        else:
            self.message(message)

    def do_GET(self) -> None:
        if self.path == "/asked":
            self.plain(200, json.dumps(self.asked).encode())
            return
        if "last-event-id" in self.headers:
            self.resume()
            return
        session = self.sessions.get(self.headers.get("mcp-session-id", ""))
        if session is None or self.fixture.given.no_push:
            self.plain(405, b"")
            return
        self.begin_stream()
        self.fixture.push = session.put
        while (message := session.get()) is not None:
            self.event(message)

    def do_DELETE(self) -> None:
        self.asked.append({"headers": dict(self.headers), "message": "DELETE"})
        queue_ = self.sessions.pop(self.headers.get("mcp-session-id", ""), None)
        if queue_ is not None:
            queue_.put(None)
        self.plain(200, b"")

    def authorized(self) -> bool:
        return self.headers.get("authorization") == "Bearer made-up-token"

    def message(self, message: dict[str, Any]) -> None:
        """One message of the client: a session is needed after initialize, in the legacy era."""
        modern = self.headers.get("mcp-protocol-version") == MODERN
        if modern and self.fixture.given.era == "legacy":
            self.plain(400, b"Bad Request: no valid session", "text/plain")
            return
        first = message.get("method") == "initialize"
        if not modern and not first and self.headers.get("mcp-session-id") not in self.sessions:
            self.plain(404, b"no such session", "text/plain")
            return
        if "id" not in message or "method" not in message:
            self.fixture.handle(message, lambda _: None)
            self.plain(202, b"")
            return
        session = None
        if first and self.fixture.given.era != "modern":
            session, self.fixture.given.session = self.fixture.given.session or uuid.uuid4().hex, None
            self.sessions[session] = queue.Queue()
        self.answer(message, session)

    def answer(self, message: dict[str, Any], session: str | None) -> None:
        out: queue.Queue[dict[str, Any]] = queue.Queue()
        self.fixture.handle(message, out.put)
        if self.fixture.given.json:
            self.plain(200, json.dumps(out.get(), indent=2).encode(), session=session)
            return
        self.begin_stream(session)
        if self.fixture.given.cut and message["method"] == "tools/call":
            identity = uuid.uuid4().hex
            self.unfinished[identity] = out
            self.chunk(b"id: %b\nretry: 10\ndata:\n\n" % identity.encode())
            self.close_connection = True
            return
        while True:
            sent = out.get()
            self.event(sent)
            if sent.get("id") == message["id"] and "method" not in sent:
                break
        self.wfile.write(b"0\r\n\r\n")

    def resume(self) -> None:
        self.begin_stream()
        self.event(self.unfinished.pop(self.headers["last-event-id"]).get())
        self.wfile.write(b"0\r\n\r\n")

    def begin_stream(self, session: str | None = None) -> None:
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("transfer-encoding", "chunked")
        if session is not None:
            self.send_header("mcp-session-id", session)
        self.end_headers()

    def event(self, message: dict[str, Any]) -> None:
        self.chunk(b"event: message\ndata: " + json.dumps(message).encode() + b"\n\n")

    def chunk(self, data: bytes) -> None:
        self.wfile.write(b"%x\r\n%b\r\n" % (len(data), data))
        self.wfile.flush()

    def plain(
        self,
        status: int,
        body: bytes,
        kind: str = "application/json",
        session: str | None = None,
        location: str | None = None,
    ) -> None:
        self.send_response(status)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(body)))
        for name, value in (("mcp-session-id", session), ("location", location)):
            if value is not None:
                self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128  # connections that are not yet accepted; the default of 5 resets the others

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away in the middle is what some tests are about."""


def main() -> None:
    given = options()
    begin(given)
    Handler.fixture, Handler.sessions, Handler.asked, Handler.statuses = Fixture(given), {}, [], given.statuses
    Handler.unfinished = {}
    server = Server(("127.0.0.1", given.port), Handler)
    sys.stdout.write(f"{server.server_address[1]}\n")
    sys.stdout.flush()
    server.serve_forever()


if __name__ == "__main__":
    main()
