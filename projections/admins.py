"""The people who paired with the bot and may decide."""

from collections.abc import Iterator

from portero.domain.admin import Admin, evolve
from portero.domain.events import AdminEvent, AdminPaired, Recorded


class Admins:
    """Iterating gives those who may decide now, in the order they paired."""

    def __init__(self) -> None:
        self._admins: dict[int, Admin] = {}

    def get(self, user: int) -> Admin | None:
        return self._admins.get(user)

    def __iter__(self) -> Iterator[Admin]:
        return iter(self._admins.values())

    def __len__(self) -> int:
        return len(self._admins)

    def fold(self, recorded: Recorded[AdminEvent | None]) -> None:
        event = recorded.event
        identity = recorded.aggregate.partition("/")[2]
        before = self._admins.get(int(identity))
        if before is None and not isinstance(event, AdminPaired):
            return
        after = evolve(before, recorded)
        if after.removed_at is None:
            self._admins[after.user] = after
        else:
            self._admins.pop(after.user, None)

    def dump(self) -> tuple[Admin, ...]:
        return tuple(self._admins.values())

    def load(self, state: tuple[Admin, ...]) -> None:
        self._admins = {admin.user: admin for admin in state}
