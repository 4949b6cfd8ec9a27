"""Who may decide, and the lock that denies everything while it is on."""

import attrs

from portero.domain.events import AccessLocked, AccessUnlocked, AdminEvent, AdminPaired, AdminRemoved, Recorded
from portero.domain.ids import Millis
from portero.domain.values import SYSTEM, Actor
from portero.errors import NotFound


@attrs.frozen
class Admin:
    """A person who paired with the bot. ``removed_at`` set: may decide no more."""

    user: int
    version: int
    name: str
    chat: int
    paired_at: Millis
    removed_at: Millis | None = None
    removed_by: Actor | None = None


def evolve(state: Admin | None, recorded: Recorded[AdminEvent | None]) -> Admin:
    event, version, at = recorded.event, recorded.version, recorded.meta.at
    match event:
        case AdminPaired():
            return Admin(event.user, version, event.name, event.chat, at)
        case _ if state is None:
            raise NotFound(f"{recorded.aggregate} has no beginning on this log.")
        case AdminRemoved():
            return attrs.evolve(state, version=version, removed_at=at, removed_by=event.by)
        case None:  # it may have been a removal: whom this release is not sure of decides nothing
            return attrs.evolve(state, version=version, removed_at=at)


@attrs.frozen
class Lock:
    """Everything is denied and approvals are frozen, since ``at``."""

    by: Actor
    at: Millis
    reason: str | None = None


def evolve_lock(recorded: Recorded[AccessLocked | AccessUnlocked | None]) -> Lock | None:
    """The lock after one more event of its aggregate: what cannot be read counts as locked."""
    match recorded.event:
        case AccessLocked() as event:
            return Lock(event.by, recorded.meta.at, event.reason)
        case AccessUnlocked():
            return None
        case None:
            return Lock(SYSTEM, recorded.meta.at, "A newer release wrote something here that this one cannot read.")
