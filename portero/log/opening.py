"""Opens the log: finds or starts its store, makes sure that it can be relied on, and reads where it ends."""

import os
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Literal

from portero.domain.ids import ReplicaId
from portero.errors import StoreError
from portero.log.connect import CALL_SECONDS, Store
from portero.log.embedded import EmbeddedStore
from portero.log.keeper import NOT_NOW
from portero.log.keys import Keys
from portero.log.locate import locator_of
from portero.log.log import Log
from portero.log.position import Position, position_of
from portero.log.scripts import OPEN
from portero.log.urls import parse_url
from portero.log.wire import Login


@asynccontextmanager
async def open_log(
    url: str | None,
    replica: ReplicaId,
    *,
    data: Path,
    name: str = "main",
    fsync: Literal["always", "everysec"] = "always",
) -> AsyncIterator[Log]:
    """The log in the store at ``url``, or in the embedded one under ``data`` when that is None; closed on leaving.

    Raises StoreError, DataFolderInUse, ConfigError or LogDivergence, each of which says what to do.
    """
    keys = Keys(name)
    session = f"{replica}.{os.getpid()}.{secrets.token_hex(3)}"
    embedded = None
    if url is None:
        embedded = EmbeddedStore(data, fsync=fsync)
        store = Store(embedded, Login(), keys, name=session)
    else:
        target = parse_url(url)
        store = Store(locator_of(target, keys.slot), target.login, keys, name=session)
    try:
        log = Log(store, replica, await _position(store))
        try:
            await log.start()
            yield log
        finally:
            await log.close()
    finally:
        await store.close()
        if embedded is not None:
            await embedded.stop(store.name)


async def _position(store: Store) -> Position:
    """Where the log ends; makes a new log where there is none."""
    try:
        wire = await store.wire("open")
        try:
            keys = store.keys
            head = await wire.call(
                "EVAL", OPEN.source, 2, keys.head, keys.log, secrets.token_hex(8), timeout=CALL_SECONDS
            )
        finally:
            wire.abort("opened")
    except StoreError:
        raise
    except NOT_NOW as error:
        raise StoreError(f"The store cannot be used: {str(error) or 'it does not answer'}. Check REDIS_URL.") from error
    return position_of(head)
