"""Adds the bearer token to every request, for the suite has no option for headers, and spreads them over replicas."""

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator, Sequence


class Relay:
    """Every request has a connection of its own, to the next replica in turn."""

    def __init__(self, ports: Sequence[int], token: str) -> None:
        self._ports = itertools.cycle(ports)
        self._open: set[asyncio.StreamWriter] = set()
        self._lines = f"Authorization: Bearer {token}\r\nConnection: close\r\n".encode()

    @contextlib.asynccontextmanager
    async def serving(self) -> AsyncIterator[int]:
        """Listens on a port of its own, which it yields."""
        server = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        try:
            yield server.sockets[0].getsockname()[1]
        finally:
            server.close()
            for writer in list(self._open):
                writer.close()
                with contextlib.suppress(ConnectionError):
                    await writer.wait_closed()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection("127.0.0.1", next(self._ports))
        self._open |= {writer, back}
        copying = asyncio.create_task(self._copy(there, writer))
        leaving = None
        try:
            with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
                await self._request(reader, back)
                leaving = asyncio.create_task(reader.read())  # a client that closes its side has left
                await asyncio.wait({copying, leaving}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            if leaving is not None:
                leaving.cancel()
            back.close()
            await asyncio.wait([copying], timeout=5)
            self._open -= {writer, back}

    async def _request(self, reader: asyncio.StreamReader, back: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        first, _, rest = head.partition(b"\r\n")
        lines = [line for line in rest.split(b"\r\n") if not line.lower().startswith(b"connection:")]
        back.write(first + b"\r\n" + self._lines + b"\r\n".join(lines))
        lengths = [line.split(b":")[1] for line in lines if line.lower().startswith(b"content-length:")]
        if lengths:
            back.write(await reader.readexactly(int(lengths[0])))
        await back.drain()

    async def _copy(self, there: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            while data := await there.read(65536):
                writer.write(data)
                await writer.drain()
        writer.close()
