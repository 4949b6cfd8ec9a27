"""One connection to the store, pipelined by hand: redis-py's client costs 35–43 µs and 0.25 ms of p50 more."""

import asyncio
import socket
import ssl
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, Final, cast

import attrs
import hiredis
from redis.asyncio.connection import RedisSSLContext

from portero.errors import StoreError

Argument = str | bytes | int | float
OnReply = Callable[[Any], None]
"""Gets the reply, a ServerError that the store answered, or a ConnectionError when no answer will come."""

pack = cast("Callable[[tuple[Argument, ...]], bytes]", hiredis.pack_command)
"""The bytes of a command."""
_NOTHING: Final = object()
KEEPALIVE: Final = (("TCP_KEEPIDLE", 10), ("TCP_KEEPINTVL", 3), ("TCP_KEEPCNT", 3))


class ServerError(Exception):
    """An error that the store answered; ``code`` is its first word, such as ``OOM``."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.code = text.partition(" ")[0]


@attrs.frozen
class Address:
    """A unix socket's ``path``, or ``host`` and ``port``."""

    path: str = ""
    host: str = ""
    port: int = 0

    def __str__(self) -> str:
        return self.path or f"{self.host}:{self.port}"


@attrs.frozen
class Login:
    """How to introduce ourselves on a new connection."""

    username: str | None = None
    password: str | None = attrs.field(default=None, repr=False)
    db: int = 0
    tls: Mapping[str, Any] | None = None
    """redis-py's own ``ssl_…`` arguments; None: no TLS."""

    def context(self) -> ssl.SSLContext | None:
        """Raises OSError for certificate files that cannot be read."""
        if self.tls is None:
            return None
        arguments = {name.removeprefix("ssl_"): value for name, value in self.tls.items()}
        return RedisSSLContext(**{"cert_reqs": "required", "check_hostname": True, **arguments}).get()


class Wire(asyncio.Protocol):
    """Sends commands in order and gives each its reply; knows nothing of what they mean."""

    def __init__(self) -> None:
        self.closed: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        """Done, with the reason, once no more replies will come."""
        self._reader = hiredis.Reader(replyError=ServerError, notEnoughData=_NOTHING)
        self._waiting: deque[OnReply] = deque()
        self._transport: asyncio.Transport | None = None

    # --- asyncio.Protocol -------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        reader, waiting = self._reader, self._waiting
        reader.feed(data)
        try:
            while (reply := reader.gets()) is not _NOTHING:
                if type(reply) is not hiredis.PushNotification:
                    waiting.popleft()(reply)
        except (hiredis.ProtocolError, IndexError) as error:
            self.abort(f"the store does not speak Redis: {error}")

    def connection_lost(self, exc: Exception | None) -> None:
        self._end(str(exc) if exc else "the store closed the connection")

    # --- commands ---------------------------------------------------------------------------------------------------

    def post(self, packed: bytes, on_reply: OnReply) -> None:
        """Sends a packed command; ``on_reply`` is called once, from the event loop, unless it is already too late."""
        if self._transport is None or self.closed.done():
            raise ConnectionError("the connection is closed")
        self._waiting.append(on_reply)
        self._transport.write(packed)

    def send(self, *args: Argument) -> asyncio.Future[Any]:
        """Sends a command; the future has the reply, or raises ServerError or ConnectionError."""
        future = asyncio.get_running_loop().create_future()

        def on_reply(reply: Any) -> None:
            if future.done():
                return
            if isinstance(reply, Exception):
                future.set_exception(reply)
            else:
                future.set_result(reply)

        self.post(pack(args), on_reply)
        return future

    async def call(self, *args: Argument, timeout: float) -> Any:
        """Sends a command and waits. A reply that is late closes the connection: the next could not be told from it."""
        try:
            async with asyncio.timeout(timeout):
                return await self.send(*args)
        except TimeoutError:
            self.abort("the store did not answer in time")
            raise

    def abort(self, reason: str) -> None:
        """Closes at once, dropping what was not sent yet."""
        if self._transport is not None:
            self._transport.abort()
        self._end(reason)

    def _end(self, reason: str) -> None:
        if self.closed.done():
            return
        self.closed.set_result(reason)
        waiting, self._waiting = self._waiting, deque()
        for on_reply in waiting:
            on_reply(ConnectionError(reason))


async def open_wire(address: Address, login: Login, *, name: str, timeout: float) -> Wire:
    """A connection that is logged in and named. Raises OSError or TimeoutError when the store cannot be reached now,
    StoreError when it refuses us, ServerError when it is not ready (such as LOADING)."""
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(timeout):
        if address.path:
            _, wire = await loop.create_unix_connection(Wire, address.path)
        else:
            transport, wire = await loop.create_connection(Wire, address.host, address.port, ssl=login.context())
            _keep_alive(transport.get_extra_info("socket"))
    try:
        await _introduce(wire, login, name, timeout)
    except BaseException:
        wire.abort("the store did not let us in")
        raise
    return wire


async def _introduce(wire: Wire, login: Login, name: str, timeout: float) -> None:
    auth = ("AUTH", login.username or "default", login.password) if login.password else ()
    try:
        await wire.call("HELLO", 3, *auth, "SETNAME", name, timeout=timeout)
        if login.db:
            await wire.call("SELECT", login.db, timeout=timeout)
    except ServerError as error:
        if error.code in {"WRONGPASS", "NOAUTH", "NOPERM"}:
            raise StoreError(f"The store refuses the user name or password in REDIS_URL: {error}") from error
        if error.code == "ERR":
            raise StoreError(f"The store refuses the connection: {error}") from error
        raise


def _keep_alive(sock: socket.socket | None) -> None:
    """Lets a connection whose other end vanished without a word end within 20 s, also while nothing is sent."""
    if sock is None:
        return
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in KEEPALIVE:
        if hasattr(socket, option):  # macOS lacks TCP_KEEPIDLE
            sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, option), value)
