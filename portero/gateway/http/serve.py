"""The server process around the application: uvicorn on uvloop, with its limits, its certificate and an orderly end."""

import asyncio
import contextlib
import errno
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Final

import attrs
import uvicorn
from litestar.types import ASGIApp

from portero.errors import ConfigError
from portero.gateway.http.protocol import REQUEST_SECONDS, Protocol, cut_off_the_slow

BACKLOG: Final = 2048
KEEP_ALIVE_SECONDS: Final = 75
"""Longer than clients keep idle connections, so that they are the ones to close: a race for them otherwise."""


@attrs.frozen
class Listen:
    """Where to listen, and with what."""

    host: str
    port: int
    certificate: Path | None = None
    key: Path | None = None
    graceful_seconds: int = 10
    """How long requests under way may take when the server stops."""
    request_seconds: float = REQUEST_SECONDS
    keep_alive_seconds: float = KEEP_ALIVE_SECONDS

    def url(self, port: int) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'https' if self.certificate else 'http'}://{host}:{port}"


def open_socket(listen: Listen) -> socket.socket:
    """The listening socket, bound before anything else is started. Raises ConfigError that says what to do."""
    try:
        family = socket.AF_INET6 if ":" in listen.host else socket.AF_INET
        sock = socket.create_server((listen.host, listen.port), family=family, backlog=BACKLOG)
        # Connections inherit it. asyncio would set it only where a socket says that it is TCP, which this one does not;
        # without it an answer waits up to 40 ms for the client's acknowledgement of its head.
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    except OSError as error:
        raise ConfigError(_cannot_listen(listen, error)) from error
    return sock


def _cannot_listen(listen: Listen, error: OSError) -> str:
    where = f"{listen.host}:{listen.port}"
    if error.errno == errno.EADDRINUSE:
        return (
            f"Something already listens on {where}, perhaps another Portero. "
            f"Stop it, or choose another port with PORT in .env (for instance PORT={listen.port + 1})."
        )
    if error.errno == errno.EACCES:
        return f"This user may not listen on {where}: ports below 1024 are reserved. Choose another with PORT in .env."
    unknown_name = error.errno is not None and error.errno < 0  # the resolver's numbers
    if error.errno == errno.EADDRNOTAVAIL or unknown_name:
        return f"{listen.host} is not an address of this machine. Set HOST to 127.0.0.1 or 0.0.0.0."
    return f"Cannot listen on {where}: {error.strerror or error}."


class _Server(uvicorn.Server):
    """uvicorn, except that it tells the application before it stops, and leaves signals to whoever runs the process."""

    def __init__(self, config: uvicorn.Config, before_stop: Callable[[], None]) -> None:
        super().__init__(config)
        self._before_stop = before_stop

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._before_stop()
        await super().shutdown(sockets)

    @contextlib.contextmanager
    def capture_signals(self):  # type: ignore[no-untyped-def] # as uvicorn has it
        yield


class HttpServer:
    """Serves an application until it is told to stop."""

    def __init__(self, app: ASGIApp, listen: Listen, sock: socket.socket, *, before_stop: Callable[[], None]) -> None:
        self._listen = listen
        self._socket = sock
        config = uvicorn.Config(
            app,
            loop="none",
            http=Protocol,
            ws="none",
            lifespan="on",
            log_config=None,
            access_log=False,
            server_header=False,
            date_header=False,
            proxy_headers=False,
            timeout_keep_alive=listen.keep_alive_seconds,  # type: ignore[arg-type] # our own sweep reads it
            timeout_graceful_shutdown=listen.graceful_seconds,
            ssl_certfile=listen.certificate,
            ssl_keyfile=listen.key,
        )
        if config.is_ssl:
            _load_certificate(config, listen)
        self._server = _Server(config, before_stop)

    @property
    def url(self) -> str:
        return self._listen.url(self._socket.getsockname()[1])

    async def run(self) -> None:
        """Returns when it has stopped, every request ended. Cancelling it does not end requests: call ``stop``."""
        sweep = asyncio.create_task(
            cut_off_the_slow(self._server.server_state.connections, self._listen.request_seconds)
        )
        try:
            await self._server.serve([self._socket])
        finally:
            sweep.cancel()
            self._socket.close()

    @property
    def started(self) -> bool:
        return self._server.started

    def stop(self) -> None:
        """Takes no more requests, lets those under way end, then makes ``run`` return."""
        self._server.should_exit = True


def _load_certificate(config: uvicorn.Config, listen: Listen) -> None:
    try:
        config.load()
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"The certificate {listen.certificate} with the key {listen.key} cannot be used: {error}. "
            "Check SSL_CERT_PATH and SSL_KEY_PATH: both in PEM, and belonging together."
        ) from error
