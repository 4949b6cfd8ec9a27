"""A wire between a client and Portero that keeps every byte which passes, each way."""

import asyncio
import contextlib
import json
import re
import socket
import threading
from typing import Any, Self

import attrs

_CHUNK = re.compile(rb"\r\n[0-9a-fA-F]+\r\n")


@attrs.frozen
class Asked:
    """One HTTP request as it came. ``headers`` by lower-case name; ``body`` may be empty."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def message(self) -> Any:
        """The JSON-RPC message in it; None where there is none."""
        return json.loads(self.body) if self.body else None


class Tap:
    """Listens on a port of its own and passes everything on to ``port``, in a thread of its own."""

    def __init__(self, port: int) -> None:
        self._to = port
        self._asked: list[bytearray] = []
        self._answered: list[bytearray] = []
        self._writers: list[asyncio.StreamWriter] = []
        self._connected: set[asyncio.Task[None]] = set()
        self._listening = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()))

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._listening.wait(20)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(20)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def answered(self) -> bytes:
        """All that Portero has said so far, without the frames that HTTP cuts it into."""
        return b"\n\n".join(_CHUNK.sub(b"", bytes(stream)) for stream in list(self._answered))

    def asked(self) -> list[Asked]:
        """All complete requests so far, connection by connection."""
        return [request for stream in list(self._asked) for request in _requests(bytes(stream))]

    async def _serve(self) -> None:
        """Not with asyncio's own server: a connection that comes as that is closed is never closed itself."""
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        with socket.create_server(("127.0.0.1", 0)) as listening:
            listening.setblocking(False)
            self.port = listening.getsockname()[1]
            self._loop.add_reader(listening, self._accept, listening)
            self._listening.set()
            await self._stop.wait()
            self._loop.remove_reader(listening)
        while self._connected:
            for writer in self._writers:
                writer.close()
            await asyncio.wait(self._connected, timeout=0.1)  # some may only now be opening their other half

    def _accept(self, listening: socket.socket) -> None:
        with contextlib.suppress(BlockingIOError, ConnectionError):
            connection, _ = listening.accept()
            task = self._loop.create_task(self._connect(connection))
            self._connected.add(task)
            task.add_done_callback(self._connected.discard)

    async def _connect(self, connection: socket.socket) -> None:
        reader, writer = await asyncio.open_connection(sock=connection)
        self._writers.append(writer)
        try:
            there, back = await asyncio.open_connection("127.0.0.1", self._to)
        except OSError:
            writer.close()
            return
        self._writers.append(back)
        asked, answered = bytearray(), bytearray()
        self._asked.append(asked)
        self._answered.append(answered)
        await asyncio.gather(_copy(reader, back, asked), _copy(there, writer, answered))
        for end in (writer, back):
            with contextlib.suppress(ConnectionError):
                await end.wait_closed()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, record: bytearray) -> None:
    with contextlib.suppress(ConnectionError):
        while data := await reader.read(65536):
            record += data
            writer.write(data)
            await writer.drain()
    writer.close()


def _requests(stream: bytes) -> list[Asked]:
    found = []
    while b"\r\n\r\n" in stream:
        head, _, stream = stream.partition(b"\r\n\r\n")
        line, *lines = head.decode("latin-1").split("\r\n")
        method, path, _ = line.split(" ")
        headers: dict[str, str] = {}
        for one in lines:
            name, _, value = one.partition(":")
            headers[name.lower()] = value.strip()
        length = int(headers.get("content-length", "0"))
        if len(stream) < length:
            break
        found.append(Asked(method, path, headers, stream[:length]))
        stream = stream[length:]
    return found
