"""Connections of both kinds to one store: hand-driven wires for the hot path, redis-py's client for all else."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Final

import redis.exceptions as answers
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.maint_notifications import MaintNotificationsConfig

from portero.errors import LogError, LogFull, LogUnavailable, StoreError
from portero.log.keys import Keys
from portero.log.limits import Limits
from portero.log.locate import Locator
from portero.log.reasons import reason
from portero.log.wire import Address, Login, ServerError, Wire, open_wire

_AWAY: Final = (
    OSError,
    TimeoutError,
    StoreError,
    answers.ConnectionError,
    answers.TimeoutError,
    # the server is no longer, or not yet, the one to ask
    answers.ReadOnlyError,
    answers.MovedError,
    answers.ClusterDownError,
    answers.MasterDownError,
)


class Store:
    """The place where a log lives. ``locator`` says where its server is each time a connection is made."""

    def __init__(self, locator: Locator, login: Login, keys: Keys, *, name: str, limits: Limits) -> None:
        self.keys = keys
        self.limits = limits
        self.locator = locator
        self._login = login
        self.name = f"portero:{name}"
        """How the names of all its connections begin, as CLIENT LIST shows them."""
        self._clients: dict[bool, Redis] = {}
        self._address: Address | None = None
        self._closed = False

    async def wire(self, purpose: str) -> Wire:
        """A new wire. Raises OSError or TimeoutError (not now), ServerError (not ready), StoreError (not like this)."""
        address = await self.locator.locate()
        if address != self._address:  # it moved: whoever notices first spares the others the old place
            await self._drop()
        self._address = address
        return await open_wire(address, self._login, name=f"{self.name}:{purpose}", timeout=self.limits.connect)

    @contextlib.asynccontextmanager
    async def reach(self, *, blocking: bool = False, seconds: float | None = None) -> AsyncIterator[Redis]:
        """redis-py's client for a few commands, kept for the next time; its errors become LogUnavailable or LogFull.

        All of it must be done within ``seconds``, else the store counts as away. ``blocking``: for reads that wait.
        """
        limit = seconds or (self.limits.blocked if blocking else self.limits.call)
        client: Redis | None = None
        try:
            async with asyncio.timeout(limit):
                client = self._clients.get(blocking)
                if client is None:
                    address = await self.locator.locate()
                    if self._closed:
                        raise LogUnavailable("The log is unavailable (Portero is stopping).")
                    client = self._clients.get(blocking) or self._client(address, blocking=blocking)
                yield client
        except answers.OutOfMemoryError as error:
            raise LogFull("The log's memory is full; nothing was written.") from error
        except (*_AWAY, ServerError) as error:
            if client is not None and self._clients.get(blocking) is client:
                del self._clients[blocking]
            raise LogUnavailable(f"The log is unavailable ({reason(error)}).") from error
        except answers.RedisError as error:
            raise LogError(f"The store refused: {error}") from error
        finally:  # given up meanwhile, here or by somebody else, it may have connected once more since then
            if client is not None and self._clients.get(blocking) is not client:
                await client.aclose()

    async def close(self) -> None:
        """For good. Wires are their users' own."""
        self._closed = True
        await self._drop()

    async def _drop(self) -> None:
        clients, self._clients = self._clients, {}
        for client in clients.values():
            await client.aclose()

    def _client(self, address: Address, *, blocking: bool) -> Redis:
        where = {"unix_socket_path": address.path} if address.path else {"host": address.host, "port": address.port}
        tls = {"ssl": True, **self._login.tls} if self._login.tls is not None else {}
        client = Redis(
            **where,
            **tls,
            db=self._login.db,
            username=self._login.username if self._login.password else None,
            password=self._login.password,
            client_name=f"{self.name}:{'blocking' if blocking else 'commands'}",
            # The defaults bite: a read time-out of 5 s breaks blocking reads, and ten silent retries can append twice.
            # Any time-out goes through asyncio.wait_for, which before Python 3.12 can swallow a cancellation.
            socket_timeout=None,
            socket_connect_timeout=self.limits.connect,
            retry=Retry(NoBackoff(), 0),
            retry_on_error=[],
            protocol=3,
            legacy_responses=False,
            driver_info=None,  # CLIENT SETINFO came with Redis 7.2
            maint_notifications_config=MaintNotificationsConfig(enabled=False),
        )
        self._clients[blocking] = client
        return client
