"""The people who paired with the bot and may decide."""

from collections.abc import Iterator
from typing import Any

import attrs

from portero.domain.admin import Admin, evolve
from portero.domain.events import AdminEvent, AdminPaired, AdminRemoved, Recorded
from portero.domain.ids import ADMINS_AGGREGATE


@attrs.frozen
class AdminsState:
    version: int
    admins: tuple[Admin, ...]


class Admins:
    """Iterating gives those who may decide now, in the order they paired."""

    def __init__(self) -> None:
        self.version = 0
        """Of the aggregate that all of them are written to: what a decision about them rests on."""
        self._admins: dict[int, Admin] = {}

    def get(self, user: int) -> Admin | None:
        return self._admins.get(user)

    def __iter__(self) -> Iterator[Admin]:
        return iter(self._admins.values())

    def __len__(self) -> int:
        return len(self._admins)

    def fold(self, recorded: Recorded[AdminEvent | None]) -> Admin | None:
        """Returns whom the event is about, where that is one person who is known."""
        if recorded.aggregate == ADMINS_AGGREGATE:
            self.version = recorded.version
        user = _user(recorded)
        if user is None:  # it cannot be read, and so whom it leaves is not known: nobody decides
            self._admins.clear()
            return None
        before = self._admins.get(user)
        if before is None and not isinstance(recorded.event, AdminPaired):
            return None
        after = evolve(before, recorded)
        if after.removed_at is None:
            self._admins[after.user] = after
        else:
            self._admins.pop(after.user, None)
        return after

    def dump(self) -> AdminsState:
        return AdminsState(self.version, tuple(self._admins.values()))

    def load(self, state: AdminsState) -> None:
        self.version = state.version
        self._admins = {admin.user: admin for admin in state.admins}


def _user(recorded: Recorded[Any]) -> int | None:
    event = recorded.event
    if isinstance(event, AdminPaired | AdminRemoved) and event.user is not None:
        return event.user
    kind, _, identity = recorded.aggregate.partition("/")
    return int(identity) if kind == "admin" else None
