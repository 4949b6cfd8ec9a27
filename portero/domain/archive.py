"""What the log knows of its archive."""

from typing import Any, Final

import attrs

from portero.domain.events import Recorded, SegmentArchived, SegmentsRemoved
from portero.domain.ids import Millis


@attrs.frozen
class Archived:
    """How far the log is archived. ``version``: of the aggregate, for whoever writes the next segment."""

    version: int
    last: int
    """The last archived event."""
    last_entry: str
    digest: str
    """The newest segment's hash, which is the head of the chain."""
    location: str
    at: Millis
    """When it was written."""
    before: int = 1
    """Segments with events below this one were given up."""


NOTHING: Final = Archived(0, 0, "0-0", "", "", Millis(0))


def evolve_archive(state: Archived | None, recorded: Recorded[Any]) -> Archived:
    """The state after one more event; one that this release cannot read moves the version all the same."""
    state, event = attrs.evolve(state or NOTHING, version=recorded.version), recorded.event
    if isinstance(event, SegmentArchived):
        return attrs.evolve(
            state,
            last=event.last,
            last_entry=event.last_entry,
            digest=event.digest,
            location=event.location,
            at=recorded.meta.at,
        )
    if isinstance(event, SegmentsRemoved):
        return attrs.evolve(state, before=event.before)
    return state


def witness(log: str, archived: Archived) -> str:
    """One word that holds the head of the chain, for a place outside: ``log:last event:hash``."""
    return f"{log}:{archived.last}:{archived.digest}"
