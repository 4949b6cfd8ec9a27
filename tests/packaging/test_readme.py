"""The README is true: what it tells people to type works as it stands there, and its tables name what there is."""

import ast
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import attrs
import click
import pytest

from portero.cli.root import ENTRIES, cli
from portero.settings.load import load
from portero.settings.upstreams import KEYS
from tests.packaging import readme
from tests.packaging.tools import ROOT, free_port, rpc, serving, wait_until


def test_every_make_target_exists() -> None:
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    named = {words[0] for words in readme.commands("make")}
    assert {"run", "test", "bench"} <= named <= set(targets)


def test_every_command_and_option_exists() -> None:
    named = set()
    context = click.Context(cli)
    for first, *words in readme.commands("portero"):
        if first.startswith("-"):
            continue
        command = cli.get_command(context, first)
        assert command, f"portero {first} is in the README, but there is no such command"
        if isinstance(command, click.Group):
            command = command.commands[words.pop(0)]
        options = {name for option in command.params for name in option.opts}
        assert {word for word in words if word.startswith("--")} <= options, f"portero {first} {words}"
        named.add(first)
    assert {entry.name for entry in ENTRIES} <= named, "a command is missing from the README"


def test_every_file_that_is_named_exists() -> None:
    links = re.findall(r"\]\(([^):]+)\)", readme.README)
    files = [name for name in readme.quoted(readme.README) if re.fullmatch(r"ops/[\w./]*|\w+\.yml", name)]
    assert [name for name in [*links, *files] if not (ROOT / name).exists()] == []


def variables_read() -> set[str]:
    """Every environment variable that the settings ask for by name."""
    names = set()
    for path in (ROOT / "portero" / "settings").glob("[a-z]*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                names |= set(re.findall(r"^(?:[A-Z]+_)+[A-Z]+$|^(?:PORT|HOST)$", node.value))
    return names


def test_the_table_of_variables_is_complete() -> None:
    told = {name for row in readme.table("environment") for name in readme.quoted(row[0])}
    not_for_people = {"PORTERO_DEBUG", "PORTERO_PYTHON"}
    assert variables_read() - not_for_people <= told
    sources = "".join(path.read_text() for path in (ROOT / "portero").rglob("*.py"))
    assert {name for name in told if f'"{name}"' not in sources} == set()


def test_the_table_of_server_keys_is_complete() -> None:
    assert {name for row in readme.table("mcps") for name in readme.quoted(row[0])} == set(KEYS)


def test_the_configuration_examples_are_right(tmp_path: Path) -> None:
    config = tmp_path / "config"
    config.mkdir()
    for name in ("mcps.json", "policies.json", "replacements.json", "clients.json"):
        (config / name).write_text(readme.block(f"config: {name}"))
    environ = {"TRACKER_TOKEN": "t-0123456789", "REAL_NAME": "Jane Roe", "REAL_API_KEY": "k-0123456789"}
    settings = load(environ, tmp_path)
    assert [upstream.name for upstream in settings.upstreams] == ["notes", "tracker"]
    assert [client.name for client in settings.clients] == ["laptop"]
    assert settings.skipped == ()


@attrs.frozen
class Checkout:
    """A folder that looks like a checkout after ``make run``, with the gateway running in it."""

    folder: Path
    port: int

    def sh(self, script: str, **words: str) -> str:
        """Runs a block of the README; ``words`` fill in what a person would, such as TASK."""
        for name, value in words.items():
            script = re.sub(rf"\b{name}\b", value, script)
        script = script.replace("8443", str(self.port))
        path = f"{self.folder}:{os.environ['PATH']}"
        environ = {"PATH": path, "HOME": str(self.folder), "LANG": "C.UTF-8"}
        command = ["bash", "-euo", "pipefail", "-c", script]
        done = subprocess.run(command, cwd=self.folder, env=environ, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{script}\n{done.stdout}\n{done.stderr}"
        return done.stdout


@pytest.fixture
def checkout(tmp_path: Path) -> Iterator[Checkout]:
    (tmp_path / ".venv").symlink_to(Path(sys.prefix))
    port = free_port()
    with serving([tmp_path / ".venv" / "bin" / "portero", "serve"], tmp_path, port):
        yield Checkout(tmp_path, port)


def test_the_line_for_claude_code_connects(checkout: Checkout) -> None:
    """Typed as it stands, with a ``claude`` that notes what it is told: address and header are right."""
    claude = checkout.folder / "claude"
    claude.write_text('#!/bin/sh\nprintf "%s\\n" "$@" > told\n')
    claude.chmod(0o755)
    checkout.sh(readme.block("run: connect"))
    told = (checkout.folder / "told").read_text().splitlines()
    assert told[:4] == ["mcp", "add", "--transport", "http"]
    _, url, option, header = told[4:]
    assert option == "--header"
    scheme, _, token = header.removeprefix("Authorization: ").partition(" ")
    assert scheme == "Bearer"
    params = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}}
    assert rpc(url, token, "initialize", params)["serverInfo"]["name"] == "portero"


def test_the_first_approval_goes_as_told(checkout: Checkout) -> None:
    answer = json.loads(checkout.sh(readme.block("run: ask")))
    pending = json.loads(answer["result"]["content"][0]["text"])
    assert pending["status"] == "pending-approval"
    written = checkout.folder / "portero-files" / "hello.txt"
    assert not written.exists()

    told = checkout.sh(readme.block("run: decide"), TASK=pending["task_id"].split("-")[0])
    assert "hello.txt" in told
    assert wait_until(lambda: written.exists() and written.read_text(), "the approved call has written") == "Hello"

    managed = checkout.sh(readme.block("run: manage"))
    assert "files/write_file" in managed
    answer = json.loads(checkout.sh(readme.block("run: ask")))
    assert "pending-approval" not in answer["result"]["content"][0]["text"], "the grant lets it through"
