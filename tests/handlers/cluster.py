"""Replicas that share a server of which there is one instance: each as in ``replica``, with all that belongs to it."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import attrs

from handlers.background import Background
from handlers.core import Core, system_clock
from handlers.people.decisions import Decisions
from handlers.people.notification import Notifications
from handlers.upkeep.expiry import Expiry
from handlers.upkeep.presence import Presence
from handlers.workings import Workings
from portero.domain.ids import CallId, ClientId, Millis
from portero.domain.policy import ConfigPolicy
from portero.domain.replacement import Replacer
from portero.domain.values import Action
from portero.log import Follower
from portero.log.limits import Limits
from portero.settings import UpstreamConfig
from portero.upstream import State
from projections import View
from tests.handlers.replica import ALLOW_ALL, PATIENT, QUICK, Replica
from tests.log.support import opened, until
from tests.stores import Place

SERVER = Path(__file__).parents[1] / "servers" / "over_stdio.py"
LEASE_MS = 5_000
"""A server is missed after two seconds of silence: soon, but not before a busy machine has had its turn."""


@attrs.define
class Member(Replica):
    workings: Workings
    presence: Presence

    @property
    def owns(self) -> bool:
        return self.workings.ownership.term("up") is not None

    async def owner(self) -> "Member":
        """This one, once it runs the server and the server is up."""
        await until(lambda: self.owns and self.upstreams.is_connected("up"), f"{self.log.replica} runs it")
        return self

    async def knows(self, tool: str = "echo") -> "Member":
        """This one, once it knows what the server offers."""
        await until(lambda: self.upstreams.catalogue.resolve(f"up/{tool}") is not None, f"it knows {tool}")
        return self

    async def stop(self) -> None:
        """Gives the server back, as a gateway does first of all when it stops."""
        self.workings.ownership.stop()
        await self.workings.ownership.stopped()
        await self.background.stop("owner of up")

    def names(self) -> list[str]:
        return [tool.name for tool in self.upstreams.catalogue.tools]

    def definitions(self) -> list[tuple[str, str]]:
        return [(tool.name, tool.facts.definition) for tool in self.upstreams.catalogue.tools]

    @property
    def state_of_it(self) -> State:
        (status,) = self.upstreams.status()
        return status.state


@attrs.define
class Client:
    """The channel of a client that answers what it is asked. See ``handlers.calls.bridging.Channel``."""

    answers: Callable[[str, bytes], bytes]
    client: ClientId = ClientId("client")  # noqa: RUF009 - a text
    capabilities: bytes | None = b'{"elicitation":{}}'
    log_level: str | None = "info"
    pushes: bool = True
    call: CallId | None = None
    kept: bool = False
    as_task: bool = False
    told: list[tuple[str, bytes]] = attrs.field(factory=list)

    def tell(self, method: str, params: bytes) -> None:
        self.told.append((method, params))

    async def ask(self, method: str, params: bytes) -> bytes:
        await asyncio.sleep(0)
        return self.answers(method, params)


@asynccontextmanager
async def open_member(
    place: Place,
    notes: Path,
    *,
    name: str = "r1",
    policies: Mapping[str, Action] | None = None,
    replacer: Replacer | None = None,
    flags: tuple[str, ...] = (),
    secrets: tuple[str, ...] = (),
    url: str | None = None,
    limits: Limits = PATIENT,
    clock: Callable[[], Millis] = system_clock,
    timeout_seconds: float = 60,
    server_tools: tuple[str, ...] = (),
    **core_options: Any,
) -> AsyncIterator[Member]:
    """``notes``: where the server writes its effects; ``notes`` and ``.starts``: a line for each start.

    ``server_tools``: what it offers, and says of that it only reads.
    """
    async with AsyncExitStack() as stack:
        log = await stack.enter_async_context(opened(place, name, url=url, limits=limits))
        view, background = View(), Background()
        background.start("follower", Follower(log, view.apply).run)
        config = ConfigPolicy(dict(ALLOW_ALL if policies is None else policies), Action.DENY)
        options = {"lease_ms": LEASE_MS} | core_options
        core = Core(log, view, config, replacer or Replacer.from_entries([]), clock, **options)
        if server_tools:
            flags += ("--definitions", str(definitions(notes.parent, *server_tools)))
        args = (str(SERVER), "--effects", str(notes), "--starts", f"{notes}.starts", *flags)
        server = UpstreamConfig("up", sys.executable, args, timeout_seconds=timeout_seconds, single=True)
        presence = Presence(core)
        workings = Workings(
            core, [server], on_event=presence.upstream, mask=core.replacer.mask_text, secrets=secrets, limits=QUICK
        )
        member = Member(
            log,
            view,
            core,
            workings.upstreams,
            workings.runner,
            workings.requests,
            Decisions(core),
            workings.executions,
            Expiry(core, Notifications(core, None), workings.holds),
            background,
            notes,
            workings,
            presence,
        )
        stack.push_async_callback(workings.upstreams.stop)
        stack.push_async_callback(background.stop)
        await workings.start()
        for loop, run in {**workings.loops, "presence": presence.run}.items():
            background.start(loop, run)
        member.execute()
        member.ring()
        yield member


def definitions(folder: Path, *names: str, **more: Any) -> Path:
    """A file with tools that are declared to read only; ``more``: other members of each."""
    file = folder / f"definitions-{len(list(folder.iterdir()))}"
    reads = {"inputSchema": {"type": "object"}, "annotations": {"readOnlyHint": True}} | more
    file.write_text(json.dumps([{"name": name, **reads} for name in names]))
    return file


def starts(notes: Path) -> int:
    """How often the server was started."""
    file = Path(f"{notes}.starts")
    return len(file.read_text().splitlines()) if file.exists() else 0
