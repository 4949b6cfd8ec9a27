"""HTTP as bytes: connections that send what no library would, and read what comes back to the last byte."""

import json
import socket
from typing import Any, Self

import attrs

SECONDS = 20
"""Longer than anything here takes on a busy machine, and shorter than Portero's own limit for slow requests."""


class Hang(Exception):
    """Nothing came for so long that nothing will."""


@attrs.frozen
class Response:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def messages(self) -> list[Any]:
        """Every JSON-RPC message in it, those of batches and of event streams one by one."""
        if not self.body:
            return []
        if self.headers.get("content-type", "").startswith("text/event-stream"):
            lines = self.body.decode().split("\n")
            return [json.loads(line.removeprefix("data: ")) for line in lines if line.startswith("data: ")]
        loaded = json.loads(self.body)
        return loaded if isinstance(loaded, list) else [loaded]


@attrs.frozen
class Exchange:
    """What is sent, piece by piece. ``before``: how many requests stand before one that never becomes whole, if any."""

    pieces: list[bytes]
    before: int | None


class Connection:
    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), SECONDS)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._read = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._socket.close()

    def send(self, *pieces: bytes) -> None:
        """Each piece by itself. The other side may have hung up already, which shows when its answer is read."""
        for piece in pieces:
            try:
                self._socket.sendall(piece)
            except (BrokenPipeError, ConnectionResetError):
                return

    def end(self) -> None:
        """Says that nothing more is sent, and goes on reading."""
        try:
            self._socket.shutdown(socket.SHUT_WR)
        except OSError:
            return

    def response(self) -> Response | None:
        """The next one; None when the connection is closed without one. Raises Hang."""
        begun = self.head()
        if begun is None:
            return None
        status, headers = begun
        body = self._chunks() if headers.get("transfer-encoding") == "chunked" else self._exactly(headers)
        return Response(status, headers, body)

    def head(self) -> tuple[int, dict[str, str]] | None:
        """Of the next response."""
        head = self._until(b"\r\n\r\n")
        if head is None:
            assert not self._read, f"half a response: {self._read!r}"
            return None
        first, *lines = head.decode("latin-1").split("\r\n")
        pairs = [line.partition(":") for line in lines]
        return int(first.split(" ")[1]), {name.lower(): value.strip() for name, _, value in pairs}

    def responses(self, most: int | None = None) -> list[Response]:
        """All until the connection is closed, or the first ones."""
        found: list[Response] = []
        while (most is None or len(found) < most) and (response := self.response()) is not None:
            found.append(response)
        return found

    def _exactly(self, headers: dict[str, str]) -> bytes:
        return self._take(int(headers.get("content-length", "0")))

    def _chunks(self) -> bytes:
        body = b""
        while True:
            size = self._until(b"\r\n")
            assert size is not None, "cut in the middle of an answer"
            piece = self._take(int(size, 16) + 2)[:-2]
            if not piece:
                return body
            body += piece

    def _take(self, size: int) -> bytes:
        while len(self._read) < size:
            assert self._more(), "cut in the middle of an answer"
        taken, self._read = self._read[:size], self._read[size:]
        return taken

    def _until(self, mark: bytes) -> bytes | None:
        while mark not in self._read:
            if not self._more():
                return None
        taken, _, self._read = self._read.partition(mark)
        return taken

    def _more(self) -> bool:
        try:
            data = self._socket.recv(65536)
        except TimeoutError:
            raise Hang(self._read[:200]) from None
        except ConnectionResetError:
            return False
        self._read += data
        return bool(data)
