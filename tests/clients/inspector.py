"""The MCP Inspector's two command lines: one call per process, and one connection that many commands share."""

import json
import os
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

import attrs

from tests.clients.world import MODULES, NODE
from tests.system.place import TOKEN

PROGRAMS = MODULES / "@modelcontextprotocol" / "inspector" / "clients"
BEARER = f"Authorization: Bearer {TOKEN}"
SECONDS = 60


@attrs.frozen
class Said:
    """What a command printed: one JSON value, its result or its error; and how it exited."""

    code: int
    value: Any


def run(program: str, words: Sequence[str], home: Path) -> Said:
    done = subprocess.run(
        [NODE, PROGRAMS / program, *words], env=environ(home), capture_output=True, timeout=SECONDS, check=False
    )
    for output in (done.stdout, done.stderr):
        start = output.find(b"{")
        if start >= 0:
            return Said(done.returncode, json.JSONDecoder().raw_decode(output[start:].decode())[0])
    raise AssertionError(done)


@attrs.frozen
class Inspector:
    """``inspector --cli``: each command connects, does one thing and leaves."""

    url: str
    era: str
    home: Path

    def run(self, method: str, *options: str) -> Said:
        server = ["--cli", "--server-url", f"{self.url}/mcp", "--transport", "http", "--header", BEARER]
        words = [*server, "--protocol-era", self.era, "--format", "json", "--method", method, *options]
        return run("launcher/build/index.js", words, self.home)

    def call(self, tool: str, arguments: dict[str, Any]) -> Said:
        """A call that waits for a person waits here too."""
        return self.run("tools/call", "--tool-name", tool, "--tool-args-json", json.dumps(arguments))


class Connection:
    """``mcpdo``: a daemon holds the connection, every command uses it."""

    def __init__(self, url: str, era: str, home: Path) -> None:
        self._home, self._era = home, era
        self._config = home / f"{era}.json"
        server = {"type": "http", "url": f"{url}/mcp", "headers": {"Authorization": f"Bearer {TOKEN}"}}
        self._config.write_text(json.dumps({"mcpServers": {"portero": server}}))

    def __enter__(self) -> Self:
        connected = self.run("--config", str(self._config), "connect", "portero", "--era", self._era)
        assert connected.code == 0, connected
        return self

    def __exit__(self, *_: object) -> None:
        self.run("daemon", "stop")

    def run(self, *words: str) -> Said:
        return run("mcpdo/build/mcp-bin.js", ["--format", "json", *words], self._home)

    def do(self, *words: str) -> Said:
        """A command on the connection."""
        return self.run("@portero", *words)


def environ(home: Path) -> dict[str, str]:
    """Nothing of the person's own: no catalogue, no keychain, no sign-in."""
    own = {"HOME": str(home), "MCP_INSPECTOR_SECRET_STORE": "file"}
    return {
        **own,
        "PATH": os.environ["PATH"],
        "MCP_INSPECTOR_DAEMON_DIR": str(home / "d"),
        "MCP_INSPECTOR_DAEMON_TOKEN": "of-this-test",
        "NO_COLOR": "1",
    }
