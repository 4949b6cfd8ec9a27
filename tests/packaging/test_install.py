"""Wheel and sdist, built once, installed as people install them, and run far from the checkout."""

import fcntl
import os
import re
import subprocess
import sys
import tarfile
import venv
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import attrs
import pytest

from tests.packaging.tools import ROOT, free_port, list_folder, serving

BIN = Path(sys.executable).parent


@attrs.frozen
class Artefacts:
    wheel: Path
    sdist: Path


def run(command: Sequence[str | Path], cwd: Path, **environ: str) -> str:
    """The output of a command with an environment that holds nothing of ours; fails when it does."""
    kept = {name: value for name, value in os.environ.items() if name.startswith(("PIP_", "UV_", "SSL_", "LANG"))}
    clean = {"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": str(cwd), **kept, **environ}
    done = subprocess.run(command, cwd=cwd, env=clean, capture_output=True, text=True, check=False, timeout=110)
    assert done.returncode == 0, f"{command} exited {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@contextmanager
def once(folder: Path) -> Iterator[bool]:
    """Whether this process, of all that run tests in parallel, is to fill the folder; the others wait until it has."""
    done = folder.with_suffix(".done")
    with folder.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield not done.exists()
        done.touch()


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Path:
    """A folder that all test processes of this run have in common."""
    base = tmp_path_factory.getbasetemp()
    return base if worker_id == "master" else base.parent


@pytest.fixture(scope="session")
def artefacts(shared: Path) -> Artefacts:
    folder = shared / "artefacts"
    with once(folder) as first:
        if first:
            run([sys.executable, "-m", "hatchling", "build", "-d", folder], ROOT)
    return Artefacts(next(folder.glob("*.whl")), next(folder.glob("*.tar.gz")))


@pytest.fixture(scope="session")
def installed(shared: Path, artefacts: Artefacts) -> Path:
    """The programs of an environment with the locked dependencies and our wheel. (``make run`` is tried with pip.)"""
    folder = shared / "installed"
    with once(folder) as first:
        if first:
            venv.create(folder, with_pip=False)
            install = [BIN / "uv", "pip", "install", "-q", "--python", folder / "bin" / "python"]
            environ = {"UV_CACHE_DIR": str(shared / "uv-cache")}
            run([*install, "--require-hashes", "-r", ROOT / "requirements.lock"], folder, **environ)
            run([*install, "--offline", "--no-deps", artefacts.wheel], folder, **environ)
    return folder / "bin"


def wheel_files(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as archive:
        return {name for name in archive.namelist() if ".dist-info/" not in name}


def test_the_wheel_holds_the_packages_and_the_default_configuration(artefacts: Artefacts) -> None:
    packages = ("portero", "projections", "handlers")
    sources = {
        str(path.relative_to(ROOT))
        for package in packages
        for path in (ROOT / package).rglob("*")
        if path.is_file() and path.suffix in {".py", ".lua", ".typed"}
    }
    defaults = {f"portero/_defaults/{path.name}" for path in (ROOT / "config").glob("*.json")}
    found = wheel_files(artefacts.wheel)
    assert sources | defaults <= found
    assert {f"portero/_defaults/{name}.json" for name in ("mcps", "policies", "replacements")} <= found
    assert {name.split("/")[0] for name in found} == set(packages)


def test_the_sdist_holds_what_a_build_needs(artefacts: Artefacts, tmp_path: Path) -> None:
    with tarfile.open(artefacts.sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {"pyproject.toml", "README.md", "LICENSE", "CHANGELOG.md", "config/mcps.json"} <= names
    pip = [sys.executable, "-m", "pip", "wheel", "-qq", "--no-index", "--no-deps", "--no-build-isolation"]
    run([*pip, "-w", tmp_path, artefacts.sdist], tmp_path)
    assert wheel_files(next(tmp_path.glob("*.whl"))) == wheel_files(artefacts.wheel)


def test_an_installed_portero_runs_outside_of_the_checkout(installed: Path, tmp_path: Path) -> None:
    assert re.fullmatch(r"portero, version \d+\.\d+\.\d+\n", run([installed / "portero", "--version"], tmp_path))
    checked = run([installed / "portero", "config", "check"], tmp_path)
    assert "filesystem" in checked
    assert list(tmp_path.iterdir()) == [], "looking at the configuration leaves nothing behind"


def test_an_installed_gateway_answers_its_first_call(installed: Path, tmp_path: Path) -> None:
    port = free_port()
    with serving([installed / "portero", "serve"], tmp_path, port):
        assert list_folder(port, (tmp_path / "data" / "bearer-token").read_text().strip())


def test_the_demo_runs_outside_of_the_checkout(installed: Path, tmp_path: Path) -> None:
    told = run([installed / "portero", "demo"], tmp_path)
    assert "approve" in told
    assert list(tmp_path.iterdir()) == [], "the demo cleans up after itself"


def test_uv_installs_it_as_a_tool(artefacts: Artefacts, shared: Path, tmp_path: Path) -> None:
    tools, bins = tmp_path / "tools", tmp_path / "bin"
    environ = {"UV_TOOL_DIR": str(tools), "UV_TOOL_BIN_DIR": str(bins), "UV_CACHE_DIR": str(shared / "uv-cache")}
    run([BIN / "uv", "tool", "install", "-q", "--python", sys.executable, artefacts.wheel], tmp_path, **environ)
    assert run([bins / "portero", "--version"], tmp_path).startswith("portero, version")
    assert "filesystem" in run([bins / "portero", "config", "check"], tmp_path)
