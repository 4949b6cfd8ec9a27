"""Calls that answer what an earlier one asked: they go on under its decision, once."""

from msgspec import Struct
from msgspec.structs import replace

from handlers.core import Core
from portero.domain import call as calls
from portero.domain.commands import Continue
from portero.domain.events import CallContinued
from portero.domain.ids import CallId, Millis, call_aggregate
from portero.domain.policy import Verdict
from portero.domain.values import Action
from portero.errors import AlreadyDecided, Invalid, VersionConflict
from portero.log import Write

USED = "These answers have been used already. Begin the call again."


class Continued(Struct, frozen=True):
    """The call whose questions are answered, at the version at which it ended."""

    call: CallId
    version: int

    def decided(self, verdict: Verdict) -> Verdict:
        """What was decided at first holds, unless it is denied by now."""
        if verdict.action is Action.DENY:
            return verdict
        reason = replace(verdict.reason, grant=None, continues=self.call)
        return Verdict(Action.ALLOW, reason)

    def write(self, core: Core, by: CallId, now: Millis) -> Write:
        """The first call is gone on with once. Raises Invalid when it has been."""
        first = core.view.calls.get(self.call)
        try:
            events = tuple(calls.decide(first, Continue(by), now)) if first is not None else (CallContinued(by),)
        except AlreadyDecided as used:
            raise Invalid(USED) from used
        version = first.version if first is not None else self.version
        return Write(call_aggregate(self.call), version, events, ends=True)

    def check_held(self, core: Core, conflict: VersionConflict) -> None:
        """A call that is not held any more can have moved on in one way only. Raises Invalid."""
        if conflict.aggregate == call_aggregate(self.call) and core.view.calls.get(self.call) is None:
            raise Invalid(USED)
