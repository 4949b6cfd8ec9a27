"""Grants: those that may hold, and the latest that have ended."""

from collections import OrderedDict
from collections.abc import Iterator

import attrs

from portero.domain.events import GrantEvent, GrantIssued, Recorded
from portero.domain.grant import Grant, evolve
from portero.domain.ids import GrantId, Millis
from projections.limits import Limits


@attrs.frozen
class GrantsState:
    open: tuple[Grant, ...]
    ended: tuple[Grant, ...]


class Grants:
    """Iterating gives the grants that have not ended; their time may be over all the same, so ask ``active``."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._open: dict[GrantId, Grant] = {}
        self._ended: OrderedDict[GrantId, Grant] = OrderedDict()

    def get(self, grant: GrantId) -> Grant | None:
        return self._open.get(grant) or self._ended.get(grant)

    def active(self, now: Millis) -> list[Grant]:
        """In the order they were issued."""
        return [grant for grant in self._open.values() if grant.active(now)]

    def limited(self, grant: GrantId) -> bool:
        """Whether its uses are counted."""
        state = self.get(grant)
        return state is not None and state.uses is not None

    def ended(self, limit: int = 20) -> list[Grant]:
        """Newest end first."""
        return [grant for _, grant in zip(range(limit), reversed(self._ended.values()), strict=False)]

    def __iter__(self) -> Iterator[Grant]:
        return iter(self._open.values())

    def __len__(self) -> int:
        return len(self._open)

    def fold(self, recorded: Recorded[GrantEvent | None]) -> Grant | None:
        """None when its beginning is not held any more."""
        before = self.get(GrantId(recorded.aggregate.partition("/")[2]))
        if before is None and not isinstance(recorded.event, GrantIssued):
            return None
        after = evolve(before, recorded)
        if after.end is None:
            self._open[after.id] = after
            return after
        self._open.pop(after.id, None)
        self._ended[after.id] = after
        if len(self._ended) > self._limits.grants:
            self._ended.popitem(last=False)
        return after

    def dump(self) -> GrantsState:
        return GrantsState(tuple(self._open.values()), tuple(self._ended.values()))

    def load(self, state: GrantsState) -> None:
        self._open = {grant.id: grant for grant in state.open}
        self._ended = OrderedDict((grant.id, grant) for grant in state.ended)
