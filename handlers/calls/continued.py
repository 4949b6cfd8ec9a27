"""Calls that rest on what was decided for an earlier one: answers to what that asked, words to the task it became."""

from typing import Protocol

from msgspec import Struct
from msgspec.structs import replace

from handlers.core import Core
from portero.domain import call as calls
from portero.domain.commands import Continue
from portero.domain.events import CallContinued
from portero.domain.ids import CallId, Millis, call_aggregate
from portero.domain.policy import Verdict
from portero.domain.values import Action, Kind, Tier
from portero.errors import AlreadyDecided, Invalid, VersionConflict
from portero.log import Write

USED = "These answers have been used already. Begin the call again."


class Precedent(Protocol):
    """An earlier call, by whose decision this one is allowed, too."""

    def decided(self, verdict: Verdict) -> Verdict:
        """What holds for the new call, given what the policy says of it by itself."""

    def writes(self, core: Core, by: CallId, now: Millis) -> tuple[Write, ...]:
        """What is appended to the earlier call with the new one, which is ``by``. Raises Invalid."""

    def check_held(self, core: Core, conflict: VersionConflict) -> None:
        """After an append that found something else. Raises Invalid where it can never be appended."""


class Continued(Struct, frozen=True):
    """The call whose questions are answered, at the version at which it ended: it is gone on with once."""

    call: CallId
    version: int

    def decided(self, verdict: Verdict) -> Verdict:
        """What was decided at first holds, unless it is denied by now."""
        return verdict if verdict.action is Action.DENY else _allowed_by(self.call, verdict)

    def writes(self, core: Core, by: CallId, now: Millis) -> tuple[Write, ...]:
        first = core.view.calls.get(self.call)
        try:
            events = tuple(calls.decide(first, Continue(by), now)) if first is not None else (CallContinued(by),)
        except AlreadyDecided as used:
            raise Invalid(USED) from used
        version = first.version if first is not None else self.version
        return (Write(call_aggregate(self.call), version, events, ends=True),)

    def check_held(self, core: Core, conflict: VersionConflict) -> None:
        """A call that is not held any more can have moved on in one way only."""
        if conflict.aggregate == call_aggregate(self.call) and core.view.calls.get(self.call) is None:
            raise Invalid(USED)


class Tended(Struct, frozen=True):
    """The call whose upstream made a task of it; ``kind``: what is said to that task."""

    call: CallId
    kind: Kind

    def decided(self, verdict: Verdict) -> Verdict:
        """What was decided for the task's beginning holds, unless its tool is denied by now."""
        return verdict if denies(verdict, self.kind) else _allowed_by(self.call, verdict)

    def writes(self, core: Core, by: CallId, now: Millis) -> tuple[Write, ...]:
        return ()

    def check_held(self, core: Core, conflict: VersionConflict) -> None:
        """Nothing of the earlier call is written."""


def denies(verdict: Verdict, kind: Kind) -> bool:
    """Whether a verdict on a tool keeps a call of this kind from being sent.

    To cancel a task is to undo what a denial would not have let begin, so only a lock, under which nothing at all goes
    to upstreams, keeps back the wish.
    """
    return verdict.action is Action.DENY and (kind is not Kind.TASK_CANCEL or verdict.reason.tier is Tier.LOCK)


def _allowed_by(call: CallId, verdict: Verdict) -> Verdict:
    return Verdict(Action.ALLOW, replace(verdict.reason, grant=None, continues=call))
