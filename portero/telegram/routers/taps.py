"""What routers share: buttons as filters, and decisions that a replica's late view must not refuse."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

from aiogram.filters import Filter
from aiogram.types import CallbackQuery

from portero.errors import NotFound
from portero.telegram.callbacks import Tap, Verb, parse
from portero.telegram.context import Context

T = TypeVar("T")


class Tapped(Filter):
    """A button of one of these verbs; the handler gets it as ``tap``."""

    def __init__(self, *verbs: Verb) -> None:
        self._verbs = frozenset(verbs)

    async def __call__(self, query: CallbackQuery) -> bool | dict[str, Tap]:
        tap = parse(query.data)
        return {"tap": tap} if tap is not None and tap.verb in self._verbs else False


async def insist(context: Context, decide: Callable[[], Awaitable[T]]) -> T:
    """Asks once more when something is not found: what another replica wrote may not have been seen here yet."""
    try:
        return await decide()
    except NotFound:
        await context.core.catch_up()
        return await decide()
