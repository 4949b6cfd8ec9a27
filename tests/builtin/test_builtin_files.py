"""The server that comes with Portero: what its tools do, that they stay in their folder, and its protocol."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portero.builtin.files import tools_of
from portero.builtin.folder import LARGEST, Folder
from portero.builtin.stdio import PROTOCOLS, Tool

ROOT = Path(__file__).parent.parent.parent


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "files"


@pytest.fixture
def tools(root: Path) -> dict[str, Tool]:
    return {tool.name: tool for tool in tools_of(Folder(root))}


def text(tools: dict[str, Tool], name: str, **arguments: Any) -> str:
    result = tools[name].call(arguments)
    assert not result["isError"], result
    return str(result["content"][0]["text"])


def error(tools: dict[str, Tool], name: str, **arguments: Any) -> str:
    result = tools[name].call(arguments)
    assert result["isError"], result
    return str(result["content"][0]["text"])


def test_a_file_is_written_listed_read_found_and_deleted(tools: dict[str, Tool], root: Path) -> None:
    assert text(tools, "list_directory") == ". is empty."
    assert text(tools, "write_file", path="notes/today.txt", content="Grüße\nsecond") == (
        "Wrote 14 bytes to notes/today.txt."
    )
    assert text(tools, "list_directory") == "notes/"
    assert text(tools, "list_directory", path="notes") == "today.txt"
    assert text(tools, "read_text_file", path="notes/today.txt") == "Grüße\nsecond"
    assert text(tools, "search_files", text="GRÜSSE") == "notes/today.txt:1: Grüße"
    assert text(tools, "write_file", path="notes/today.txt", content="") == "Wrote 0 bytes to notes/today.txt."
    assert text(tools, "delete_file", path="notes/today.txt") == "Deleted notes/today.txt."
    assert list((root / "notes").iterdir()) == []
    assert text(tools, "search_files", text="x") == "No file holds 'x'."


@pytest.mark.parametrize("path", ["../out.txt", "/etc/passwd", "a/../../out.txt", "..", "link/x.txt", "out-link"])
@pytest.mark.parametrize("tool", ["read_text_file", "write_file", "delete_file", "list_directory"])
def test_nothing_outside_of_the_folder_can_be_reached(
    tools: dict[str, Tool], root: Path, tmp_path: Path, path: str, tool: str
) -> None:
    outside = tmp_path / "out.txt"
    outside.write_text("outside")
    (tmp_path / "x.txt").write_text("outside")
    (root / "link").symlink_to(tmp_path)
    (root / "out-link").symlink_to(outside)
    arguments = {"path": path} | ({"content": "x"} if tool == "write_file" else {})
    assert "outside of the folder" in error(tools, tool, **arguments)
    assert outside.read_text() == "outside"
    assert "No file holds" in text(tools, "search_files", text="outside")


@given(path=st.text(alphabet="./ab\0\n~\\", max_size=12))
def test_no_path_leaves_the_folder(tmp_path_factory: pytest.TempPathFactory, path: str) -> None:
    place = tmp_path_factory.mktemp("place")
    folder = Folder(place / "files")
    for tool in tools_of(folder):
        if "path" in tool.arguments:
            tool.call({"path": path} | ({"content": "x"} if "content" in tool.arguments else {}))
    assert [entry.name for entry in place.iterdir()] == ["files"]


@pytest.mark.parametrize(
    ("tool", "arguments", "part"),
    [
        ("read_text_file", {"path": "none.txt"}, "There is no file none.txt."),
        ("read_text_file", {"path": "."}, "There is no file ."),
        ("read_text_file", {}, "path is missing."),
        ("read_text_file", {"path": 1}, "path must be a text."),
        ("read_text_file", {"path": "a", "x": "y"}, "has no argument 'x'"),
        ("read_text_file", {"path": "a\0b"}, "NUL"),
        ("read_text_file", {"path": "binary"}, "is not a text in UTF-8"),
        ("read_text_file", {"path": "large"}, "is larger than"),
        ("write_file", {"path": "x", "content": "x" * (LARGEST + 1)}, "is larger than"),
        ("write_file", {"path": ".", "content": "x"}, "is a folder"),
        ("write_file", {"path": "binary/below", "content": "x"}, "write_file failed"),
        ("list_directory", {"path": "binary"}, "is not a folder"),
        ("search_files", {"text": ""}, "text is empty"),
    ],
)
def test_what_cannot_be_done_is_said(
    tools: dict[str, Tool], root: Path, tool: str, arguments: dict[str, Any], part: str
) -> None:
    (root / "binary").write_bytes(b"\xff\xfe")
    (root / "large").write_bytes(b"x" * (LARGEST + 1))
    assert part in error(tools, tool, **arguments)
    assert sorted(path.name for path in root.iterdir()) == ["binary", "large"]


def test_long_listings_are_cut_and_say_so(tools: dict[str, Tool], root: Path) -> None:
    for number in range(1_001):
        (root / f"{number:04}").write_text("needle")
    assert text(tools, "list_directory").splitlines()[-2:] == ["0999", "…"]
    assert text(tools, "search_files", text="needle").splitlines()[-1] == "…"


def test_annotations_say_what_a_tool_does(tools: dict[str, Tool]) -> None:
    assert {name: tool.annotations["readOnlyHint"] for name, tool in tools.items()} == {
        "list_directory": True,
        "read_text_file": True,
        "search_files": True,
        "write_file": False,
        "delete_file": False,
    }


# --- over a pipe ---------------------------------------------------------------------------------------------------


class Pipe:
    """The server as a process of its own, with as little environment as Portero gives it."""

    def __init__(self, root: Path) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "portero.builtin.files", str(root)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=ROOT,
            env={"PATH": os.environ["PATH"]},
        )

    def raw(self, line: bytes) -> Any:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(line + b"\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def ask(self, method: str, **params: Any) -> Any:
        return self.raw(json.dumps({"jsonrpc": "2.0", "id": 7, "method": method, "params": params}).encode())

    def close(self) -> int:
        self.process.communicate(timeout=10)
        return self.process.returncode


@pytest.fixture
def pipe(root: Path) -> Iterator[Pipe]:
    pipe = Pipe(root)
    yield pipe
    pipe.close()


def test_the_server_speaks_mcp_and_ends_with_its_input(pipe: Pipe, root: Path) -> None:
    hello = pipe.ask(
        "initialize", protocolVersion="2025-06-18", capabilities={}, clientInfo={"name": "t", "version": "1"}
    )
    assert hello["id"] == 7
    assert hello["result"]["protocolVersion"] == "2025-06-18"
    assert hello["result"]["capabilities"] == {"tools": {}}
    assert pipe.process.stdin is not None
    pipe.process.stdin.write(b'{"jsonrpc":"2.0","method":"notifications/initialized"}\n')
    assert pipe.ask("ping")["result"] == {}
    listed = pipe.ask("tools/list")["result"]["tools"]
    assert [tool["name"] for tool in listed] == [
        *("list_directory", "read_text_file", "search_files", "write_file", "delete_file")
    ]
    assert all(tool["inputSchema"]["additionalProperties"] is False for tool in listed)
    done = pipe.ask("tools/call", name="write_file", arguments={"path": "a.txt", "content": "héllo \ud83d"})["result"]
    assert not done["isError"]
    assert (root / "a.txt").read_bytes() == "héllo ".encode() + b"\xed\xa0\xbd"
    assert pipe.close() == 0


def test_an_unknown_revision_gets_the_newest_it_speaks(pipe: Pipe) -> None:
    assert pipe.ask("initialize", protocolVersion="1999-01-01")["result"]["protocolVersion"] == PROTOCOLS[0]


@pytest.mark.parametrize(
    ("line", "code"),
    [
        (b"nonsense", -32700),
        (b'{"id":1,"method":"tools/other"}', -32601),
        (b'{"id":1,"method":["x"]}', -32601),
        (b'{"id":1,"method":"tools/call","params":{"name":"none"}}', -32602),
        (b'{"id":1,"method":"tools/call","params":{"name":["x"]}}', -32602),
        (b'{"id":1,"method":"tools/call","params":[1]}', -32602),
        (b'{"id":1,"method":"tools/call","params":{"name":"list_directory","arguments":[1]}}', -32602),
    ],
)
def test_what_is_no_request_gets_an_error_and_the_next_one_an_answer(pipe: Pipe, line: bytes, code: int) -> None:
    assert pipe.raw(line)["error"]["code"] == code
    assert pipe.ask("ping")["result"] == {}


def test_without_a_folder_it_says_how_it_is_started() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "portero.builtin.files"], capture_output=True, text=True, check=False, cwd=ROOT
    )
    assert done.returncode == 1
    assert "Usage" in done.stderr
