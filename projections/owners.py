"""Which replica runs each server that only one may run."""

from collections.abc import Iterator

from portero.domain.events import OwnerEvent, Recorded
from portero.domain.owner import Owner, evolve
from portero.errors import NotFound


class Owners:
    """Iterating gives all that were ever taken, by name: they are few, and what is fenced by them must not go back."""

    def __init__(self) -> None:
        self._owners: dict[str, Owner] = {}

    def get(self, upstream: str) -> Owner | None:
        return self._owners.get(upstream)

    def __iter__(self) -> Iterator[Owner]:
        return iter(self._owners[name] for name in sorted(self._owners))

    def fold(self, recorded: Recorded[OwnerEvent | None]) -> Owner | None:
        name = recorded.aggregate.partition("/")[2]
        try:
            owner = self._owners[name] = evolve(self._owners.get(name), recorded)
        except NotFound:
            return None
        return owner

    def dump(self) -> tuple[Owner, ...]:
        return tuple(self)

    def load(self, state: tuple[Owner, ...]) -> None:
        self._owners = {owner.upstream: owner for owner in state}
