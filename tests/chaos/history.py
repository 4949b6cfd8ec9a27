"""What a run leaves behind, as plain values: the log as it stands, the effects, and what clients and people saw.

Decoded here by a few lines of its own: what judges Portero must not read the log through Portero.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import attrs

PAGE = 1000


@attrs.frozen
class Entry:
    """One event on the log. ``at`` in ms; ``data`` and ``actor`` as their JSON says."""

    n: int
    aggregate: str
    version: int
    type: str
    at: int
    replica: str
    data: Mapping[str, Any]
    actor: Mapping[str, Any]
    id: str = ""

    @property
    def call(self) -> str | None:
        """The id of the call that it belongs to."""
        kind, _, identity = self.aggregate.partition("/")
        return identity if kind == "call" else None


@attrs.frozen
class Effect:
    """A tool has run. ``id`` is the argument that the request named itself by; ``at`` in ms."""

    tool: str
    id: str
    pid: int
    at: int
    line: int = 0
    """Of the file: one process of several writes before another."""


@attrs.frozen
class Birth:
    """A process of a server of which there must be one has begun; ``alone`` False: another one was there still."""

    server: str
    pid: int
    at: int
    line: int
    alone: bool = True


@attrs.frozen
class Seen:
    """One thing that somebody did and what came of it.

    ``op``: call, poll, cancel (of a task), decide, fault or end. ``where``: the replica that was asked, or who decided.
    ``sent`` and ``done`` in ms, ``done`` None when no answer came. ``about`` is the id of the call's argument, a task,
    a pattern or a process; ``answer`` the JSON-RPC answer, or what came of a decision.
    """

    op: str
    where: str
    about: str
    sent: int
    done: int | None
    answer: Mapping[str, Any] | None = None
    tool: str = ""


@attrs.frozen
class Rules:
    """What holds in a run: the policies of the configuration, the tools that may run more than once, and the servers
    of which there is one instance."""

    policies: Mapping[str, str]
    default: str
    repeatable: frozenset[str]
    single: frozenset[str] = frozenset()


@attrs.frozen
class History:
    """``quiet_at`` (ms): from then on nothing was asked or disturbed, and whatever was due must have come."""

    log: tuple[Entry, ...]
    effects: tuple[Effect, ...]
    seen: tuple[Seen, ...]
    rules: Rules
    quiet_at: int
    births: tuple[Birth, ...] = ()


# --- reading ----------------------------------------------------------------------------------------------------------


def entry_of(identity: str, fields: Mapping[str, str]) -> Entry:
    meta = json.loads(fields["m"])
    return Entry(
        int(fields["n"]),
        fields["s"],
        int(fields["v"]),
        fields["t"],
        meta["at"],
        meta["replica"],
        json.loads(fields["d"]),
        meta["actor"],
        identity,
    )


BIRTHS = {"begins": True, "twin": False}


def read_effects(file: Path) -> tuple[Effect, ...]:
    """One a line: tool, id, process, time."""
    return tuple(effect for effect in _lines(file) if effect.tool not in BIRTHS)


def read_births(file: Path) -> tuple[Birth, ...]:
    """From the same file: how it was, server, process, time."""
    lines = (line for line in _lines(file) if line.tool in BIRTHS)
    return tuple(Birth(line.id, line.pid, line.at, line.line, BIRTHS[line.tool]) for line in lines)


def _lines(file: Path) -> Iterator[Effect]:
    lines = file.read_text().splitlines() if file.exists() else []
    for number, (what, identity, pid, at) in enumerate(map(str.split, lines), 1):
        yield Effect(what, identity, int(pid), int(at), number)


def read_seen(file: Path) -> tuple[Seen, ...]:
    return tuple(Seen(**json.loads(line)) for line in file.read_text().splitlines())


def rules_of(policies: Mapping[str, Any], repeatable: Iterable[str], single: Iterable[str]) -> Rules:
    """From the content of ``policies.json``."""
    return Rules(dict(policies["policies"]), policies["defaultPolicy"], frozenset(repeatable), frozenset(single))


def save(history: History, folder: Path) -> None:
    """The log and when it was quiet, beside what is in the folder already."""
    (folder / "log.jsonl").write_text("".join(json.dumps(attrs.asdict(entry)) + "\n" for entry in history.log))
    (folder / "quiet_at").write_text(str(history.quiet_at))


def load(folder: Path, rules: Rules) -> History:
    """What a run has left in its folder."""
    lines = (folder / "log.jsonl").read_text().splitlines()
    log = tuple(Entry(**json.loads(line)) for line in lines)
    quiet_at = int((folder / "quiet_at").read_text())
    effects = folder / "effects"
    return History(log, read_effects(effects), read_seen(folder / "seen.jsonl"), rules, quiet_at, read_births(effects))
