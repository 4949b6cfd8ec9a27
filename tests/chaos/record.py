"""What the command line says of the record, against what was seen from outside while it was written."""

import asyncio
import json
from collections.abc import Sequence
from subprocess import CompletedProcess

from tests.chaos.checker import Violation
from tests.chaos.cluster import Cluster
from tests.chaos.history import Entry

WHOLE = "the archive is whole, and the record is what was written"


async def compare(cluster: Cluster, log: Sequence[Entry]) -> list[Violation]:
    """``portero audit verify``, ``audit export`` and ``replay``, all from archive and stream together."""
    verified, exported, replayed = await asyncio.gather(
        *(_portero(cluster, *words) for words in (("audit", "verify"), ("audit", "export"), ("replay",)))
    )
    found = [
        Violation(WHOLE, name, f"code {done.returncode}: {(done.stdout + done.stderr)[-500:]}")
        for name, done in (("audit verify", verified), ("replay", replayed))
        if done.returncode != 0
    ]
    rows = [json.loads(line) for line in exported.stdout.splitlines()]
    told = [(row["seq"], row["aggregate"], row["version"], row["type"]) for row in rows]
    seen = [(entry.n, entry.aggregate, entry.version, entry.type) for entry in log]
    if told != seen:
        first = next((a for a, b in zip(told, seen, strict=False) if a != b), f"{len(told)} and {len(seen)} events")
        found.append(Violation(WHOLE, "audit export", f"differs from what was written: {first}"))
    return found


async def _portero(cluster: Cluster, *words: str) -> "CompletedProcess[str]":
    env = {"REDIS_URL": cluster.store.tcp_url, "PORTERO_ARCHIVE": "archive"}
    return await asyncio.to_thread(cluster.place.command, *words, **env)
