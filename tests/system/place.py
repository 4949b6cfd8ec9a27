"""A Portero as people run it: ``portero serve`` as a process in a folder of its own, real clients, and a big hammer."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

import httpx

ROOT = Path(__file__).parents[2]
EFFECTS = Path(__file__).parent / "effects.py"
TOKEN = "a-token-for-tests-that-is-long-enough"
POLICIES = {
    "policies": {"fx/do": "allow", "fx/look": "allow", "fx/danger": "require-approval", "fx/forbidden": "deny"},
    "defaultPolicy": "require-approval",
}
KEPT = ("PATH", "HOME", "LANG", "TMPDIR", "VIRTUAL_ENV", "PYTHONHASHSEED")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_until(condition: Callable[[], Any], description: str, seconds: float = 40.0) -> Any:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found := condition():
            return found
        time.sleep(0.02)
    raise AssertionError(f"waited {seconds} s in vain: {description}")


class Place:
    """A folder with configuration and data; ``start`` serves from it, as often as needed."""

    def __init__(self, *, servers: list[dict[str, Any]] | None = None, **env: str) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="pts-"))
        self.effects = self.folder / "effects"
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.env = {
            **{name: os.environ[name] for name in KEPT if name in os.environ},
            "PYTHONPATH": str(ROOT),
            "PYTHONUNBUFFERED": "1",
            "BEARER_TOKEN": TOKEN,
            "PORT": str(self.port),
            "NO_COLOR": "1",
            **env,
        }
        self.gateways: list[subprocess.Popen[bytes]] = []
        self.clients: list[Client] = []
        mine = {"name": "fx", "command": sys.executable, "args": [str(EFFECTS), str(self.effects)]}
        self.configure("mcps", {"mcps": servers if servers is not None else [mine]})
        self.configure("policies", POLICIES)
        self.configure("replacements", {"replacements": []})

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for client in self.clients:
            client.http.close()
        for gateway in self.gateways:
            if gateway.poll() is None:
                gateway.terminate()
                try:
                    gateway.wait(20)
                except subprocess.TimeoutExpired:
                    gateway.kill()
                    gateway.wait()
        if (pid := self.store_pid()) is not None:
            os.kill(pid, signal.SIGKILL)
        shutil.rmtree(self.folder, ignore_errors=True)

    def configure(self, name: str, content: object) -> None:
        file = self.folder / "config" / f"{name}.json"
        file.parent.mkdir(exist_ok=True)
        file.write_text(json.dumps(content))

    # --- processes --------------------------------------------------------------------------------------------------

    def start(self, *, ready: bool = True, **env: str) -> subprocess.Popen[bytes]:
        with (self.folder / "serve.log").open("ab") as output:
            gateway = subprocess.Popen(
                [sys.executable, "-m", "portero", "serve"],
                cwd=self.folder,
                env={**self.env, **env},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )
        self.gateways.append(gateway)
        if ready:
            url = f"http://127.0.0.1:{env.get('PORT', self.port)}"
            wait_until(lambda: is_up(gateway, url), f"{url} is ready: {self.output()[-2000:]}")
        return gateway

    def output(self) -> str:
        return (self.folder / "serve.log").read_text(errors="replace")

    def store_pid(self) -> int | None:
        """The embedded store's process, found by its socket's path."""
        for process in Path("/proc").iterdir():
            if process.name.isdigit():
                try:
                    command = (process / "cmdline").read_bytes()
                except OSError:
                    continue
                if b"valkey-server" in command and str(self.folder).encode() in command:
                    return int(process.name)
        return None

    def command(self, *arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
        """``portero …`` as a person runs it in a second terminal."""
        return subprocess.run(
            [sys.executable, "-m", "portero", *arguments],
            cwd=self.folder,
            env={**self.env, **env},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def json(self, *arguments: str) -> list[Any]:
        """What a command says with ``--json``, a value a line."""
        done = self.command(*arguments, "--json")
        assert done.returncode == 0, done.stderr
        return [json.loads(line) for line in done.stdout.splitlines()]

    # --- clients ----------------------------------------------------------------------------------------------------

    def client(self, **more: Any) -> "Client":
        client = Client(self.url, **more)
        self.clients.append(client)
        return client

    def done(self) -> Counter[str]:
        """How often each id had its effect; that a server begins is none."""
        if not self.effects.exists():
            return Counter()
        lines = [line.split() for line in self.effects.read_text().splitlines()]
        return Counter(line[1] for line in lines if line[0] not in {"begins", "twin"})


def is_up(gateway: subprocess.Popen[bytes], url: str) -> bool:
    assert gateway.poll() is None, "the gateway ended"
    try:
        ready = httpx.get(f"{url}/ready", timeout=2)
    except httpx.TransportError:
        return False
    return ready.status_code == 200


class Client:
    """An MCP client of the older era, as simple as it can be; one HTTP connection pool."""

    def __init__(self, url: str, *, token: str = TOKEN, timeout: float = 30) -> None:
        headers = {
            "authorization": f"Bearer {token}",
            "accept": "application/json, text/event-stream",
            "mcp-protocol-version": "2025-11-25",
        }
        self.http = httpx.Client(base_url=url, headers=headers, timeout=timeout)
        self.asynchronous = httpx.AsyncClient(base_url=url, headers=headers, timeout=timeout)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.asynchronous.aclose()

    def rpc(self, method: str, **params: Any) -> dict[str, Any]:
        """The whole answer: ``result`` or ``error``."""
        return last(self.http.post("/mcp", json=message(method, params)))

    async def arpc(self, method: str, **params: Any) -> dict[str, Any]:
        return last(await self.asynchronous.post("/mcp", json=message(method, params)))

    def tool(self, name: str, **arguments: Any) -> dict[str, Any]:
        return self.rpc("tools/call", name=name, arguments=arguments)

    async def atool(self, name: str, **arguments: Any) -> dict[str, Any]:
        return await self.arpc("tools/call", name=name, arguments=arguments)

    def ask(self, identity: str, **more: Any) -> str:
        """A call that needs approval; its task."""
        return str(document(self.tool("fx/danger", id=identity, **more))["task_id"])

    def task(self, task: str) -> dict[str, Any]:
        """A task as ``list_tasks`` shows it."""
        listed = document(self.tool("portero/list_tasks", limit=100))["tasks"]
        return next(item for item in listed if item["task_id"].split("-")[0] == task.split("-", maxsplit=1)[0])

    def check(self, task: str, wait: int = 0) -> dict[str, Any]:
        return self.tool("portero/check_task", task_id=task, wait_seconds=wait)


def message(method: str, params: dict[str, Any]) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}


def last(response: httpx.Response) -> dict[str, Any]:
    if response.headers.get("content-type", "").startswith("text/event-stream"):
        data = [line[6:] for line in response.text.splitlines() if line.startswith("data: ")]
        return dict(json.loads(data[-1]))
    return dict(response.json())


def document(answer: dict[str, Any]) -> dict[str, Any]:
    """The JSON in the one text item of a result."""
    assert "result" in answer, answer
    (item,) = answer["result"]["content"]
    return dict(json.loads(item["text"]))


def kill(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGKILL)
    process.wait()
