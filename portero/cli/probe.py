"""One look at a gateway's own pages over HTTP: a plain request, so that no HTTP library has to be imported for it."""

import asyncio
import json
import ssl
from typing import Any, Final
from urllib.parse import urlsplit

import attrs

SECONDS: Final = 2.0
MOST_BYTES: Final = 65_536


@attrs.frozen
class Page:
    status: int
    body: Any
    """The JSON value; None when it is none."""


async def get(url: str) -> Page | None:
    """None when nobody answers with HTTP in time. Certificates are not checked: nothing secret is sent or believed."""
    try:
        async with asyncio.timeout(SECONDS):
            return await _get(url)
    except (OSError, TimeoutError, ValueError, asyncio.IncompleteReadError):
        return None


async def _get(url: str) -> Page:
    parts = urlsplit(url)
    context = ssl._create_unverified_context() if parts.scheme == "https" else None  # noqa: S323, SLF001 - see above
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(parts.hostname or "", parts.hostname)  # noqa: S104 - where to ask
    reader, writer = await asyncio.open_connection(host, parts.port, ssl=context)
    try:
        writer.write(f"GET {parts.path} HTTP/1.1\r\nHost: {parts.netloc}\r\nConnection: close\r\n\r\n".encode())
        await writer.drain()
        head, _, body = (await reader.read(MOST_BYTES)).partition(b"\r\n\r\n")
        while len(more := await reader.read(MOST_BYTES)) and len(body) < MOST_BYTES:
            body += more
        status = int(head.split(b" ", 2)[1])
        try:
            return Page(status, json.loads(body))
        except ValueError:
            return Page(status, None)
    finally:
        writer.close()
