"""Keeps the newest snapshot of the projections in the store, so that a start need not read the whole log."""

import asyncio
import hashlib
import secrets
import zlib
from typing import Any, Final

import structlog

from portero.log.connect import Store
from portero.log.scripts import SNAPSHOT

logger = structlog.get_logger("portero.log")

CHUNK_BYTES: Final = 256 * 1024
"""The store does nothing else while it takes one."""
TRANSFER_SECONDS: Final = 60.0
UNFINISHED_SECONDS: Final = 600
"""Chunks that nobody points to by then are dropped."""


async def save_snapshot(store: Store, log_id: str, data: bytes, seq: int, entry: str) -> bool:
    """Says False when a newer one was there. Raises LogUnavailable or LogFull."""
    packed = await asyncio.to_thread(zlib.compress, data, 1)  # 100 MB/s, without holding up the event loop
    keys = store.keys
    key = keys.snapshot_data(f"{seq}.{secrets.token_hex(4)}")
    async with store.reach(seconds=TRANSFER_SECONDS) as client:
        for at in range(0, len(packed), CHUNK_BYTES):
            await client.rpush(key, packed[at : at + CHUNK_BYTES])
            if at == 0:
                await client.expire(key, UNFINISHED_SECONDS)
        digest = hashlib.sha256(packed).hexdigest()
        saved = await client.eval(SNAPSHOT.source, 2, keys.snapshot, key, seq, entry, digest, log_id)
    return bool(saved)


async def load_snapshot(store: Store, log_id: str) -> bytes | None:
    """The newest one of this log, whole; None when there is none. Raises LogUnavailable."""
    async with store.reach(seconds=TRANSFER_SECONDS) as client:
        pointer: dict[Any, Any] = await client.hgetall(store.keys.snapshot)
        if not pointer or pointer[b"log"].decode() != log_id:
            return None
        chunks: list[Any] = []
        while chunk := await client.lindex(pointer[b"data"].decode(), len(chunks)):
            chunks.append(chunk)
    packed = b"".join(chunks)
    if hashlib.sha256(packed).hexdigest() != pointer[b"digest"].decode():
        logger.warning("the snapshot is damaged; reading the whole log", seq=int(pointer[b"seq"]))
        return None
    return await asyncio.to_thread(zlib.decompress, packed)
