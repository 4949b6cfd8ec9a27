"""Tasks as their client sees them: found on any replica, waited for, shown, with the upstream's own result."""

import asyncio
from typing import Any, Final

from handlers.calls.kept import arguments_of
from handlers.core import Core
from portero.domain.call import Call
from portero.domain.events import Recorded
from portero.domain.ids import CallId, ClientId, Millis, Seq
from portero.domain.values import Actor, Status
from portero.errors import LogError, LogUnavailable
from portero.gateway import texts
from portero.gateway.calls.taskids import parse_task_id, task_id
from portero.gateway.services import Services
from portero.gateway.times import iso
from portero.telemetry import HANDLER_ERRORS

MAX_WAIT_SECONDS: Final = 25.0
"""How long a client may wait in one request for a task to end."""
CATCH_UP_SECONDS: Final = 5.0


class Tasks:
    """The calls of each client, above all those that were asked for. Another client's task is unknown."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._waiting: dict[CallId, set[asyncio.Event]] = {}
        self._reading: set[asyncio.Task[None]] = set()

    def seen(self, recorded: Recorded[Any]) -> None:
        """An event of the log: wakes whoever waits for that call."""
        if self._waiting and recorded.aggregate.startswith("call/"):
            for event in self._waiting.get(CallId(recorded.aggregate[5:]), ()):
                event.set()

    async def find(self, client: ClientId, text: str) -> Call | None:
        """The task, as it stands at the position in its id or later. Raises LogUnavailable when this replica lags."""
        parsed = parse_task_id(text)
        if parsed is None:
            return None
        call_id, seq = parsed
        await self._reach(seq)
        return self._own(client, call_id)

    async def _reach(self, seq: Seq) -> None:
        view = self._services.core.view
        if seq <= view.seq:
            return
        # A made-up position must not hold a request for long, so what the log itself has reached is asked first.
        head = await self._services.core.log.head()
        if seq > head.seq:
            return
        try:
            await view.wait_for(seq, CATCH_UP_SECONDS)
        except TimeoutError as late:
            raise LogUnavailable("This replica has not caught up with the log yet. Ask again in a moment.") from late

    def _own(self, client: ClientId, call_id: CallId) -> Call | None:
        call = self._services.core.view.calls.get(call_id)
        return call if call is not None and call.client == client else None

    async def wait(self, call: Call, seconds: float) -> Call:
        """The call when it has ended, or after ``seconds`` as it stands then."""
        if call.finished or seconds <= 0:
            return call
        woken = asyncio.Event()
        waiting = self._waiting.setdefault(call.id, set())
        waiting.add(woken)
        try:
            async with asyncio.timeout(min(seconds, MAX_WAIT_SECONDS)):
                while not (call := self._own(call.client, call.id) or call).finished:
                    woken.clear()
                    await woken.wait()
        except TimeoutError:
            pass
        finally:
            waiting.discard(woken)
            if not waiting:
                self._waiting.pop(call.id, None)
        return self._own(call.client, call.id) or call

    async def moved(self, call: CallId) -> None:
        """Returns when something happens to the call."""
        woken = asyncio.Event()
        waiting = self._waiting.setdefault(call, set())
        waiting.add(woken)
        try:
            await woken.wait()
        finally:
            waiting.discard(woken)
            if not waiting:
                self._waiting.pop(call, None)

    async def result(self, call: Call) -> bytes | None:
        """The upstream's own result, JSON bytes; None when there is none, or when it is no longer kept."""
        if call.status is not Status.COMPLETED or call.result_blob is None:
            return None
        return await self._services.core.log.blob(call.result_blob)

    async def arguments(self, call: Call) -> bytes:
        """As they were stored; an empty object when they are no longer kept."""
        return await arguments_of(self._services.core.log, call) or b"{}"

    def mark_read(self, call: Call) -> None:
        """Notes, in the background, that the client has seen how the task ended. Its answer does not wait for that."""
        if call.finished and call.read_at is None:
            task = asyncio.create_task(self._mark_read(call))
            self._reading.add(task)
            task.add_done_callback(self._reading.discard)

    async def _mark_read(self, call: Call) -> None:
        try:
            await self._services.decisions.mark_read(call.id, Actor("client", call.client))
        except LogError:
            HANDLER_ERRORS.labels("mark-read").inc()

    def public_id(self, call: Call) -> str:
        return task_id(call.id, Seq(call.last_seq))

    def view(self, call: Call, asked_as: str) -> dict[str, Any]:
        """What ``check_task`` says of a task without a result."""
        services = self._services
        shown = {"task_id": asked_as, "status": call.status.value, "toolName": call.tool, **_times(call)}
        if call.status in {Status.ERROR, Status.UNKNOWN}:
            shown["error"] = texts.error_message(call)
        shown["message"] = self.standing(call, asked_as, services.options.approve_hint)
        return shown

    def standing(self, call: Call, task: str, hint: str) -> str:
        """Where a task stands, in words; ``hint`` says where a person approves it."""
        core = self._services.core
        return texts.standing(call, task, hint, core.clock(), locked=core.view.locked is not None)

    def for_people(self, call: Call) -> str:
        """The same for the person at the client."""
        services = self._services
        locked = services.core.view.locked is not None
        return texts.for_people(call, services.options.approve_hint, services.core.clock(), locked=locked)

    def ttl_ms(self, call: Call) -> int:
        """As below."""
        waits_until = call.expires_at if call.status is Status.PENDING else None
        return ttl_ms(self._services.core, call.requested_at, waits_until or updated_at(call))

    def row(self, call: Call) -> dict[str, Any]:
        """One task of ``list_tasks``."""
        row = {
            "task_id": self.public_id(call),
            "toolName": call.tool,
            "status": call.status.value,
            **_times(call),
            "hasResult": call.status is Status.COMPLETED and call.result_blob is not None,
        }
        if call.read_at is not None:
            row["checkedAt"] = iso(call.read_at)
        if call.status in {Status.ERROR, Status.UNKNOWN}:
            row["error"] = texts.error_message(call)
        return row


def updated_at(call: Call) -> Millis:
    """When something last happened to the call that its client can see."""
    times = (call.requested_at, call.decided_at, call.started_at, call.ended_at, call.resolved_at)
    return max(at for at in times if at is not None)


def ttl_ms(core: Core, requested_at: Millis, until: Millis) -> int:
    """How long a task can be fetched, in milliseconds from its request, as the extension counts.

    ``until``: when it has ended, or will have at the latest as far as can be said; from then on its result is kept.
    """
    return until - requested_at + core.result_seconds * 1_000


def _times(call: Call) -> dict[str, str]:
    times = {"createdAt": iso(call.requested_at)}
    if call.approved_at is not None:
        times["approvedAt"] = iso(call.approved_at)
    if call.started_at is not None:
        times["executedAt"] = iso(call.started_at)
    return times
