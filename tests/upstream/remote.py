"""The made-up server over HTTP, as a process of its own."""

import asyncio
import json
import sys
import urllib.request
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import attrs

from portero.settings import UpstreamConfig
from tests.upstream.running import SERVERS

TOKEN = "Bearer made-up-token"


@attrs.frozen
class Remote:
    port: int
    process: asyncio.subprocess.Process

    def config(self, name: str = "h", **more: Any) -> UpstreamConfig:
        options = {"headers": {"Authorization": TOKEN, "X-Own": "static"}} | more
        return UpstreamConfig(name, url=f"http://127.0.0.1:{self.port}/mcp", **options)

    async def asked(self) -> list[dict[str, Any]]:
        """Every message it got, with the headers."""
        asked: list[dict[str, Any]] = json.loads(await self._fetch("/asked", None))
        return asked

    async def methods(self) -> list[str]:
        """Of all messages, in order."""
        return [
            one["message"] if isinstance(one["message"], str) else one["message"].get("method", "(answer)")
            for one in await self.asked()
        ]

    async def fail(self, *statuses: int) -> None:
        """Answer the next requests with these; a notification may still be on its way from before."""
        await self._fetch("/fail", statuses)

    async def forget(self) -> None:
        """End all sessions."""
        await self._fetch("/forget", {})

    async def _fetch(self, path: str, body: Any) -> bytes:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", data)

        def fetch() -> bytes:
            with urllib.request.urlopen(request) as response:  # noqa: S310
                content: bytes = response.read()
                return content

        return await asyncio.to_thread(fetch)


@asynccontextmanager
async def remote(*flags: str) -> AsyncIterator[Remote]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(SERVERS / "over_http.py"), *flags, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    try:
        yield Remote(int(await process.stdout.readline()), process)
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
