"""A grant lifts ``require-approval``, never ``deny``, for matching tools and for a while."""

from enum import StrEnum

import attrs

from portero.domain.commands import GrantCommand, IssueGrant, RevokeGrant, Wake
from portero.domain.events import GrantEvent, GrantExpired, GrantIssued, GrantRevoked, GrantUsed, Recorded
from portero.domain.ids import CallId, ClientId, GrantId, Millis
from portero.domain.patterns import Pattern
from portero.domain.values import Actor
from portero.errors import AlreadyDecided, DecisionError, Invalid, NotFound


class GrantEnd(StrEnum):
    """Why a grant holds no more."""

    REVOKED = "revoked"
    EXPIRED = "expired"
    USED_UP = "used up"


@attrs.frozen
class Grant:
    """One grant as it stands. ``uses`` None: without a limit."""

    id: GrantId
    version: int
    pattern: str
    literal: bool
    issued_at: Millis
    expires_at: Millis
    by: Actor
    uses: int | None = None
    used: int = 0
    client: ClientId | None = None
    call: CallId | None = None
    end: GrantEnd | None = None
    ended_at: Millis | None = None
    ended_by: Actor | None = None
    foreign: bool = False
    """A newer release wrote on it something that this one cannot read, so this one does not use it."""

    def active(self, now: Millis) -> bool:
        return self.end is None and now < self.expires_at and not self.foreign

    def matches(self, tool: str, client: str | None) -> bool:
        """``tool`` is a policy name; ``client`` None asks for any client, so a grant of one client does not count."""
        return self.client in (None, client) and Pattern.of(self.pattern, literal=self.literal).matches_name(tool)

    def means(self, name: str, reading: int) -> bool:
        """``name`` is a reading of a policy name: see ``Pattern.means``."""
        return bool(Pattern.of(self.pattern, literal=self.literal).means(name, reading))

    @property
    def uses_left(self) -> int | None:
        return None if self.uses is None else max(0, self.uses - self.used)


def evolve(state: Grant | None, recorded: Recorded[GrantEvent | None]) -> Grant:
    event, version, at = recorded.event, recorded.version, recorded.meta.at
    match event:
        case GrantIssued():
            identity = GrantId(split_aggregate_of(recorded))
            return Grant(
                identity,
                version,
                event.pattern,
                event.literal,
                at,
                event.expires_at,
                event.by,
                event.uses,
                0,
                event.client,
                event.call,
            )
        case _ if state is None:
            raise NotFound(f"{recorded.aggregate} has no beginning on this log.")
        case GrantUsed():
            used = state.used + 1
            spent = state.end is None and state.uses is not None and used >= state.uses
            if not spent:
                return attrs.evolve(state, version=version, used=used)
            return attrs.evolve(state, version=version, used=used, end=GrantEnd.USED_UP, ended_at=at)
        case GrantRevoked():
            return attrs.evolve(state, version=version, end=GrantEnd.REVOKED, ended_at=at, ended_by=event.by)
        case GrantExpired():
            return attrs.evolve(state, version=version, end=GrantEnd.EXPIRED, ended_at=at)
        case None:
            return attrs.evolve(state, version=version, foreign=True)


def split_aggregate_of(recorded: Recorded[GrantEvent | None]) -> str:
    return recorded.aggregate.partition("/")[2]


def decide(state: Grant | None, command: GrantCommand, now: Millis) -> list[GrantEvent]:
    """Raises Invalid, NotFound, or AlreadyDecided for one that has ended."""
    if isinstance(command, IssueGrant):
        return _issue(state, command, now)
    if state is None:
        raise NotFound("There is no such grant.")
    if state.foreign:
        raise DecisionError(f"A newer release of Portero wrote on grant {state.id}; this one leaves it alone.")
    if isinstance(command, Wake):
        return [GrantExpired()] if state.end is None and now >= state.expires_at else []
    if state.end is not None:
        raise AlreadyDecided(state.end.value, str(state.ended_by) if state.ended_by else None, state.ended_at)
    if isinstance(command, RevokeGrant):
        return [GrantRevoked(command.by)]
    if now >= state.expires_at:
        raise AlreadyDecided(GrantEnd.EXPIRED.value, None, state.expires_at)
    return [GrantUsed(command.call)]


def _issue(state: Grant | None, command: IssueGrant, now: Millis) -> list[GrantEvent]:
    if state is not None:
        raise Invalid(f"There is a grant {state.id} already.")
    Pattern.of(command.pattern, literal=command.literal)
    if command.expires_at <= now:
        raise Invalid("The grant would end before it begins.")
    if command.uses is not None and command.uses < 1:
        raise Invalid("A grant is for one use at least.")
    return [
        GrantIssued(
            command.pattern, command.literal, command.expires_at, command.by, command.uses, command.client, command.call
        )
    ]


def timer(state: Grant) -> Millis | None:
    """When it needs a Wake."""
    return state.expires_at if state.end is None else None
