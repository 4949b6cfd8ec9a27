"""A session: what one client of the older era, or one stream of the newer one, wants to be told."""

from collections.abc import Container, Iterable, Iterator
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from portero.domain.commands import EndSession, OpenStream, SessionCommand, SetLevel, Subscribe, Unsubscribe
from portero.domain.events import (
    LogLevelSet,
    Recorded,
    ResourcesSubscribed,
    ResourcesUnsubscribed,
    SessionEnded,
    SessionEvent,
    StreamOpened,
)
from portero.domain.ids import ClientId, SessionId
from portero.domain.values import Watched
from portero.errors import Invalid, NotFound

MAX_WATCHED: Final = 1_000
"""Resources that one session can be subscribed to."""


class Session(Struct, frozen=True):
    """As it stands. Nothing is known of a session before its first event, and nothing needs to be."""

    id: SessionId
    client: ClientId
    version: int
    watched: tuple[Watched, ...] = ()
    level: str | None = None
    """The least severe log messages that it wants, where it has said so."""
    stream: str | None = None
    """The newest stream of notices; older ones are not written to any more."""
    ended: bool = False


def evolve(state: Session | None, recorded: Recorded[SessionEvent | None]) -> Session | None:
    """The state after one more event; None while it is not known whose session it is."""
    event = recorded.event
    client = getattr(event, "client", None)
    if state is None:
        if client is None:
            return None
        state = Session(SessionId(recorded.aggregate.partition("/")[2]), client, recorded.version)
    state = replace(state, version=recorded.version)
    return state if state.ended else _after(state, event)


def _after(state: Session, event: SessionEvent | None) -> Session:
    match event:
        case StreamOpened():
            return replace(state, stream=event.stream)
        case ResourcesSubscribed():
            return replace(state, watched=tuple(dict.fromkeys((*state.watched, *event.resources))))
        case ResourcesUnsubscribed():
            gone = frozenset(event.resources)
            return replace(state, watched=tuple(item for item in state.watched if item not in gone))
        case LogLevelSet():
            return replace(state, level=event.level)
        case SessionEnded():
            return replace(state, watched=(), ended=True)
    return state


def preview(state: Session | None, session: SessionId, events: Iterable[SessionEvent]) -> Session:
    """The state as it will be once ``events`` are on the log, for what must be known before."""
    state = state or Session(session, ClientId(""), 0)
    for event in events:
        state = _after(state, event)
    return state


def decide(state: Session | None, command: SessionCommand) -> list[SessionEvent]:
    """The events that the command brings about. Raises NotFound when the session has ended, Invalid beyond limits."""
    if state is not None and state.ended:
        raise NotFound("This session has ended.")
    match command:
        case OpenStream():
            return [StreamOpened(command.client, command.replica, command.stream)]
        case Subscribe():
            return _subscribe(state, command)
        case Unsubscribe():
            watched = state.watched if state is not None else ()
            gone = tuple(item for item in watched if command.resources is None or item in command.resources)
            return [ResourcesUnsubscribed(gone, command.reason)] if gone else []
        case SetLevel():
            same = state is not None and state.level == command.level
            return [] if same else [LogLevelSet(command.client, command.level)]
        case EndSession():
            return [SessionEnded(command.client)]


def _subscribe(state: Session | None, command: Subscribe) -> list[SessionEvent]:
    watched = state.watched if state is not None else ()
    fresh = tuple(dict.fromkeys(item for item in command.resources if item not in watched))
    if len(watched) + len(fresh) > MAX_WATCHED:
        raise Invalid(f"A session can be subscribed to {MAX_WATCHED} resources at most. Unsubscribe from some first.")
    return [ResourcesSubscribed(command.client, fresh)] if fresh else []


def places(uri: str) -> Iterator[str]:
    """A URI, and all that it is a part of: who is subscribed to a folder hears of what is in it."""
    yield uri
    at = uri.rfind("/")
    while at > 0:
        yield uri[: at + 1]
        yield uri[:at]
        at = uri.rfind("/", 0, at)


def covers(watched: Container[str], uri: str) -> bool:
    """Whether an update of ``uri`` concerns one of these."""
    return any(place in watched for place in places(uri))
