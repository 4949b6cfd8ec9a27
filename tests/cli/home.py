"""A place where the real command is run, as a process, and what stands on its log before."""

import asyncio
import fcntl
import json
import os
import pty
import re
import select
import subprocess
import sys
import tempfile
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import attrs

from handlers.calls.kept import kept
from handlers.core import new_call_id, system_clock
from portero.domain import call as calls
from portero.domain.commands import RequestCall
from portero.domain.events import (
    CallApproved,
    CallContinued,
    CatalogueChanged,
    CatalogueTool,
    Event,
    ExecutionOutcomeUnknown,
    ExecutionStarted,
    ExecutionSucceeded,
    InputRequested,
    OwnershipEnded,
    OwnershipTaken,
    ReplicaStarted,
    UpstreamConnected,
)
from portero.domain.ids import (
    Aggregate,
    CallId,
    ClientId,
    Millis,
    ReplicaId,
    call_aggregate,
    owner_aggregate,
    replica_aggregate,
    upstream_aggregate,
)
from portero.domain.values import SYSTEM, Action, Actor, Kind, Reason, Tier, ToolFacts
from portero.log import Log, Write, open_log
from tests.cli import forked
from tests.stores import Place

ROOT = Path(__file__).parents[2]
SECONDS = 30
SEED = ReplicaId("seed")
T = TypeVar("T")

STYLE = re.compile(r"\x1b\[[0-9;]*m")
"""What rich and click themselves write: colours and weights, nothing that moves."""


@attrs.frozen
class Ran:
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@attrs.define
class Home:
    """``place`` None: the embedded store under ``folder``."""

    folder: Path
    place: Place | None = None
    extra: dict[str, str] = attrs.field(factory=dict)

    @property
    def environment(self) -> dict[str, str]:
        kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
        store = {"REDIS_URL": self.place.url, "PORTERO_NAME": self.place.name} if self.place else {}
        return kept | {"PYTHONPATH": str(ROOT), "TERM": "xterm-256color", "COLUMNS": "200", **store, **self.extra}

    def configure(self, **files: object) -> None:
        """Writes the files of ``config/``, by their names without the ending."""
        config = self.folder / "config"
        config.mkdir(exist_ok=True)
        for name, value in ({"mcps": {"mcps": []}, "policies": {"policies": {}}} | files).items():
            (config / f"{name}.json").write_text(json.dumps(value))

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "portero", *arguments]

    def run(self, *arguments: str, environment: Mapping[str, str] | None = None) -> Ran:
        """In a process of its own, printing into files, as a script would have it."""
        with tempfile.TemporaryDirectory() as output:
            place = Path(output)
            code = forked.run(arguments, self.folder, {**self.environment, **(environment or {})}, place)
            return Ran(code, (place / "out").read_text("utf-8"), (place / "err").read_text("utf-8"))

    def run_whole(self, *arguments: str, environment: Mapping[str, str] | None = None) -> Ran:
        """With everything: an interpreter of its own, through ``python -m portero``, into a pipe."""
        done = subprocess.run(
            self.command(*arguments),
            cwd=self.folder,
            env={**self.environment, **(environment or {})},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=SECONDS,
            check=False,
        )
        return Ran(done.returncode, done.stdout.decode(), done.stderr.decode())

    def start(self, *arguments: str) -> "subprocess.Popen[str]":
        """In the background; the caller ends it."""
        return subprocess.Popen(
            self.command(*arguments),
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
        )

    def on_terminal(self, *arguments: str) -> str:
        """What a person sees on a terminal, with the styles taken away."""
        master, slave = pty.openpty()
        process = subprocess.Popen(
            self.command(*arguments), cwd=self.folder, env=self.environment, stdin=slave, stdout=slave, stderr=slave
        )
        os.close(slave)
        seen = b""
        while select.select([master], [], [], SECONDS)[0]:
            try:
                piece = os.read(master, 65_536)
            except OSError:  # Linux says so when the other side is gone
                break
            if not piece:
                break
            seen += piece
        os.close(master)
        process.wait(SECONDS)
        return STYLE.sub("", seen.decode()).replace("\r\n", "\n")

    def on_log(self, write: Callable[["Scribe"], Awaitable[T]]) -> T:
        """Writes on the log as a gateway would."""

        async def run() -> T:
            url = self.place.url if self.place else None
            name = self.place.name if self.place else "main"
            async with open_log(url, SEED, data=self.folder / "data", name=name) as log:
                return await write(Scribe(log))

        return asyncio.run(run())

    def store_runs(self) -> bool:
        """Whether the embedded store is running."""
        lock = self.folder / "data" / "store" / "lock"
        if not lock.exists():
            return False
        with lock.open() as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return True
        return False

    def ask(self, **given: Any) -> CallId:
        """One call that waits; see ``Scribe.ask``."""
        return self.on_log(lambda scribe: scribe.ask(**given))


@attrs.frozen
class Scribe:
    """Puts calls and tools on a log."""

    log: Log

    async def ask(
        self,
        tool: str = "office/send_mail",
        arguments: str = '{"to":"jane@example.com"}',
        *,
        client: str = "default",
        action: Action = Action.ASK,
        expires_in: int = 3_600_000,
        title: str | None = None,
        extra: str | None = None,
        kind: Kind = Kind.TOOL,
    ) -> CallId:
        """A call that was requested just now, as the policy's ``action`` wants it."""
        call, moment = new_call_id(), system_clock()
        upstream, _, name = tool.partition("/")
        beside = kept(call, b"", extra.encode() if extra is not None else None)[1]
        request = RequestCall(
            ClientId(client),
            kind,
            upstream,
            name,
            arguments,
            None,
            len(arguments.encode()),
            beside.text,
            action,
            Reason(Tier.DEFAULT),
            0,
            ToolFacts(title=title, destructive=True),
            "digest",
            Millis(moment + expires_in),
            SEED,
            Millis(moment + 600_000),
            retry_safe=False,
            extra_blob=beside.blob,
            extra_bytes=beside.size,
            extra_digest=beside.digest,
        )
        if beside.blob is not None and extra is not None:
            await self.log.keep(beside.blob, extra.encode(), 3_600)
        await self._write(call_aggregate(call), *calls.decide(None, request, moment), by=Actor("client", client))
        return call

    async def ask_many(self, times: int) -> None:
        for _ in range(times):
            await self.ask()

    async def lose(self, tool: str = "office/send_mail") -> CallId:
        """A call that was sent and whose answer will not come."""
        call = await self.ask(tool, action=Action.ALLOW)
        await self._write(call_aggregate(call), ExecutionOutcomeUnknown("the server died"))
        return call

    async def wonder(self, tool: str, question: str, *, action: Action = Action.ALLOW) -> CallId:
        """A call that runs, and asks its client."""
        call = await self.ask(tool, action=action)
        if action is Action.ASK:
            started = ExecutionStarted(SEED, 1, Millis(system_clock() + 600_000), False)
            await self._write(call_aggregate(call), CallApproved(Actor("cli", "root")), started)
        await self.log.keep(f"{call}.asks.k", question.encode(), 3_600)
        until = Millis(system_clock() + 600_000)
        asked = InputRequested("k", "elicitation/create", until, f"{call}.asks.k", "digest")
        await self._write(call_aggregate(call), asked)
        return call

    async def ask_back(self, tool: str) -> CallId:
        """A call whose result asks its client for more."""
        call = await self.ask(tool, action=Action.ALLOW)
        await self._write(call_aggregate(call), ExecutionSucceeded(False, duration_ms=20, asks=True))
        return call

    async def go_on(self, call: CallId, by: CallId) -> None:
        await self._write(call_aggregate(call), CallContinued(by))

    async def offer(self, upstream: str, *tools: CatalogueTool, dropped: tuple[str, ...] = ()) -> None:
        await self._write(upstream_aggregate(upstream), CatalogueChanged(SEED, "digest", tools, dropped))

    async def starts(self, replica: str, *, host: str, pid: int) -> None:
        """A gateway with one server."""
        name = ReplicaId(replica)
        await self._write(replica_aggregate(name), ReplicaStarted(name, "1", pid, host, f"http://{replica}.invalid:1"))
        await self._write(upstream_aggregate("files"), UpstreamConnected(name, "files", "1", "2025-11-25", 3))

    async def own(self, upstream: str, *, gives_back: bool = False) -> None:
        """The seed runs it for all, or has until now."""
        end = (OwnershipEnded(SEED, 1, "Portero stops"),) if gives_back else ()
        await self._write(owner_aggregate(upstream), OwnershipTaken(SEED, 1), *end)

    async def _write(self, aggregate: Aggregate, *events: Event, by: Actor = SYSTEM) -> None:
        await self.log.append(Write(aggregate, None, events), actor=by, now=system_clock())
