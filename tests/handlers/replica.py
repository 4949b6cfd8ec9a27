"""The write side of one replica on a real log, with a real upstream, and every part of it within a test's reach."""

import asyncio
import json
import sys
import tempfile
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import attrs

from handlers.background import Background
from handlers.calls.execution import Executions
from handlers.calls.inquiries import Inquiries
from handlers.calls.outcomes import Done
from handlers.calls.requests import Answer, CallRequest, Pending, Requests
from handlers.calls.running import Runner
from handlers.core import Core, system_clock
from handlers.people.decisions import Decisions
from handlers.people.notification import Notifications, Notifier
from handlers.upkeep.expiry import Expiry
from portero.domain.call import Call
from portero.domain.events import CallCancelled
from portero.domain.ids import CallId, ClientId, Millis
from portero.domain.policy import ConfigPolicy
from portero.domain.replacement import Replacer
from portero.domain.values import Action, Actor, Kind, Status, ToolFacts
from portero.log import Follower, Log, RecordedEvent, Timers, WorkQueue
from portero.log.limits import Limits
from portero.settings import UpstreamConfig
from portero.upstream import Limits as UpstreamLimits
from portero.upstream import Masks, Upstreams
from projections import View
from projections.limits import Limits as ViewLimits
from tests.log.support import everything, opened, until
from tests.stores import Place

WORKER = Path(__file__).parent / "worker.py"
ADMIN = Actor("cli", "admin", "Ada")
ASK_ALL: dict[str, Action] = {"up/*": Action.ASK}
ALLOW_ALL: dict[str, Action] = {"up/*": Action.ALLOW}
PATIENT = Limits()
QUICK = UpstreamLimits(first_retry=0.02, longest_retry=0.05, slow_retry=0.2, slowest_retry=0.4, grace=0.5)


@attrs.define
class Replica:
    log: Log
    view: View
    core: Core
    upstreams: Upstreams
    runner: Runner
    requests: Requests
    decisions: Decisions
    executions: Executions
    expiry: Expiry
    background: Background
    notes: Path

    def request(self, tool: str = "do", *, kind: Kind = Kind.TOOL, extra: Any = None, **arguments: Any) -> CallRequest:
        found = self.upstreams.catalogue.resolve(f"up/{tool}") if kind is Kind.TOOL else None
        facts = found.facts if found is not None else ToolFacts()
        raw = json.dumps(arguments).encode()
        more = json.dumps(extra).encode() if extra is not None else None
        return CallRequest(ClientId("client"), kind, "up", tool, raw, facts, more)

    async def call(self, tool: str = "do", **arguments: Any) -> Answer:
        return await self.requests.call(self.request(tool, **arguments))

    async def done(self, tool: str = "do", **arguments: Any) -> Any:
        """The result of a call that is allowed."""
        answer = await self.call(tool, **arguments)
        assert isinstance(answer, Done), answer
        return json.loads(answer.result)

    async def ask(self, tool: str = "do", **arguments: Any) -> CallId:
        """A call that waits for a person, also in the view."""
        answer = await self.call(tool, **arguments)
        assert isinstance(answer, Pending), answer
        await self.view.wait_for(answer.seq, 10)
        return answer.call

    async def approved(self, tool: str = "do", **arguments: Any) -> CallId:
        call = await self.ask(tool, **arguments)
        await self.decisions.approve(call, ADMIN)
        return call

    def state(self, call: CallId) -> Call:
        state = self.view.calls.get(call)
        assert state is not None
        return state

    async def becomes(self, call: CallId, status: Status, seconds: float = 20.0) -> Call:
        def is_so() -> bool:
            state = self.view.calls.get(call)
            return state is not None and state.status is status

        await until(is_so, f"{call} is {status.value}", seconds)
        return self.state(call)

    async def result(self, call: Call) -> str:
        """The text that is kept of a call's result."""
        assert call.result_blob is not None
        found = await self.log.blob(call.result_blob)
        assert found is not None
        return found.decode()

    async def only(self, status: Status, seconds: float = 20.0) -> Call:
        """The one call on the log, once it stands so."""
        found: list[Call] = []

        def look() -> bool:
            found[:] = [call for call in self.view.calls._all() if call.status is status]
            return bool(found)

        await until(look, f"a call is {status.value}", seconds)
        (call,) = found
        return call

    async def noted(self, note: str) -> None:
        await until(lambda: self.did()[note] > 0, f"{note} is under way")

    def did(self) -> Counter[str]:
        """How often each id was done."""
        return Counter(self.notes.read_text().splitlines() if self.notes.exists() else ())

    async def types(self, call: CallId) -> list[str]:
        """The events of a call, as they stand on the log."""
        return [event.type for event in await self.events(call)]

    async def events(self, call: CallId) -> Sequence[RecordedEvent]:
        return [event for event in await everything(self.log) if event.aggregate == f"call/{call}"]

    async def logged(self, kind: str) -> None:
        """Waits until an event of this type stands on the log."""
        await until(lambda: self.view.activity.counts.get(kind, 0) > 0, f"{kind} is on the log")

    def execute(self) -> None:
        """Takes approved calls from now on."""
        queue = WorkQueue(self.log, "execution", self.core.clock, retry_seconds=0.02)
        run, give_up = self.executions.handle, self.executions.gave_up
        self.background.start("execution", lambda: queue.run(run, concurrency=8, on_give_up=give_up))

    def beat(self) -> None:
        self.background.start("leases", self.runner.heartbeat)

    def ring(self) -> None:
        """Answers timers from now on."""
        timers = Timers(self.log, self.expiry.wake, self.core.clock, look_seconds=0.02, again_ms=200)
        self.background.start("timers", timers.run)


@asynccontextmanager
async def open_replica(
    place: Place,
    *,
    name: str = "r1",
    policies: Mapping[str, Action] | None = None,
    replacer: Replacer | None = None,
    notifier: Notifier | None = None,
    notes: Path | None = None,
    url: str | None = None,
    limits: Limits = PATIENT,
    clock: Callable[[], Millis] = system_clock,
    execute: bool = True,
    timeout_seconds: float = 60,
    view_limits: ViewLimits | None = None,
    **core_options: Any,
) -> AsyncIterator[Replica]:
    """``execute``: approved calls run; timers and heartbeats only once a test says so."""
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="ph-")))
        notes = notes or folder / "notes"
        log = await stack.enter_async_context(opened(place, name, url=url, limits=limits))
        view = View(view_limits)
        background = Background()
        background.start("follower", Follower(log, view.apply).run)
        config = ConfigPolicy(dict(ASK_ALL if policies is None else policies), Action.DENY)
        core = Core(log, view, config, replacer or Replacer.from_entries([]), clock, **core_options)
        worker = UpstreamConfig("up", sys.executable, (str(WORKER), str(notes)), timeout_seconds=timeout_seconds)
        upstreams = Upstreams(
            [worker],
            replica=log.replica,
            on_event=lambda *_: None,
            mask=core.replacer.mask_text,
            masks=Masks.of(core.replacer),
            limits=QUICK,
        )
        runner = Runner(core, upstreams)
        view.subscribe(runner.seen, CallCancelled)
        notifications = Notifications(core, notifier)
        replica = Replica(
            log,
            view,
            core,
            upstreams,
            runner,
            Requests(core, runner),
            Decisions(core),
            Executions(core, runner, upstreams, Inquiries(core)),
            Expiry(core, notifications, runner.holds),
            background,
            notes,
        )
        stack.push_async_callback(background.stop)
        await upstreams.start()
        stack.push_async_callback(upstreams.stop)
        assert await upstreams.connected("up", 20)
        if execute:
            replica.execute()
        if notifier is not None:
            told = WorkQueue(log, "notification", core.clock, retry_seconds=0.02)
            background.start("notification", lambda: told.run(notifications.handle))
        yield replica


async def settled(task: "asyncio.Task[Any]") -> None:
    """Waits for a task that was cancelled."""
    await asyncio.wait([task], timeout=20)
    assert task.done()
