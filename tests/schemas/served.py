"""Lists of tools as a real ``portero serve`` gives them, and as the servers behind it wrote them."""

import json
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import attrs

from tests.schemas import rawjson
from tests.servers.real import Real
from tests.system.place import TOKEN, Place, wait_until

HERE = Path(__file__).parent
MODERN = "2026-07-28"
META = "io.modelcontextprotocol/"
TASKS = {"extensions": {META + "tasks": {}}}

Tools = dict[str, list[str]]
"""The JSON texts of each server's tools, in their order."""


def behind_tee(servers: Mapping[str, Real], folder: Path) -> list[dict[str, Any]]:
    """Entries for ``mcps.json``: what each server says is also in ``<folder>/<name>.said``."""
    tee = str(HERE / "tee.py")
    return [
        {"name": name, "command": sys.executable, "args": [tee, str(said(folder, name)), *real.command]}
        | {"env": real.env}
        for name, real in servers.items()
    ]


def said(folder: Path, name: str) -> Path:
    return folder / f"{name}.said"


def replayed(tools: Tools, folder: Path) -> list[dict[str, Any]]:
    """Entries for servers that list these tools."""
    entries = []
    for name, texts in tools.items():
        (folder / f"{name}.tools").write_text("\n".join(texts))
        args = [str(HERE / "replay.py"), str(folder / f"{name}.tools")]
        entries.append({"name": name, "command": sys.executable, "args": args})
    return entries


def listed_by(record: Path) -> list[str]:
    """The tools of the last whole ``tools/list`` that a server answered with, one JSON text each."""
    pages: list[list[str]] = []
    for line in record.read_text().splitlines():
        message = json.loads(line)
        result = message.get("result")
        if isinstance(result, dict) and "tools" in result:
            pages.append(rawjson.items(rawjson.member(rawjson.member(line, "result"), "tools")))
            assert "nextCursor" not in result, "put the pages of this server together"
    return pages[-1]


@attrs.frozen
class Listed:
    """What one client was shown, by the names it was shown under."""

    tools: dict[str, str]

    def of(self, server: str, spelling: str) -> list[str]:
        """The tools of one server, in the order of the list."""
        start = f"{server}/" if spelling == "slash" else re.sub(r"[^A-Za-z0-9_-]", "_", f"{server}__")
        return [text for name, text in self.tools.items() if name.startswith(start)]


def list_tools(place: Place, *, modern: bool, **capabilities: Any) -> Listed:
    """All pages, as bytes from the wire."""
    headers = {"authorization": f"Bearer {TOKEN}", "accept": "application/json, text/event-stream"}
    params: dict[str, Any] = {}
    if modern:
        headers |= {"mcp-protocol-version": MODERN, "mcp-method": "tools/list"}
        params = {"_meta": {META + "protocolVersion": MODERN, META + "clientCapabilities": capabilities}}
    found: dict[str, str] = {}
    http = place.client().http
    while True:
        body = {"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": params}
        result = rawjson.member(http.post("/mcp", json=body, headers=headers).content.decode(), "result")
        for text in rawjson.items(rawjson.member(result, "tools")):
            name = json.loads(rawjson.member(text, "name"))
            assert name not in found
            found[name] = text
        cursor = json.loads(result).get("nextCursor")
        if cursor is None:
            return Listed(found)
        params = {**params, "cursor": cursor}


@contextmanager
def serving(
    servers: list[dict[str, Any]],
    *,
    policies: Mapping[str, str] | None = None,
    replacements: Sequence[Mapping[str, Any]] = (),
    **env: str,
) -> Iterator[Place]:
    """A gateway with these servers, once all of them have been listed; what ``policies`` does not say is allowed."""
    with Place(servers=servers, **env) as place:
        place.configure("policies", {"policies": policies or {}, "defaultPolicy": "allow"})
        place.configure("replacements", {"replacements": replacements})
        place.start()
        client = place.client()

        def connected() -> set[str]:
            metrics = client.http.get("/metrics").text
            return set(re.findall(r'portero_upstream_state\{server="([^"]+)",state="connected"\} 1', metrics))

        wait_until(lambda: connected() == {server["name"] for server in servers}, "all servers are connected", 90)
        yield place
