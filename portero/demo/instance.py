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
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, Final

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


class DemoFailed(PorteroError):
    """Something did not go as the demo says it does."""


@attrs.frozen
class Instance:
    """A gateway that runs, and how to reach it."""

    folder: Path
    environment: dict[str, str]
    port: int
    token: str
    gateway: asyncio.subprocess.Process

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
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "portero", *arguments, cwd=self.folder, env=self.environment
        )
        try:
            return await process.wait()
        finally:
            if process.returncode is None:
                _tell(process, signal.SIGTERM)
                await process.wait()


@asynccontextmanager
async def throw_away() -> AsyncIterator[Instance]:
    """Starts a gateway in a new folder; whatever happens, stops it with all it started, and removes the folder."""
    folder = Path(tempfile.mkdtemp(prefix="portero-demo-"))
    gateway: asyncio.subprocess.Process | None = None
    try:
        port, token = _free_port(), secrets.token_urlsafe(24)
        environment = _prepare(folder, port, token)
        with (folder / "gateway.log").open("wb") as log:
            gateway = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "portero",
                "serve",
                cwd=folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # a Ctrl-C is for the demo, which then stops the gateway in good order
            )
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


def _tell(process: asyncio.subprocess.Process, number: signal.Signals) -> None:
    """Not by the process's own ``terminate``: that looks whether it has ended, and asyncio then misses its end."""
    with suppress(ProcessLookupError):
        os.kill(process.pid, number)


async def _stop(gateway: asyncio.subprocess.Process, data: Path) -> None:
    """Ends the gateway as Ctrl-C would; one that does not end in time is killed, and then its store is ended for it."""
    _tell(gateway, signal.SIGTERM)
    try:
        await asyncio.wait_for(gateway.wait(), STOP_SECONDS)
    except TimeoutError:
        with suppress(ProcessLookupError):
            os.killpg(gateway.pid, signal.SIGKILL)
        await gateway.wait()
    if gateway.returncode != 0:
        from portero.log.embedded import EmbeddedStore  # takes a while to import, and is hardly ever needed here

        await EmbeddedStore(data).stop("portero:demo")
