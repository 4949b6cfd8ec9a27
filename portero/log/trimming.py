"""Taking off the stream what the archive has: behind the newest snapshot, with a margin, and only by the archivist."""

from typing import Any

from redis.exceptions import ResponseError

from portero.errors import LogDivergence, LogError
from portero.log.archive import Header
from portero.log.log import Log
from portero.log.scripts import TRIM


async def trimmable(log: Log, keep: int) -> tuple[int, int]:
    """``(from, to)``: the event up to which the stream is trimmed, and that up to which it may be.

    Raises LogUnavailable.
    """
    keys = log.store.keys
    async with log.store.reach() as client:
        found: Any = await client.hmget(keys.head, ["seq", "trimmed"])
        saved: Any = await client.hmget(keys.snapshot, ["log", "seq"])
    seq, trimmed = found
    covered = int(saved[1]) if saved[0] is not None and saved[0].decode() == log.id else 0
    return int(trimmed or 0), min(covered, int(seq) - keep)


async def trim(log: Log, lease: str, epoch: int, begins: Header, keep: int) -> bool:
    """Takes everything before the segment ``begins`` off the stream; says whether it did. ``keep``: events to be left.

    Raises LogError when another holder has the lease by now, LogDivergence when the stream is not what is archived.
    """
    keys = log.store.keys
    async with log.store.reach() as client:
        try:
            done = await client.eval(
                TRIM.source,
                *(4, keys.head, keys.log, keys.snapshot, keys.epoch(lease)),
                *(log.id, epoch, begins.first, begins.first_entry, keep),
            )
        except ResponseError as error:
            if str(error).startswith("EPOCH"):
                raise LogError("Another archivist has taken over.") from error
            raise LogDivergence(f"The stream is not what is in the archive: {error}") from error
    return bool(done)
