"""Something between Portero and an object store that is slow, answers half, or says 500 when it is told to."""

import http.client
import http.server
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import attrs

Mood = Callable[[str, str], str | None]
"""From method and path to what goes wrong: ``500`` (the store has not heard of it), ``500 after`` (it has done it),
``gone`` (it has, and nothing comes back), ``half`` of the answer, or ``slow``; None: nothing."""


@attrs.define
class Moody:
    """``asked``: every request that came, with what went wrong with it."""

    url: str
    mood: Mood = lambda *_: None
    asked: list[tuple[str, str, str | None]] = attrs.field(factory=list)
    slow_seconds: float = 0.5

    def times(self, what: str | None) -> int:
        return sum(wrong == what for _, _, wrong in self.asked)


def first(count: int, what: str, method: str = "") -> Mood:
    """So with the first ``count`` requests (of this method)."""
    left = [count]

    def mood(asked: str, _: str) -> str | None:
        if left[0] and method in {"", asked}:
            left[0] -= 1
            return what
        return None

    return mood


def always(what: str, method: str = "") -> Mood:
    return lambda asked, _: what if method in {"", asked} else None


@contextmanager
def moody(store: str) -> Iterator[Moody]:
    """In front of the store at this address."""
    behind, found = urlsplit(store).netloc, Moody("")

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            wrong = found.mood(self.command, self.path)
            found.asked.append((self.command, self.path, wrong))
            if wrong == "500":
                self.give(500, b"<Error><Code>InternalError</Code></Error>")
                return
            through = http.client.HTTPConnection(behind, timeout=60)
            through.request(self.command, self.path, body, dict(self.headers))
            answered = through.getresponse()
            data, headers = answered.read(), dict(answered.getheaders())
            through.close()
            if wrong == "500 after":
                self.give(500, b"<Error><Code>InternalError</Code></Error>")
            elif wrong == "gone":
                self.close_connection = True
            else:
                if wrong == "slow":
                    time.sleep(found.slow_seconds)
                self.give(answered.status, data, headers, half=wrong == "half")

        def give(self, status: int, data: bytes, headers: dict[str, str] | None = None, *, half: bool = False) -> None:
            self.send_response(status)
            for name, value in (headers or {}).items():
                if name.lower() not in {"content-length", "transfer-encoding", "connection", "date", "server"}:
                    self.send_header(name, value)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data[: len(data) // 2] if half else data)
            self.close_connection = half

        do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = answer  # noqa: N815 - the library's names

        def log_message(self, format: str, *args: Any) -> None:
            """Not worth a line."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    found.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield found
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
