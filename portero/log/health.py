"""What the store is like, and whether a log can be trusted to it: for ``doctor``, readiness and the start."""

import time
from collections.abc import Mapping
from typing import Any, Final

import attrs
from redis.exceptions import NoPermissionError, ResponseError

from portero.errors import StoreError
from portero.log.connect import Store

OLDEST: Final = (7, 0)
"""Redis 7.0 brought scripts that are refused whole when memory is full."""
WAITAOF_SINCE: Final = (7, 2)
"""Valkey tells the version of Redis that it is compatible with: 7.2."""
NEARLY_FULL: Final = 0.85


@attrs.frozen
class Problem:
    """``fatal``: Portero does not start on such a store."""

    fatal: bool
    text: str


@attrs.frozen
class Health:
    """Facts and what follows from them.

    Memory in bytes, ``memory_limit`` 0 is none. ``persistence``: fsync always, fsync everysec, fsync no, snapshots,
    none or unknown.
    """

    server: str
    reached: str
    """embedded, single, sentinel or cluster."""
    role: str
    persistence: str
    eviction: str
    memory_used: int
    memory_limit: int
    replicas: int
    cluster: bool
    waitaof: bool
    """The server can wait until replicas have written to disk (Redis 7.2, Valkey); Portero does not need it."""
    ping_ms: float
    problems: tuple[Problem, ...]

    @property
    def fatal(self) -> tuple[str, ...]:
        return tuple(problem.text for problem in self.problems if problem.fatal)


async def look(store: Store) -> Health:
    """Raises LogUnavailable, and LogError where even INFO is forbidden."""
    async with store.reach() as client:
        began = time.perf_counter()
        await client.ping()
        ping = (time.perf_counter() - began) * 1000
        info: dict[str, Any] = await client.info()
        try:
            config: dict[Any, Any] = await client.config_get("appendfsync", "save", "maxmemory-policy")
        except (NoPermissionError, ResponseError):  # managed stores forbid it, or rename it away
            config = {}
    return judge(info, config, ping_ms=ping, reached=store.locator.kind)


def judge(info: Mapping[str, Any], config: Mapping[str, str], *, ping_ms: float, reached: str) -> Health:
    """Facts from INFO and CONFIG GET (empty where it is forbidden)."""
    role = "replica" if info.get("role") == "slave" else "primary"
    eviction = config.get("maxmemory-policy") or str(info.get("maxmemory_policy", "unknown"))
    used, limit = int(info.get("used_memory", 0)), int(info.get("maxmemory", 0))
    persistence = _persistence(info, config)
    name = "Valkey" if "valkey_version" in info else "Redis"
    version = str(info.get("valkey_version") or info.get("redis_version", "unknown"))
    return Health(
        server=f"{name} {version}",
        reached=reached,
        role=role,
        persistence=persistence,
        eviction=eviction,
        memory_used=used,
        memory_limit=limit,
        replicas=int(info.get("connected_slaves", 0)),
        cluster=bool(info.get("cluster_enabled", 0)),
        waitaof=_numbers(str(info.get("redis_version", ""))) >= WAITAOF_SINCE,
        ping_ms=ping_ms,
        problems=(
            *_version_problems(name, version),
            *_role_problems(role),
            *_memory_problems(eviction, used, limit),
            *_disk_problems(info, persistence),
        ),
    )


def demand(health: Health) -> None:
    """Raises StoreError with everything that makes the store unfit."""
    if health.fatal:
        raise StoreError("\n".join(health.fatal))


def _persistence(info: Mapping[str, Any], config: Mapping[str, str]) -> str:
    if info.get("aof_enabled"):
        return f"fsync {config['appendfsync']}" if "appendfsync" in config else "append-only file"
    if "save" not in config:
        return "unknown"
    return "snapshots" if config["save"] else "none"


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".")[:2] if part.isdecimal())


def _version_problems(name: str, version: str) -> list[Problem]:
    if name == "Redis" and _numbers(version) < OLDEST:
        return [Problem(True, f"The store is Redis {version}. Portero needs Redis 7.0 or newer, or Valkey.")]
    return []


def _role_problems(role: str) -> list[Problem]:
    if role == "replica":
        return [
            Problem(True, "REDIS_URL points at a read-only replica. Point it at the primary, or use redis+sentinel://.")
        ]
    return []


def _memory_problems(eviction: str, used: int, limit: int) -> list[Problem]:
    problems = []
    if eviction not in {"noeviction", "unknown"}:
        problems.append(
            Problem(
                True,
                f"The store evicts keys when memory is short (maxmemory-policy {eviction}), which would lose records. "
                "Set it to noeviction: CONFIG SET maxmemory-policy noeviction.",
            )
        )
    if limit and used >= limit:
        problems.append(
            Problem(
                False, "The store's memory is full: calls are refused. Raise maxmemory, or archive and trim the log."
            )
        )
    elif limit and used > NEARLY_FULL * limit:
        problems.append(
            Problem(
                False,
                f"The store's memory is {100 * used // limit} % full; calls are refused once it is. Raise maxmemory, "
                "or archive and trim the log.",
            )
        )
    return problems


def _disk_problems(info: Mapping[str, Any], persistence: str) -> list[Problem]:
    problems = []
    if persistence == "none":
        problems.append(
            Problem(True, "The store keeps nothing on disk, so a restart would lose the log. Set appendonly yes.")
        )
    elif persistence == "snapshots":
        problems.append(
            Problem(
                False, "The store only saves snapshots: a crash loses what came after the last one. Set appendonly yes."
            )
        )
    elif persistence in {"fsync everysec", "fsync no"}:
        problems.append(
            Problem(False, f"A power cut can lose the last moments of the log ({persistence}). Set appendfsync always.")
        )
    elif persistence == "unknown":
        problems.append(Problem(False, "The store does not say whether it keeps the log on disk."))
    if info.get("aof_last_write_status", "ok") != "ok" or info.get("rdb_last_bgsave_status", "ok") != "ok":
        problems.append(
            Problem(False, "The store's last write to disk failed. Look at its log and at the disk's free space.")
        )
    return problems
