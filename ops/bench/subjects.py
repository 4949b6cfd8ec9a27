"""What is measured: Portero as a real process, FastMCP's proxy, and the bare pipe, on the same upstream."""

import http.client
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import attrs
import redis

from ops.bench import client, proc
from ops.processes import free_port, running
from portero.log.runtime import read_socket

ECHO = [sys.executable, str(Path(__file__).with_name("echo.py"))]
TOKEN = "bench-token-that-guards-nothing"  # noqa: S105 - of a process that lives for a minute


@attrs.frozen
class Subject:
    """``load``: the client's arguments; ``pids``: whose CPU is counted; ``start``: s until the first answer."""

    name: str
    load: list[str]
    pids: Mapping[str, int] = attrs.field(factory=dict)
    start: float | None = None


def raw() -> Subject:
    return Subject("raw pipe", ["--", *ECHO])


@contextmanager
def portero(folder: Path, fsync: str) -> Iterator[Subject]:
    """``portero serve`` on its embedded store, which flushes to disk ``always`` or ``everysec``."""
    config, data, port = folder / "config", folder / "data", free_port()
    config.mkdir(parents=True)
    files = {
        "mcps": {"mcps": [{"name": "bench", "command": ECHO[0], "args": ECHO[1:]}]},
        "policies": {"policies": {"bench/echo": "allow"}, "defaultPolicy": "deny"},
        "replacements": {"replacements": [{"fake": "John Doe", "real": "Jane Roe-Example", "bidirectional": True}]},
    }
    for name, content in files.items():
        (config / f"{name}.json").write_text(json.dumps(content))
    environ = {
        **os.environ,
        "PORT": str(port),
        "BEARER_TOKEN": TOKEN,
        "PORTERO_CONFIG_DIR": str(config),
        "PORTERO_DATA_DIR": str(data),
        "PORTERO_FSYNC": fsync,
        "LOG_LEVEL": "warning",
    }
    for name in ("REDIS_URL", "TELEGRAM_BOT_TOKEN", "SSL_CERT_PATH", "SSL_KEY_PATH", "HOST"):
        environ.pop(name, None)
    with running([sys.executable, "-m", "portero", "serve"], folder, environ) as process:
        start = first_answer(process, port, "/mcp", "bench/echo", folder)
        with redis.Redis(unix_socket_path=read_socket(data / "store"), decode_responses=True) as store:
            pid = int(store.info("server")["process_id"])
            assert store.config_get("appendfsync") == {"appendfsync": fsync}
        url = f"http://127.0.0.1:{port}/mcp"
        load = ["--url", url, "--token", TOKEN, "--tool", "bench/echo"]
        yield Subject(f"Portero, {fsync}", load, {"gateway": process.pid, "store": pid}, start)


@contextmanager
def fastmcp(folder: Path, python: str) -> Iterator[Subject]:
    folder.mkdir()
    port = free_port()
    command = [python, str(Path(__file__).with_name("fastmcp_proxy.py")), str(port), *ECHO]
    with running(command, folder, dict(os.environ)) as process:
        start = first_answer(process, port, "/mcp", "echo", folder)
        load = ["--url", f"http://127.0.0.1:{port}/mcp", "--tool", "echo"]
        yield Subject("FastMCP proxy", load, {"gateway": process.pid}, start)


def first_answer(process: subprocess.Popen[bytes], port: int, path: str, tool: str, folder: Path) -> float:
    """Seconds until the first right answer to a tools/call, asked again and again from the start on."""
    started = time.perf_counter()
    body = client.call(1, "hello", tool)
    headers = {
        "Authorization": f"Bearer {TOKEN}",
        "Content-Type": "application/json",
        "Accept": "application/json, text/event-stream",
        "MCP-Protocol-Version": client.MODERN,
        "Mcp-Method": "tools/call",
        "Mcp-Name": tool,
    }
    last = b"no connection"
    while time.perf_counter() - started < 30 and process.poll() is None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        try:
            connection.request("POST", path, body, headers)
            last = connection.getresponse().read()
        except ConnectionError:
            time.sleep(0.01)
            continue
        finally:
            connection.close()
        if b'"hello"' in last:
            return time.perf_counter() - started
        time.sleep(0.01)
    output = (folder / "output").read_text(errors="replace")[-3000:]
    raise SystemExit(f"no answer to a first call: {last.decode(errors='replace')[:500]}\n{output}")


@attrs.frozen
class Sample:
    """One measurement: the load, and CPU in µs per call of each process that was named."""

    load: client.Load
    cpu: dict[str, float]


def measure(subject: Subject, inflight: int, seconds: float, warmup: float = 0.3) -> Sample:
    options = ["--inflight", str(inflight), "--seconds", str(seconds), "--warmup", str(warmup)]
    command = [sys.executable, "-m", "ops.bench.client", *options, *subject.load]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin
        assert process.stdout
        if process.stdout.readline() != "ready\n":
            raise SystemExit(f"the client did not get through its warm-up against {subject.name}")
        before = {role: proc.usage(pid).cpu for role, pid in subject.pids.items()}
        process.stdin.write("go\n")
        process.stdin.flush()
        load = client.Load(**json.loads(process.stdout.readline()))
        used = {role: proc.usage(pid).cpu - before[role] for role, pid in subject.pids.items()}
    return Sample(load, {role: cpu * 1e6 / load.calls for role, cpu in used.items()})
