"""The lines that a person is told to copy name the program so that it is found."""

import sys
from pathlib import Path

import pytest

from portero.cli.invocation import invocation, invocation_for_models


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    program = tmp_path / "a folder" / ".venv" / "bin" / "portero"
    program.parent.mkdir(parents=True)
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    monkeypatch.setattr(sys, "argv", [str(program), "serve"])
    return program


def test_by_its_name_where_the_shell_finds_it(installed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(installed.parent))
    assert invocation() == "portero"


def test_by_its_path_from_here_where_it_does_not(installed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.chdir(installed.parents[2])
    assert invocation() == ".venv/bin/portero"


def test_by_its_whole_path_from_elsewhere(installed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.chdir("/")
    assert invocation().strip("'") in {str(installed), str(installed).lstrip("/")}


def test_a_model_is_told_no_folders_of_this_machine(installed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.chdir(installed.parents[2])
    assert invocation_for_models() == ".venv/bin/portero"
    for elsewhere in ("/", "/usr", installed.parents[3]):
        monkeypatch.chdir(elsewhere)
        assert invocation_for_models() == "portero"


def test_by_python_where_python_was_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["/x/portero/__main__.py"])
    assert invocation() == f"{sys.executable} -m portero"
