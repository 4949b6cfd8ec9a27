"""A small relay in front of a store that can cut connections, swallow bytes, or hold them back for later."""

import asyncio
import contextlib
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

REQUESTS, REPLIES = 0, 1


class Proxy:
    """Each direction can be held: bytes wait, and move on when it is released. ``refuses``: takes no connections."""

    def __init__(self, target: Path, path: Path) -> None:
        self.path = path
        self.refuses = False
        self._target = target
        self._held = {REQUESTS: False, REPLIES: False}
        self._gates: dict[int, list[asyncio.Event]] = {REQUESTS: [], REPLIES: []}
        self._clients: list[asyncio.StreamWriter] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    @property
    def url(self) -> str:
        return f"unix://{self.path}"

    async def start(self) -> None:
        self._server = await asyncio.start_unix_server(self._serve, self.path)

    def hold(self, direction: int, *, only_present: bool = False) -> None:
        """``only_present``: connections made from now on are free."""
        self._held[direction] = not only_present
        for gate in self._gates[direction]:
            gate.clear()

    def release(self, direction: int) -> None:
        self._held[direction] = False
        for gate in self._gates[direction]:
            gate.set()

    async def drained(self) -> None:
        """Waits until the connections that were cut or left have nothing more to deliver."""
        await asyncio.wait(self._tasks, timeout=1, return_when=asyncio.FIRST_COMPLETED)

    def cut(self) -> None:
        """Ends every connection at once, in the middle of whatever it is; held requests still arrive once released."""
        for writer in self._clients:
            writer.transport.abort()
        self._clients.clear()

    async def stop(self) -> None:
        self.cut()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._server is not None:
            self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.refuses:
            writer.transport.abort()
            return
        up_reader, up_writer = await asyncio.open_unix_connection(self._target)
        self._clients.append(writer)
        for pump in (self._pump(reader, up_writer, REQUESTS), self._pump(up_reader, writer, REPLIES)):
            task = asyncio.create_task(pump)
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, direction: int) -> None:
        """Bytes that were read before a cut are still delivered, as a network or a stopped server does it."""
        gate = asyncio.Event()
        self._gates[direction].append(gate)
        if not self._held[direction]:
            gate.set()
        try:
            with contextlib.suppress(ConnectionError):
                while data := await reader.read(1 << 16):
                    await gate.wait()
                    writer.write(data)
                    await writer.drain()
            await gate.wait()
        finally:
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()


@asynccontextmanager
async def proxied(target: Path) -> AsyncIterator[Proxy]:
    with tempfile.TemporaryDirectory(prefix="pp-", dir="/tmp") as folder:
        proxy = Proxy(target, Path(folder) / "s")
        await proxy.start()
        try:
            yield proxy
        finally:
            await proxy.stop()
