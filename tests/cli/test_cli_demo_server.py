"""The demo's own MCP server, as a process, without a gateway."""

import json
import subprocess
import sys
from pathlib import Path

import portero.demo.server

SERVER = portero.demo.server.__file__


def exchange(*messages: object, journal: Path | None = None) -> list[dict[str, object]]:
    process = subprocess.run(
        [sys.executable, "-I", SERVER],
        input="".join(json.dumps(message) + "\n" for message in messages),
        env={"OFFICE_JOURNAL": str(journal)} if journal else {},
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=20,
        check=True,
    )
    return [json.loads(line) for line in process.stdout.splitlines()]


def request(number: int, method: str, **params: object) -> dict[str, object]:
    return {"jsonrpc": "2.0", "id": number, "method": method, "params": params}


def test_it_speaks_mcp() -> None:
    hello, tools, unknown = exchange(
        request(1, "initialize", protocolVersion="2025-06-18"),
        {"jsonrpc": "2.0", "method": "notifications/initialized"},
        request(2, "tools/list"),
        request(3, "resources/list"),
    )
    assert hello["result"]["protocolVersion"] == "2025-06-18"
    assert [tool["name"] for tool in tools["result"]["tools"]] == ["find_customer", "send_mail", "delete_customer"]
    assert unknown["error"]["code"] == -32601


def test_it_journals_what_arrives(tmp_path: Path) -> None:
    journal = tmp_path / "journal"
    found, failed = exchange(
        request(1, "tools/call", name="find_customer", arguments={"name": "Li Wei"}),
        request(2, "tools/call", name="find_customer", arguments={"nom": "Li Wei"}),
        journal=journal,
    )
    assert found["result"] == {
        "content": [{"type": "text", "text": "Li Wei <li.wei@harbour.example>"}],
        "isError": False,
    }
    assert failed["result"]["isError"]
    assert [json.loads(line)["arguments"] for line in journal.read_text().splitlines()] == [
        {"name": "Li Wei"},
        {"nom": "Li Wei"},
    ]
