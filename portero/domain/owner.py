"""Which replica runs a server of which there must be one instance only, and who may take it over."""

import attrs

from portero.domain.commands import EndOwnership, OwnerCommand, TakeOwnership
from portero.domain.events import OwnerEvent, OwnershipEnded, OwnershipTaken, Recorded
from portero.domain.ids import Millis, ReplicaId
from portero.errors import AlreadyDecided, DecisionError, NotFound


@attrs.frozen
class Owner:
    """``replica`` runs it since ``since``; None: no replica has, since it was given back."""

    upstream: str
    version: int
    """What every start of a call on this server is fenced by: it moves with every change of hands."""
    epoch: int
    """Of the lease under which it was taken; a later one is always greater."""
    replica: ReplicaId | None
    since: Millis
    reason: str | None = None
    """Why it was given back."""
    foreign: bool = False
    """A newer release wrote on it something that this one cannot read, so this one runs nothing on it."""


def evolve(state: Owner | None, recorded: Recorded[OwnerEvent | None]) -> Owner:
    event, version, at = recorded.event, recorded.version, recorded.meta.at
    match event:
        case OwnershipTaken():
            return Owner(recorded.aggregate.partition("/")[2], version, event.epoch, event.replica, at)
        case _ if state is None:
            raise NotFound(f"{recorded.aggregate} has no beginning on this log.")
        case OwnershipEnded():
            return attrs.evolve(state, version=version, replica=None, since=at, reason=event.reason)
        case None:
            return attrs.evolve(state, version=version, replica=None, since=at, foreign=True)


def decide(state: Owner | None, command: OwnerCommand, now: Millis) -> list[OwnerEvent]:
    """Raises AlreadyDecided when a later lease has taken it: who held an older one slept meanwhile."""
    if state is not None and state.foreign:
        raise DecisionError(f"A newer release of Portero wrote on the owner of {state.upstream}; it is left alone.")
    match command:
        case TakeOwnership():
            if state is not None and command.epoch <= state.epoch:
                raise AlreadyDecided("taken over", state.replica, state.since)
            return [OwnershipTaken(command.replica, command.epoch)]
        case EndOwnership():
            ours = state is not None and (state.replica, state.epoch) == (command.replica, command.epoch)
            return [OwnershipEnded(command.replica, command.epoch, command.reason)] if ours else []
