"""A small relay in front of a store that can cut connections, swallow bytes, slow them, or hold them back for later."""

import asyncio
import contextlib
import re
import tempfile
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import attrs

REQUESTS, REPLIES = 0, 1
Where = Path | int
"""A unix socket, or a TCP port on the loopback."""
_NAME = re.compile(rb"SETNAME\r\n\$\d+\r\n(\S+)\r\n")


@attrs.define(eq=False)
class _Link:
    """One connection. ``name`` is what it calls itself in its first words, such as ``portero:r1:follow``."""

    writer: asyncio.StreamWriter
    name: str = ""
    held: set[int] = attrs.field(factory=set)
    cut: bool = False


class Proxy:
    """Each direction can be held: bytes wait, and move on when it is released. ``refuses``: takes no connections.

    ``delay``: seconds that every piece of data waits.
    """

    def __init__(self, target: Where, listen: Where) -> None:
        self.listen = listen
        self.refuses = False
        self.delay = 0.0
        self.taken = 0
        """Connections, also those that were refused."""
        self._target = target
        self._held: set[tuple[int, str]] = set()
        self._links: set[_Link] = set()
        self._moved = asyncio.Condition()
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    @property
    def url(self) -> str:
        return f"unix://{self.listen}" if isinstance(self.listen, Path) else f"redis://127.0.0.1:{self.listen}"

    async def start(self) -> None:
        if isinstance(self.listen, Path):
            self._server = await asyncio.start_unix_server(self._serve, self.listen)
        else:
            self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.listen)

    def hold(self, direction: int, *, only_present: bool = False, of: str = "") -> None:
        """``only_present``: connections made from now on are free. ``of``: a part of the names of those meant."""
        for link in self._links:
            if of in link.name:
                link.held.add(direction)
        if not only_present:
            self._held.add((direction, of))

    def release(self, direction: int) -> None:
        self._held = {held for held in self._held if held[0] != direction}
        for link in self._links:
            link.held.discard(direction)
        self._spawn(self._tell())

    async def drained(self) -> None:
        """Waits until the connections that were cut or left have nothing more to deliver."""
        await asyncio.wait(self._tasks, timeout=1, return_when=asyncio.FIRST_COMPLETED)

    def cut(self) -> None:
        """Ends every connection at once, in the middle of whatever it is; held requests still arrive once released."""
        for link in self._links:
            if not link.cut:
                link.cut = True
                link.writer.transport.abort()

    async def stop(self) -> None:
        self.cut()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._server is not None:
            self._server.close()

    async def _tell(self) -> None:
        async with self._moved:
            self._moved.notify_all()

    def _is_held(self, link: _Link, direction: int) -> bool:
        return direction in link.held or any(held == direction and of in link.name for held, of in self._held)

    async def _free(self, link: _Link, direction: int) -> None:
        if self.delay:
            await asyncio.sleep(self.delay)
        async with self._moved:
            await self._moved.wait_for(lambda: not self._is_held(link, direction))

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.taken += 1
        if self.refuses:
            writer.transport.abort()
            return
        try:
            if isinstance(self._target, Path):
                up_reader, up_writer = await asyncio.open_unix_connection(self._target)
            else:
                up_reader, up_writer = await asyncio.open_connection("127.0.0.1", self._target)
        except OSError:  # the store itself is away
            writer.transport.abort()
            return
        link = _Link(writer)
        self._links.add(link)
        pumps = [
            self._spawn(self._pump(link, reader, up_writer, REQUESTS)),
            self._spawn(self._pump(link, up_reader, writer, REPLIES)),
        ]
        await asyncio.wait(pumps)
        self._links.discard(link)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> "asyncio.Task[None]":
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _pump(
        self, link: _Link, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, direction: int
    ) -> None:
        """Bytes that were read before a cut are still delivered, as a network or a stopped server does it."""
        try:
            with contextlib.suppress(ConnectionError):
                while data := await reader.read(1 << 16):
                    if not link.name and (found := _NAME.search(data)):
                        link.name = found[1].decode()
                    await self._free(link, direction)
                    writer.write(data)
                    await writer.drain()
            await self._free(link, direction)
        finally:
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()


@asynccontextmanager
async def proxied(target: Where, *, port: int | None = None) -> AsyncIterator[Proxy]:
    """On a socket of its own, or on a TCP port."""
    with tempfile.TemporaryDirectory(prefix="pp-", dir="/tmp") as folder:
        proxy = Proxy(target, Path(folder) / "s" if port is None else port)
        await proxy.start()
        try:
            yield proxy
        finally:
            await proxy.stop()
