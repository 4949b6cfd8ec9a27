"""What the packaging tests share: programs they run, a gateway that they start as a person does, and a call on it."""

import json
import os
import shutil
import signal
import socket
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

T = TypeVar("T")
ROOT = Path(__file__).parent.parent.parent


def program(name: str) -> str:
    """The path of a program, from the PATH or from where ``make test`` unpacks it."""
    found = shutil.which(name) or shutil.which(name, path=ROOT / ".tools" / "prometheus" / "usr" / "bin")
    assert found, f"{name} is missing; `make test` gets it"
    return found


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_until(condition: Callable[[], T], description: str, seconds: float = 20) -> T:
    """The condition's first true value; fails with the description when there is none in time."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if value := condition():
            return value
        time.sleep(0.02)
    raise AssertionError(f"waited {seconds} s in vain: {description}")


@contextmanager
def serving(command: Sequence[str | Path], folder: Path, port: int, seconds: float = 30) -> Iterator[Path]:
    """A gateway on the default configuration, up and with its file server connected; the file with its output.

    Ended by what Ctrl-C in a terminal sends to everything that was started in it.
    """
    kept = {name: value for name, value in os.environ.items() if name.startswith(("PIP_", "SSL_", "LANG"))}
    environ = {"PATH": os.environ["PATH"], "HOME": os.environ["HOME"], "PORT": str(port), **kept}
    output = folder / "output"
    with output.open("wb") as out:
        process = subprocess.Popen(
            command, cwd=folder, env=environ, stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True
        )
    try:
        up = lambda: process.poll() is not None or b"upstream connected" in output.read_bytes()  # noqa: E731
        wait_until(up, "the gateway and its file server are up", seconds)
        assert process.poll() is None, output.read_text()
        yield output
    finally:
        os.killpg(process.pid, signal.SIGINT)
        process.wait(30)
    assert "Traceback" not in output.read_text(), output.read_text()


def rpc(url: str, token: str, method: str, params: dict[str, Any]) -> Any:
    """The result of one request, as a client of the older era sends it."""
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).encode()
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json", "Accept": "application/json"}
    request = urllib.request.Request(url, body, headers)  # noqa: S310 - on the loopback
    with urllib.request.urlopen(request, timeout=20) as answer:  # noqa: S310 - on the loopback
        return json.load(answer)["result"]


def list_folder(port: int, token: str) -> str:
    """A first call that the default configuration allows."""
    params = {"name": "files/list_directory", "arguments": {"path": "."}}
    result = rpc(f"http://127.0.0.1:{port}/mcp", token, "tools/call", params)
    assert not result.get("isError"), result
    return str(result["content"][0]["text"])
