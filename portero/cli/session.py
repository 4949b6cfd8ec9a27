"""A command's time on the running system: the log it follows, the view it reads, the decisions it may make."""

import asyncio
import os
import pwd
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Final, TypeVar

import attrs
import structlog

from handlers.core import Core
from handlers.people.decisions import Decisions
from handlers.upkeep.archiving import archive_place
from handlers.upkeep.loading import load_view
from portero.cli.place import Place, find_place
from portero.domain.call import Call
from portero.domain.ids import ReplicaId
from portero.domain.policy import ConfigPolicy
from portero.domain.replacement import Replacer
from portero.domain.values import Action, Actor
from portero.errors import StoreError
from portero.gateway.calls.taskids import parse_task_id
from portero.log import Follower, Log, open_log
from portero.log.runtime import read_socket
from projections import View

T = TypeVar("T")

NO_POLICY: Final = ConfigPolicy({}, Action.ASK)
"""The command line decides on calls that gateways have judged already; it judges none itself."""


@attrs.frozen
class Session:
    """``view`` is up to date when the session begins, and follows the log while it lasts."""

    place: Place
    log: Log
    view: View
    decisions: Decisions
    by: Actor
    core: Core
    follower: Follower
    following: asyncio.Task[None]

    async def catch_up(self) -> None:
        """Waits until the view holds what this session itself has written."""
        await self.core.catch_up()


def in_session(run: Callable[[Session], Awaitable[T]]) -> T:
    """Runs ``run`` in a session and returns what it returns."""
    quiet_logs()
    return asyncio.run(_in_session(run))


async def _in_session(run: Callable[[Session], Awaitable[T]]) -> T:
    async with open_session(find_place()) as session:
        return await run(session)


@asynccontextmanager
async def open_session(place: Place, *, start: bool = True) -> AsyncIterator[Session]:
    """``start``: a store of ours that does not run is started for the time of the session, and ended with it.

    Raises StoreError when no gateway has ever run here, or when the store cannot be used.
    """
    if place.redis_url is None and not (place.data_dir / "store").is_dir():
        raise StoreError(
            f"There is no store in {place.data_dir}: no gateway has run here. Change to where Portero runs, "
            "or set PORTERO_DATA_DIR (or REDIS_URL) to what it uses."
        )
    if place.redis_url is None and not start and not embedded_runs(place):
        raise StoreError("The store does not run.")
    replica = ReplicaId(f"cli-{socket.gethostname()}-{os.getpid()}")
    async with open_log(
        place.redis_url.reveal() if place.redis_url else None,
        replica,
        data=place.data_dir,
        name=place.store_name,
        fsync=place.fsync,
        archive=archive_place(place.archive),
    ) as log:
        view = await load_view(log)
        follower = Follower(log, view.apply, (view.seq, view.entry))
        following = asyncio.create_task(follower.run(), name="follow")
        try:
            core = Core(log, view, NO_POLICY, Replacer.from_entries([]))
            yield Session(place, log, view, Decisions(core), person(), core, follower, following)
        finally:
            following.cancel()
            with suppress(asyncio.CancelledError):
                await following


def embedded_runs(place: Place) -> bool:
    """Whether somebody answers on the embedded store's socket."""
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(0.5)
        try:
            probe.connect(read_socket(place.data_dir / "store"))
        except OSError:
            return False
    return True


def person() -> Actor:
    """Who types: the user of this process on this machine, as the operating system knows them."""
    try:
        user = pwd.getpwuid(os.getuid()).pw_name
    except KeyError:  # a container's user without a name
        user = str(os.getuid())
    host = socket.gethostname()
    return Actor("cli", f"{user}@{host}", f"{user}@{host} (command line)")


def find_call(view: View, given: str) -> Call:
    """By the task id that clients have, the call's own id, or a unique beginning of it. Raises NotFound or Invalid."""
    text = given.strip().lower()
    parsed = parse_task_id(text)
    return view.calls.find(parsed[0] if parsed is not None else text)


def quiet_logs() -> None:
    """What the libraries of a gateway log is of no use to somebody who types a command: errors come as errors."""
    structlog.configure(processors=[_drop])


def _drop(_logger: object, _method: str, _event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    raise structlog.DropEvent
