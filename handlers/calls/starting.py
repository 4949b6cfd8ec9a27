"""One attempt to start a call that waited: decided on the call as it stands, and on who may start it."""

import attrs

from handlers.calls.kept import Params
from handlers.calls.refusing import is_waited_for, refusal, unsent
from handlers.core import Core
from handlers.owners.ownership import Term
from portero.domain import call as calls
from portero.domain.commands import CallCommand, StartExecution
from portero.domain.events import CallEvent
from portero.domain.ids import CallId, Millis, call_aggregate
from portero.domain.values import SYSTEM, Status
from portero.errors import LOG_UNAVAILABLE
from portero.log import Write
from portero.upstream import Catalogue


@attrs.define
class Start:
    """``build`` it as often as the log wants it; what it has come to stands here once that is appended.

    ``single``: there is one instance of its server, and ``term`` is this replica's time as its owner, if it is that.
    ``uncertain``: we wrote already that it starts, without learning whether that stands.
    """

    core: Core
    catalogue: Catalogue
    call: CallId
    params: Params
    single: bool
    term: Term | None
    uncertain: bool
    begun: calls.Call | None = None
    """The call as it has started; None: it has not."""
    waited_for: bool = False
    """Its client waits for the end where it was asked for."""
    locked: bool = False
    """A lock came first, so it has to wait once more."""

    def build(self, now: Millis) -> tuple[Write, ...]:
        self.begun, self.locked = None, False
        state = self.core.view.calls.get(self.call)
        if state is not None and self._is_unsent(state):
            text = "The log was away; nothing was sent."
            return (ending(state, unsent(state, LOG_UNAVAILABLE, text), now),)
        if state is None or state.status is not Status.QUEUED or not self._may_start():
            return ()
        self.locked = self.core.view.locked is not None and not is_waited_for(state)
        if self.locked:
            return ()
        reason = refusal(self.core, self.catalogue, state, self.params, now)
        return (ending(state, reason, now),) if reason is not None else self._started(state, now)

    def _is_unsent(self, state: calls.Call) -> bool:
        """It says that we have started it, and we have not."""
        ours = state.status is Status.EXECUTING and state.replica == self.core.log.replica
        return self.uncertain and ours

    def _may_start(self) -> bool:
        return not self.single or (self.term is not None and self.term.open)

    def _started(self, state: calls.Call, now: Millis) -> tuple[Write, ...]:
        core = self.core
        retry_safe = core.retry_lost and bool(state.facts.read_only or state.facts.idempotent)
        command = StartExecution(core.log.replica, Millis(now + core.lease_ms), retry_safe)
        events = tuple(calls.decide(state, command, now))
        after = calls.preview(state, events, now, SYSTEM)
        if after.status is not Status.EXECUTING:
            return (_ends(state, events),)
        self.begun, self.waited_for = after, is_waited_for(state)
        write = Write(call_aggregate(state.id), state.version, events, timer=after.lease_until)
        return (write, self.term.fence) if self.term is not None else (write,)


def ending(state: calls.Call, command: CallCommand, now: Millis) -> Write:
    """The end of a call that does not run."""
    return _ends(state, tuple(calls.decide(state, command, now)))


def _ends(state: calls.Call, events: tuple[CallEvent, ...]) -> Write:
    return Write(call_aggregate(state.id), state.version, events, timer=None, work=("notification",), ends=True)
