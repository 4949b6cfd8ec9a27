"""Claude Code as a program: in a home of its own, with nothing but the loopback to talk to."""

import contextlib
import json
import os
import platform
import pty
import signal
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import attrs

from tests.claude.model import Model

MODULES = Path(__file__).parent / "node_modules" / "@anthropic-ai"
SECONDS = 120
QUIET = ("DISABLE_TELEMETRY", "DISABLE_AUTOUPDATER", "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC")
"""Without these it would talk to others than the loopback."""


def program() -> Path:
    """The binary for this machine; npm has chosen it."""
    machine = {"x86_64": "x64", "aarch64": "arm64", "arm64": "arm64"}[platform.machine()]
    return MODULES / f"claude-code-{platform.system().lower()}-{machine}" / "claude"


@attrs.frozen
class Claude:
    home: Path

    def environ(self, model: Model | None = None) -> dict[str, str]:
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(self.home),
            "ANTHROPIC_BASE_URL": model.url if model is not None else "http://127.0.0.1:9",
            "ANTHROPIC_API_KEY": "made-up",
            **dict.fromkeys(QUIET, "1"),
        }

    def run(self, *words: str, model: Model | None = None) -> str:
        """What it says, whatever its exit code."""
        done = subprocess.run(
            [program(), *words],
            cwd=self.home,
            env=self.environ(model),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
        return done.stdout + done.stderr

    def add(self, url: str, *headers: str) -> None:
        options = [word for header in headers for word in ("--header", header)]
        assert "Added" in self.run("mcp", "add", "--transport", "http", "portero", url, *options)

    @contextmanager
    def sitting(self, model: Model, prompt: str, *allowed: str) -> Iterator[None]:
        """An interactive one, in a terminal of its own, that has been given a prompt; ended with the block."""
        self._settle_in()
        pid, terminal = pty.fork()
        if pid == 0:
            os.chdir(self.home)
            words = [str(program()), "--allowedTools", ",".join(allowed), "--", prompt]
            os.execve(words[0], words, {**self.environ(model), "TERM": "xterm-256color"})  # noqa: S606 - itself
        reader = threading.Thread(target=_drain, args=(terminal,))
        reader.start()
        try:
            yield
        finally:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            reader.join()
            os.close(terminal)

    def _settle_in(self) -> None:
        """As after its first start, with every question answered that it has then."""
        file = self.home / ".claude.json"
        settings = json.loads(file.read_text())
        key = {"approved": [self.environ()["ANTHROPIC_API_KEY"]], "rejected": []}
        settings |= {"hasCompletedOnboarding": True, "theme": "dark", "customApiKeyResponses": key}
        settings["projects"][str(self.home)] |= {"hasTrustDialogAccepted": True, "hasCompletedProjectOnboarding": True}
        file.write_text(json.dumps(settings))

    def asks(self, model: Model, *allowed: str) -> str:
        """One headless conversation."""
        return self.run("-p", "do as you are told", "--allowedTools", ",".join(allowed), model=model)


def _drain(terminal: int) -> None:
    """Reads what is shown, or it would stop showing."""
    with contextlib.suppress(OSError):  # the other end is closed
        while os.read(terminal, 65536):
            pass
