"""People who may decide: the first one pairs with the bot by a code, and then nobody else does."""

from collections.abc import Callable

from handlers.core import Core
from portero.domain.events import AdminEvent, AdminPaired, AdminRemoved
from portero.domain.ids import ADMINS_AGGREGATE, Millis
from portero.domain.values import Actor
from portero.errors import AlreadyDecided, NotFound
from portero.log import Write


class Pairing:
    """Whoever asks must have checked the code."""

    def __init__(self, core: Core) -> None:
        self._core = core

    async def pair(self, user: int, name: str, chat: int) -> None:
        """Makes the person the admin. Raises AlreadyDecided when somebody is, also when two pair at the same moment."""

        def event() -> AdminEvent:
            first = next(iter(self._core.view.admins), None)
            if first is not None:
                raise AlreadyDecided("paired", first.name, first.paired_at)
            return AdminPaired(user, name, chat)

        await self._core.catch_up()
        await self._commit(event, Actor("telegram", str(user), name))

    async def remove(self, user: int, by: Actor) -> None:
        """Raises NotFound when the person is no admin."""

        def event() -> AdminEvent:
            if self._core.view.admins.get(user) is None:
                raise NotFound(f"User {user} is not paired.")
            return AdminRemoved(by, user)

        await self._commit(event, by)

    async def _commit(self, event: Callable[[], AdminEvent], by: Actor) -> None:
        """At the version of all admins together: whoever writes second finds another, looks again and decides again."""
        core = self._core

        def build(_now: Millis) -> tuple[Write, ...]:
            return (Write(ADMINS_AGGREGATE, core.view.admins.version, (event(),)),)

        await core.commit(build, actor=by)
        await core.catch_up()
