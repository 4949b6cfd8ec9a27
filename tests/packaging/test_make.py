"""The first of the two commands, in a fresh copy of the checkout: from nothing to the first answered call."""

import json
import os
import re
import shutil
import signal
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.packaging.tools import ROOT, free_port, wait_until


def clone(folder: Path) -> None:
    """What git knows of the checkout or would add to it: no environment, no data."""
    listing = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    for name in subprocess.run(listing, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines():
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)


@contextmanager
def make_run(folder: Path, port: int) -> Iterator[Path]:
    """``make run`` as a person types it; the file that holds its output. Ended with Ctrl-C, as a terminal sends it."""
    kept = {name: value for name, value in os.environ.items() if name.startswith(("PIP_", "SSL_", "LANG"))}
    environ = {"PATH": os.environ["PATH"], "HOME": os.environ["HOME"], "PORT": str(port), **kept}
    output = folder / "output"
    with output.open("wb") as out:
        options = {"cwd": folder, "env": environ, "stdin": subprocess.DEVNULL, "stdout": out, "stderr": out}
        process = subprocess.Popen(["make", "run"], start_new_session=True, **options)  # type: ignore[call-overload]
    try:
        yield output
    finally:
        os.killpg(process.pid, signal.SIGINT)
        process.wait(30)
    assert "Traceback" not in output.read_text()


def call(port: int, token: str, tool: str, arguments: dict[str, str]) -> str:
    params = {"name": tool, "arguments": arguments}
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}).encode()
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    request = urllib.request.Request(f"http://127.0.0.1:{port}/mcp", body, headers)
    with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310 - on the loopback
        text: str = json.load(answer)["result"]["content"][0]["text"]
        return text


@pytest.mark.timeout(300)
def test_one_command_leads_to_the_first_answered_call(tmp_path: Path) -> None:
    clone(tmp_path)
    port = free_port()
    with make_run(tmp_path, port) as output:
        wait_until(lambda: "upstream connected" in output.read_text(), "the gateway is up", seconds=240)
        told = output.read_text()
        token = re.search(r"Its token, .*: (\S+)\n", told)
        assert token, told
        assert f"claude mcp add --transport http portero http://127.0.0.1:{port}/mcp" in told
        assert "'github' is skipped: GITHUB_TOKEN is not set" in told
        assert call(port, token[1], "files/list_directory", {"path": "."})

    began = time.monotonic()
    with make_run(tmp_path, port) as output:
        wait_until(lambda: "upstream connected" in output.read_text(), "the gateway is up again")
        took = time.monotonic() - began
        assert "Installing" not in output.read_text(), "nothing is installed a second time"
        assert took < 15
        assert call(port, token[1], "files/list_directory", {"path": "."}), "the token is still the same"
