"""Several replicas as processes of their own on one store, each behind a relay, and the upstreams that they share."""

import asyncio
import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import httpx

from tests.chaos.history import rules_of
from tests.log.proxy import Proxy
from tests.stores import Server, free_port
from tests.system.place import EFFECTS, Place

POLICIES = {
    "policies": {
        "*/do": "allow",
        "*/look": "allow",
        "*/moody": "allow",
        "*/danger": "require-approval",
        "*/peek": "require-approval",
        "*/again": "require-approval",
        "*/lent": "require-approval",
        "*/forbidden": "deny",
    },
    "defaultPolicy": "require-approval",
}
SOLO = "solo"
"""The server of which there is one instance for all."""
SERVERS = ("fx", "web", SOLO)
REPEATABLE = frozenset(f"{server}/{tool}" for server in SERVERS for tool in ("look", "peek", "again"))
RULES = rules_of(POLICIES, REPEATABLE, [SOLO])
START_SECONDS = 60.0


class Process:
    """A process that can be ended, stopped and started again; its output goes to one file for all its lives."""

    def __init__(self, name: str, command: list[str], folder: Path, env: Mapping[str, str]) -> None:
        self.name = name
        self.output = folder / f"{name}.log"
        self.env = dict(env)
        self.command, self._folder = command, folder
        self._process: subprocess.Popen[bytes] | None = None
        self.codes: list[int] = []
        """How its lives have ended."""

    @property
    def alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        with self.output.open("ab") as output:
            self._process = subprocess.Popen(
                self.command, cwd=self._folder, env=self.env, stdin=subprocess.DEVNULL, stdout=output, stderr=output
            )

    def signal(self, number: int) -> None:
        if self.alive and self._process is not None:
            self._process.send_signal(number)

    async def ended(self, seconds: float) -> int:
        """Its exit code; fails when it does not end in time."""
        process = self._process
        assert process is not None
        try:
            code = await asyncio.to_thread(process.wait, seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise AssertionError(f"{self.name} did not end within {seconds} s") from None
        self.codes.append(code)
        return code

    def kill(self) -> None:
        if self.alive and self._process is not None:
            self._process.kill()
            self.codes.append(self._process.wait())

    def children(self, having: str = "") -> list[int]:
        """Processes that it has started itself, with ``having`` in their command line.

        Source: the field ``ppid`` of /proc/PID/stat, and /proc/PID/cmdline.
        """
        found = []
        for stat in Path("/proc").glob("[0-9]*/stat"):
            with contextlib.suppress(OSError):
                if self.alive and int(stat.read_text().rpartition(")")[2].split()[1]) == self.pid:
                    words = stat.with_name("cmdline").read_bytes().decode(errors="replace")
                    found += [int(stat.parent.name)] if having in words else []
        return found


class Replica(Process):
    """One ``portero serve``. ``proxy`` is its way to the store."""

    def __init__(self, number: int, place: Place, proxy: Proxy, python_path: Path, env: Mapping[str, str]) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.proxy = proxy
        all_env = {
            **place.env,
            "PORT": str(self.port),
            "REDIS_URL": proxy.url,
            "PYTHONPATH": str(python_path),
            "PORTERO_CONFIG_DIR": str(place.folder / "config"),
            **env,
        }
        super().__init__(f"r{number}", [sys.executable, "-m", "portero", "serve"], place.folder, all_env)

    async def ready(self) -> bool:
        try:
            async with httpx.AsyncClient(timeout=2) as http:
                return (await http.get(f"{self.url}/ready")).status_code == 200
        except httpx.TransportError:
            return False

    async def until_ready(self, seconds: float = START_SECONDS) -> bool:
        """False when it has ended, or is still not ready after ``seconds``."""
        until = time.monotonic() + seconds
        while self.alive and time.monotonic() < until:
            if await self.ready():
                return True
            await asyncio.sleep(0.05)
        return False


class Cluster:
    """Enter it and everything runs; leave it and everything has ended.

    ``code``: where the code of each replica is. ``keep``: a folder for what is worth reading afterwards.
    """

    def __init__(self, kind: str, code: Sequence[Path], *, env: Mapping[str, str], keep: Path | None = None) -> None:
        self._keep = keep
        self.store = Server(kind, tcp=True, settings={"appendfsync": "always"}, lasting=True)
        self.web_port = free_port()
        self.place = Place()
        self.folder = self.place.folder
        local = {"command": sys.executable, "timeoutSeconds": 20}
        fx = {"name": "fx", **local, "args": [str(EFFECTS), str(self.effects)]}
        web = {"name": "web", "url": f"http://127.0.0.1:{self.web_port}/mcp", "timeoutSeconds": 20}
        solo = {"name": SOLO, **local, "args": [str(EFFECTS), str(self.effects), "alone", SOLO], "instances": "one"}
        self.place.configure("mcps", {"mcps": [fx, web, solo]})
        self.place.configure("policies", POLICIES)
        command = [sys.executable, str(EFFECTS), str(self.effects), str(self.web_port)]
        self.web = Process("web", command, self.folder, self.place.env)
        self.replicas = [
            Replica(number, self.place, Proxy(self.store.port, free_port()), path, env)
            for number, path in enumerate(code)
        ]

    @property
    def effects(self) -> Path:
        return self.place.effects

    async def __aenter__(self) -> "Cluster":
        try:
            await asyncio.to_thread(self.store.start)
            self.web.start()
            for replica in self.replicas:
                await replica.proxy.start()
                replica.start()
            for replica in self.replicas:
                assert await replica.until_ready(), replica.output.read_text()[-3000:]
        except BaseException:
            await self.__aexit__()
            raise
        return self

    async def __aexit__(self, *_: Any) -> None:
        for process in (*self.replicas, self.web):
            process.signal(signal.SIGCONT)
            process.kill()
        for replica in self.replicas:
            await replica.proxy.stop()
        if self._keep is not None:
            for file in (*self.folder.glob("*.log"), self.effects):
                shutil.copy(file, self._keep / file.name)
            if (self.store.folder / "log").exists():
                shutil.copy(self.store.folder / "log", self._keep / "store.log")
        self.store.stop()
        self.place.__exit__()

    def owner(self) -> Replica | None:
        """The one that runs the server of which there is one instance; None while none does."""
        return next((replica for replica in self.replicas if replica.children(SOLO)), None)

    def heal(self) -> None:
        """Ends every disturbance but that processes are not there."""
        for replica in self.replicas:
            proxy = replica.proxy
            proxy.refuses, proxy.delay = False, 0.0
            for direction in (0, 1):
                proxy.release(direction)
            replica.signal(signal.SIGCONT)

    def output(self) -> str:
        """What all replicas have said."""
        return "".join(
            replica.output.read_text(errors="replace") for replica in self.replicas if replica.output.exists()
        )


def end(pid: int) -> None:
    """SIGKILL, whether or not it is still there."""
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return
