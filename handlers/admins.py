"""People who may decide: the first one pairs with the bot by a code, and then nobody else does."""

from handlers.core import Core
from portero.domain.events import AdminPaired, AdminRemoved
from portero.domain.ids import Millis, admin_aggregate
from portero.domain.values import SYSTEM, Actor
from portero.errors import AlreadyDecided, NotFound
from portero.log import Write


class Pairing:
    """Whoever asks must have checked the code."""

    def __init__(self, core: Core) -> None:
        self._core = core

    async def pair(self, user: int, name: str, chat: int) -> None:
        """Makes the person the admin. Raises AlreadyDecided when somebody is, also when two pair at the same moment."""
        core = self._core
        by = Actor("telegram", str(user), name)

        def build(_now: Millis) -> tuple[Write, ...]:
            self._require_nobody()
            return (Write(admin_aggregate(user), None, (AdminPaired(user, name, chat),)),)

        await core.catch_up()
        await core.commit(build, actor=by)
        await core.catch_up()
        first = next(iter(core.view.admins), None)
        if first is not None and first.user != user:  # each person is an aggregate, so both were written
            await self.remove(user, SYSTEM)
            self._require_nobody()

    async def remove(self, user: int, by: Actor) -> None:
        """Raises NotFound when the person is no admin."""
        core = self._core

        def build(_now: Millis) -> tuple[Write, ...]:
            if core.view.admins.get(user) is None:
                raise NotFound(f"User {user} is not paired.")
            return (Write(admin_aggregate(user), None, (AdminRemoved(by),)),)

        await core.commit(build, actor=by)
        await core.catch_up()

    def _require_nobody(self) -> None:
        first = next(iter(self._core.view.admins), None)
        if first is not None:
            raise AlreadyDecided("paired", first.name, first.paired_at)
