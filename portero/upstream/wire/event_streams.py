"""Event streams of a remote server: a response that goes on, and the stream for what belongs to no call."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Final

import httpx2

_RETRY_SECONDS: Final = 1.0
_LONGEST_RETRY_SECONDS: Final = 60.0
_RESUMPTIONS: Final = 5


class TooLong(Exception):
    """A body or an event has more bytes than are taken."""


async def read_bounded(response: httpx2.Response, limit: int) -> bytes:
    """The whole body. Raises ``TooLong`` beyond ``limit`` bytes."""
    parts: list[bytes] = []
    size = 0
    async for part in response.aiter_bytes():
        size += len(part)
        if size > limit:
            raise TooLong(f"{size} bytes and more")
        parts.append(part)
    return b"".join(parts)


class _Position:
    """Where a stream stands: what to name when it is taken up again, and how long to wait before."""

    last_id = ""
    wait = _RETRY_SECONDS


class EventStreams:
    def __init__(self, client: httpx2.AsyncClient, url: Callable[[], str], limit: int) -> None:
        self._client, self._url, self._limit = client, url, limit

    async def read(
        self,
        response: httpx2.Response,
        take: Callable[[bytes], None],
        *,
        done: Callable[[], bool],
        headers: dict[str, str],
    ) -> None:
        """Read the response of a call until ``done``; a cut stream is taken up again if its events have ids."""
        position = _Position()
        await self._events(response, take, done, position)
        for _ in range(_RESUMPTIONS):
            if done() or not position.last_id:
                return
            await asyncio.sleep(position.wait)
            again = headers | {"accept": "text/event-stream", "last-event-id": position.last_id}
            async with self._client.stream("GET", self._url(), headers=again) as resumed:
                if not _is_stream(resumed):
                    return
                await self._events(resumed, take, done, position)

    async def follow(self, headers: Callable[[], dict[str, str]], take: Callable[[bytes], None]) -> None:
        """A legacy server's stream for what belongs to no call; runs until cancelled or refused (many have none)."""
        position = _Position()
        while True:
            get = headers() | {"accept": "text/event-stream"}
            if position.last_id:
                get["last-event-id"] = position.last_id
            try:
                async with self._client.stream("GET", self._url(), headers=get) as response:
                    if not _is_stream(response):
                        return
                    await self._events(response, take, lambda: False, position)
            except (httpx2.HTTPError, TooLong):
                position.wait = min(position.wait * 2, _LONGEST_RETRY_SECONDS)
            await asyncio.sleep(position.wait)

    async def _events(
        self, response: httpx2.Response, take: Callable[[bytes], None], done: Callable[[], bool], position: _Position
    ) -> None:
        try:
            async for event in _source(response, self._limit):
                if event.id:
                    position.last_id = event.id
                if event.retry is not None:
                    position.wait = min(event.retry / 1000, _LONGEST_RETRY_SECONDS)
                if event.event == "message" and event.data:
                    take(event.data.encode())
                    if done():
                        return
        except httpx2.SSEError as error:
            raise TooLong(str(error)) from error
        except httpx2.TransportError:
            if not position.last_id:
                raise


async def _source(response: httpx2.Response, limit: int) -> AsyncIterator[httpx2.ServerSentEvent]:
    async for event in httpx2.EventSource(response, max_event_size=limit):
        yield event


def _is_stream(response: httpx2.Response) -> bool:
    kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
    return response.status_code == 200 and kind == "text/event-stream"
