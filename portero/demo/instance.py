"""A throw-away Portero for the demo: its own folder, a free port, a gateway process, and nothing left afterwards."""

import asyncio
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import IO, Any, Final

import attrs

import portero
from portero.demo import server
from portero.errors import PorteroError

FAKE_NAME, REAL_NAME = "Jane Doe", "Marta Ruiz"
FAKE_MAIL, REAL_MAIL = "jane.doe@example.com", "marta.ruiz@harbour.example"

POLICIES: Final = {
    "policies": {"office/find_*": "allow", "office/delete_*": "deny", "office/send_mail": "require-approval"},
    "defaultPolicy": "require-approval",
}
REPLACEMENTS: Final = {
    "replacements": [
        {"fake": FAKE_NAME, "real": "${REAL_NAME}", "bidirectional": True},
        {"fake": FAKE_MAIL, "real": "${REAL_EMAIL}", "bidirectional": True},
    ]
}
_KEPT: Final = ("PATH", "HOME", "LANG", "LC_ALL", "LC_CTYPE", "TERM", "COLUMNS", "TZ", "TMPDIR", "NO_COLOR")
"""What the demo takes over from the person's environment: no token, no store, no bot of theirs."""

STOP_SECONDS: Final = 10.0
LOOK_SECONDS: Final = 0.02

Process = subprocess.Popen[bytes]


class DemoFailed(PorteroError):
    """Something did not go as the demo says it does."""


@attrs.frozen
class Instance:
    """A gateway that runs, and how to reach it."""

    folder: Path
    environment: dict[str, str]
    port: int
    token: str
    gateway: Process

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/mcp"

    @property
    def journal(self) -> list[dict[str, Any]]:
        """The calls that reached the office, oldest first."""
        file = self.folder / "journal"
        return [json.loads(line) for line in file.read_text("utf-8").splitlines()] if file.exists() else []

    def gateway_output(self) -> str:
        return (self.folder / "gateway.log").read_text("utf-8", errors="replace")

    async def command(self, *arguments: str) -> int:
        """Runs ``portero …`` as a second actor would, in a process of its own that prints where the demo prints."""
        sys.stdout.flush()
        process = _start(self.folder, self.environment, *arguments)
        try:
            return await _end_of(process)
        finally:
            process.terminate()
            process.wait()


def _start(folder: Path, environment: dict[str, str], *arguments: str, output: IO[bytes] | None = None) -> Process:
    """A Ctrl-C is for the demo, which then ends its processes in good order: they have a session of their own.

    Not a process of asyncio: a cancellation while it starts one leaves that one, or a warning, behind.
    """
    return subprocess.Popen(  # noqa: S603 - our own program
        [sys.executable, "-m", "portero", *arguments],
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=output,
        start_new_session=True,
    )


async def _end_of(process: Process) -> int:
    """Its exit code, once it has ended."""
    while (code := process.poll()) is None:  # noqa: ASYNC110 - a process has no event
        await asyncio.sleep(LOOK_SECONDS)
    await asyncio.sleep(0)  # where a Ctrl-C ended it, that is for us too, and comes first
    return code


@asynccontextmanager
async def throw_away() -> AsyncIterator[Instance]:
    """Starts a gateway in a new folder; whatever happens, stops it with all it started, and removes the folder."""
    folder = Path(tempfile.mkdtemp(prefix="portero-demo-"))
    gateway: Process | None = None
    try:
        port, token = _free_port(), secrets.token_urlsafe(24)
        environment = _prepare(folder, port, token)
        with (folder / "gateway.log").open("wb") as log:
            gateway = _start(folder, environment, "serve", output=log)
        yield Instance(folder, environment, port, token, gateway)
    finally:
        # a second, impatient Ctrl-C must not leave anything behind
        previous = signal.signal(signal.SIGINT, signal.SIG_IGN)
        try:
            if gateway is not None:
                await asyncio.shield(_stop(gateway, folder / "data"))
        finally:
            shutil.rmtree(folder, ignore_errors=True)
            signal.signal(signal.SIGINT, previous)


def _prepare(folder: Path, port: int, token: str) -> dict[str, str]:
    """Writes the demo's configuration and returns the environment of its processes."""
    journal = folder / "journal"
    office = {
        "name": "office",
        "command": sys.executable,
        "args": [server.__file__],
        "env": {"OFFICE_JOURNAL": str(journal)},
    }
    config = folder / "config"
    config.mkdir()
    for name, content in (("mcps", {"mcps": [office]}), ("policies", POLICIES), ("replacements", REPLACEMENTS)):
        (config / f"{name}.json").write_text(json.dumps(content, indent=2), "utf-8")
    return {
        **{name: os.environ[name] for name in _KEPT if name in os.environ},
        "PYTHONPATH": str(Path(portero.__file__).parents[1]),  # a checkout that is not installed works too
        "PYTHONUNBUFFERED": "1",
        "PORTERO_CONFIG_DIR": str(config),
        "PORTERO_DATA_DIR": str(folder / "data"),
        "HOST": "127.0.0.1",
        "PORT": str(port),
        "BEARER_TOKEN": token,
        "REAL_NAME": REAL_NAME,
        "REAL_EMAIL": REAL_MAIL,
    }


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


async def _stop(gateway: Process, data: Path) -> None:
    """Ends the gateway as Ctrl-C would; one that does not end in time is killed, and then its store is ended for it."""
    gateway.terminate()
    try:
        async with asyncio.timeout(STOP_SECONDS):
            await _end_of(gateway)
    except TimeoutError:
        os.killpg(gateway.pid, signal.SIGKILL)
        gateway.wait()
    if gateway.returncode != 0:
        from portero.log.embedded import EmbeddedStore  # takes a while to import, and is hardly ever needed here

        await EmbeddedStore(data).stop("portero:demo")
