"""A log made by hand: events get their sequence, version and time as the real one gives them."""

from typing import Any

import attrs

from portero.domain.events import Meta, Recorded
from portero.domain.ids import CallId, Millis, ReplicaId, call_aggregate
from portero.domain.values import SYSTEM, Actor
from projections import View
from projections.limits import Limits
from tests.domain.stories import CALL, NOW, R1


@attrs.define
class Tape:
    """What is written stands in ``log``; ``view`` folds it."""

    log: list[Recorded[Any]] = attrs.field(factory=list)
    versions: dict[str, int] = attrs.field(factory=dict)
    after: int = 0
    """The sequence that it goes on from."""

    def write(self, aggregate: str, *events: Any, at: int = NOW, by: Actor = SYSTEM, replica: ReplicaId = R1) -> "Tape":
        """``events``: values, or the name of a type that this release does not know."""
        for event in events:
            seq, version = self.after + len(self.log) + 1, self.versions.get(aggregate, 0) + 1
            self.versions[aggregate] = version
            meta = Meta(Millis(at), by, replica, f"w{seq}")
            known = not isinstance(event, str)
            kind = type(event).__name__ if known else event
            self.log.append(Recorded(seq, f"{at}-{seq}", aggregate, version, kind, event if known else None, meta))
        return self

    def call(self, *events: Any, call: CallId = CALL, at: int = NOW) -> "Tape":
        return self.write(call_aggregate(call), *events, at=at)

    def view(self, limits: Limits | None = None) -> View:
        view = View(limits)
        view.apply(self.log)
        return view


def call_id(number: int) -> CallId:
    return CallId(f"{number:016d}")
