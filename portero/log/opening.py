"""Opens the log: finds or starts its store, makes sure that it can be relied on, and reads where it ends."""

import asyncio
import os
import re
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from portero.domain.ids import ReplicaId
from portero.errors import ArchiveError, LogUnavailable, StoreError
from portero.log.archive import Archive, Bucket, Storage, storage_at
from portero.log.backoff import Backoff
from portero.log.connect import Store
from portero.log.embedded import EmbeddedStore, Fsync
from portero.log.health import demand, look
from portero.log.keeper import NOT_NOW
from portero.log.keys import Keys
from portero.log.limits import Limits
from portero.log.locate import locator_of
from portero.log.log import Log
from portero.log.position import Position, position_of
from portero.log.scripts import OPEN
from portero.log.urls import parse_url
from portero.log.wire import Login, ServerError

_UNFIT: Final = re.compile(r"[^A-Za-z0-9_.-]")
"""What the name of a connection must not hold."""
DEFAULT_LIMITS: Final = Limits()


@asynccontextmanager
async def open_log(
    url: str | None,
    replica: ReplicaId,
    *,
    data: Path,
    name: str = "main",
    fsync: Fsync = "always",
    limits: Limits = DEFAULT_LIMITS,
    archive: Path | Bucket | None = None,
) -> AsyncIterator[Log]:
    """The log in the store at ``url``, or in the embedded one under ``data`` when that is None; closed on leaving.

    ``archive``: where events are that the store does not hold any more. A new log is not begun beside an archive of
    another: what was decided there would be forgotten in silence.

    Raises StoreError, DataFolderInUse, ConfigError or LogDivergence, each of which says what to do.
    """
    keys = Keys(name)
    session = f"{_UNFIT.sub('-', replica)}.{os.getpid()}.{secrets.token_hex(3)}"
    embedded = None
    if url is None:
        embedded = EmbeddedStore(data, fsync=fsync)
        store = Store(embedded, Login(), keys, name=session, limits=limits)
    else:
        target = parse_url(url)
        store = Store(locator_of(target, keys.slot), target.login, keys, name=session, limits=limits)
    try:
        log = await _started(store, replica, storage_at(archive) if archive is not None else None)
        try:
            if log.position.seq == 0 and log.archive is not None:
                await _demand_empty(log.archive)
            yield log
        finally:
            await log.close()
    finally:
        await store.close()
        if embedded is not None:
            await embedded.stop(store.name)


async def _started(store: Store, replica: ReplicaId, storage: Storage | None) -> Log:
    """Tries for a moment: the store may be starting beside us, or an embedded one just be ending with its last user."""
    loop = asyncio.get_running_loop()
    until = loop.time() + store.limits.patience
    backoff = Backoff(0.02, 0.5)
    while True:
        try:
            position = await _position(store)
            archive = Archive(storage, position.id) if storage is not None else None
            log = Log(store, replica, position, archive)
            await log.start()
        except StoreError:
            raise
        except (*NOT_NOW, LogUnavailable) as error:
            if loop.time() > until:
                reason = str(error) or "it does not answer"
                raise StoreError(f"The store cannot be reached: {reason}. Is REDIS_URL right?") from error
            await asyncio.sleep(backoff.next())
        else:
            return log


async def _demand_empty(archive: Archive) -> None:
    """Raises StoreError where the archive holds a log, and the store none."""
    try:
        firsts = await archive.firsts()
    except ArchiveError as error:
        raise StoreError(f"The log is new, so its archive must be looked at first. {error}") from error
    if firsts:
        raise StoreError(
            f"The store holds no events, but the archive {archive} does: was the store flushed, or is it another one? "
            "`portero audit restore` brings the log back from the archive. To begin a new log instead, set "
            "PORTERO_ARCHIVE to another place."
        )


async def _position(store: Store) -> Position:
    """Where the log ends; makes a new log where there is none, but not in a store that is unfit for one."""
    keys = store.keys
    wire = await store.wire("open")
    try:
        demand(await look(store))
        head = await wire.call(
            "EVAL", OPEN.source, 2, keys.head, keys.log, secrets.token_hex(8), timeout=store.limits.call
        )
    except ServerError as error:
        if error.code == "LOGID":
            raise StoreError(
                f"The store holds a log named {keys.name!r} without its head: part of it is gone. Restore a backup, "
                "or set PORTERO_NAME to begin another log."
            ) from error
        raise
    finally:
        wire.abort("opened")
    return position_of(head)
