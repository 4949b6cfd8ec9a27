"""Calls: all that are open, and of the finished ones those that somebody may still ask for."""

from collections import Counter, OrderedDict
from collections.abc import Iterator
from itertools import islice
from typing import Any, Final

import attrs
from msgspec.structs import replace

from portero.domain.call import Call, evolve
from portero.domain.events import CallEvent, Recorded, ToolCallRequested
from portero.domain.ids import CallId, ClientId
from portero.domain.values import TERMINAL, Action, Status
from portero.errors import Invalid, NotFound
from projections.approvals import Approvals
from projections.limits import Limits

SHORTEST_PREFIX: Final = 4
"""Characters of a task id that a person must type."""


@attrs.frozen
class CallsState:
    """What a snapshot holds of them; every list in the order that matters."""

    running: tuple[Call, ...]
    tasks: tuple[Call, ...]
    finished: tuple[CallId, ...]
    ended: tuple[Call, ...]
    counts: dict[Status, int]
    decisions: dict[Action, int]


class Calls:
    """Tasks are calls that a person was asked about, and those whose outcome was lost: they are looked for later."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._running: dict[CallId, Call] = {}
        """Open, and nobody was asked."""
        self._tasks: dict[CallId, Call] = {}
        """Open and finished, in the order they were requested."""
        self._finished: OrderedDict[CallId, int] = OrderedDict()
        """The finished tasks in the order they finished, each with the characters of text that it holds."""
        self._finished_bytes = 0
        self._ended: OrderedDict[CallId, Call] = OrderedDict()
        """Finished, and nobody was asked: kept for late answers and a glance."""
        self._by_client: dict[ClientId, dict[CallId, None]] = {}
        self._counts: Counter[Status] = Counter()
        self._decisions: Counter[Action] = Counter()
        self.approvals = Approvals()

    # --- reading ------------------------------------------------------------------------------------------------------

    def get(self, call: CallId) -> Call | None:
        return self._running.get(call) or self._tasks.get(call) or self._ended.get(call)

    def find(self, prefix: str) -> Call:
        """By its id, or by the beginning of it where only one call begins so. Raises NotFound or Invalid."""
        exact = self.get(CallId(prefix))
        if exact is not None:
            return exact
        if len(prefix) < SHORTEST_PREFIX:
            raise Invalid(f"{prefix!r} is too short: type {SHORTEST_PREFIX} characters of the task's id or more.")
        found = [call for call in self._all() if call.id.startswith(prefix)]
        if not found:
            raise NotFound(f"There is no task {prefix}.")
        if len(found) > 1:
            some = ", ".join(call.id for call in found[:5])
            raise Invalid(f"{len(found)} tasks begin with {prefix}: {some}. Type more of the id.")
        return found[0]

    def pending(self) -> list[Call]:
        """Those that wait for a person, oldest first."""
        return self.approvals.pending()

    def recent(self, client: ClientId | None = None, status: Status | None = None, limit: int = 20) -> list[Call]:
        """Tasks, newest request first; ``client`` None: of all clients."""
        keys = reversed(self._tasks) if client is None else reversed(self._by_client.get(client, {}))
        tasks = (self._tasks[key] for key in keys)
        return list(islice((call for call in tasks if status in (None, call.status)), limit))

    def open(self) -> list[Call]:
        """Those that have not ended, of all kinds."""
        return [call for call in self._all() if not call.finished]

    def executing(self) -> list[Call]:
        """Those that an upstream works on, of all kinds."""
        return [call for call in self._all() if call.status is Status.EXECUTING]

    def queued(self, upstream: str) -> list[Call]:
        """Those that wait to be started on one server, oldest first."""
        found = [call for call in self._all() if call.status is Status.QUEUED and call.upstream == upstream]
        return sorted(found, key=lambda call: call.requested_seq)

    @property
    def counts(self) -> dict[Status, int]:
        """How many of all calls ever stand where now."""
        return {status: self._counts[status] for status in Status}

    @property
    def decisions(self) -> dict[Action, int]:
        """How often the policy allowed, denied, and had a person asked."""
        return {action: self._decisions[action] for action in Action}

    def _all(self) -> Iterator[Call]:
        yield from self._tasks.values()
        yield from self._running.values()
        yield from self._ended.values()

    # --- folding ------------------------------------------------------------------------------------------------------

    def fold(self, recorded: Recorded[CallEvent | None]) -> Call | None:
        """The call after one more event; None when its beginning is not held any more."""
        key: Any = recorded.aggregate[5:]
        running = self._running
        before = running.get(key) or self._tasks.get(key) or self._ended.get(key)
        if before is None:
            if type(recorded.event) is not ToolCallRequested:
                return None
            after = running[key] = evolve(None, recorded)
            self._counts[after.status] += 1
            return after
        after = evolve(before, recorded)
        status = after.status
        if status is not before.status:
            self._counts[before.status] -= 1
            self._counts[status] += 1
        if after.policy is not before.policy and after.policy is not None:
            self._decisions[after.policy.action] += 1
        plain = after.approval is None and (after.dialogue is None or not after.dialogue.task)
        if plain and key in running and status not in TERMINAL:
            running[key] = after
        else:
            self._move(key, after)
        return after

    def _move(self, key: CallId, call: Call) -> None:
        self._running.pop(key, None)
        if call.is_task or call.status is Status.UNKNOWN or key in self._tasks:
            self._keep_task(key, call)
            return
        request = call.origin.request
        held = len(request.arguments) + len(request.extra or "")
        self._ended[key] = call if held <= self._limits.ended_bytes else _without_arguments(call)
        if len(self._ended) > self._limits.ended:
            self._ended.popitem(last=False)

    def _keep_task(self, key: CallId, call: Call) -> None:
        if key not in self._tasks:
            self._add_task(call)
        self._tasks[key] = call
        self.approvals.update(call)
        self._finished_bytes -= self._finished.get(key, 0)
        if call.status in TERMINAL:
            self._finished[key] = held = _text_held(call)
            self._finished_bytes += held
            self._forget_oldest()
        elif key in self._finished:
            del self._finished[key]

    def _add_task(self, call: Call) -> None:
        """Also one that was requested before the newest: an outcome is lost long after the request."""
        of_client = self._by_client.setdefault(call.client, {})
        newest = next(reversed(self._tasks.values()), None)
        self._tasks[call.id] = call
        of_client[call.id] = None
        if newest is not None and newest.requested_seq > call.requested_seq:
            self._tasks = dict(sorted(self._tasks.items(), key=lambda item: item[1].requested_seq))
            keys = sorted(of_client, key=lambda key: self._tasks[key].requested_seq)
            self._by_client[call.client] = dict.fromkeys(keys)

    def _forget_oldest(self) -> None:
        limits = self._limits
        while len(self._finished) > limits.tasks or self._finished_bytes > limits.task_bytes:
            key, held = self._finished.popitem(last=False)
            self._finished_bytes -= held
            client = self._tasks.pop(key).client
            of_client = self._by_client[client]
            del of_client[key]
            if not of_client:
                del self._by_client[client]

    # --- snapshot -----------------------------------------------------------------------------------------------------

    def dump(self) -> CallsState:
        return CallsState(
            tuple(self._running.values()),
            tuple(self._tasks.values()),
            tuple(self._finished),
            tuple(self._ended.values()),
            self.counts,
            self.decisions,
        )

    def load(self, state: CallsState) -> None:
        self._running = {call.id: call for call in state.running}
        self._ended = OrderedDict((call.id, call) for call in state.ended)
        self._counts, self._decisions = Counter(state.counts), Counter(state.decisions)
        for call in state.tasks:
            self._tasks[call.id] = call
            self._by_client.setdefault(call.client, {})[call.id] = None
            self.approvals.update(call)
        self._finished = OrderedDict((key, _text_held(self._tasks[key])) for key in state.finished)
        self._finished_bytes = sum(self._finished.values())


def _text_held(call: Call) -> int:
    return len(call.arguments) + len(call.extra or "") + len(call.error or "")


def _without_arguments(call: Call) -> Call:
    request = replace(call.origin.request, arguments="", extra=None)
    return replace(call, origin=replace(call.origin, request=request))
