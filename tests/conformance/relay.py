"""Adds the bearer token to every request, because the suite has no option for headers; changes nothing else."""

import asyncio
import contextlib
from collections.abc import AsyncIterator


class Relay:
    def __init__(self, port: int, token: str) -> None:
        self._port = port
        self._line = f"Authorization: Bearer {token}\r\n".encode()

    @contextlib.asynccontextmanager
    async def serving(self) -> AsyncIterator[int]:
        """Listens on a port of its own, which it yields."""
        server = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        try:
            yield server.sockets[0].getsockname()[1]
        finally:
            server.close()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection("127.0.0.1", self._port)
        copying = asyncio.create_task(self._copy(there, writer))
        try:
            with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
                while True:
                    await self._request(reader, back)
        finally:
            back.close()
            await asyncio.wait([copying], timeout=5)

    async def _request(self, reader: asyncio.StreamReader, back: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        first, _, rest = head.partition(b"\r\n")
        back.write(first + b"\r\n" + self._line + rest)
        lengths = [line.split(b":")[1] for line in rest.split(b"\r\n") if line.lower().startswith(b"content-length:")]
        if lengths:
            back.write(await reader.readexactly(int(lengths[0])))
        await back.drain()

    async def _copy(self, there: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            while data := await there.read(65536):
                writer.write(data)
                await writer.drain()
        writer.close()
