"""The store: the right kind, durable, never forgetting, with room, and with a clock like ours."""

import re
import time
from collections.abc import Mapping
from typing import Any, Final

import attrs

from portero.cli.doctor.finding import Finding, fail, ok, warn
from portero.cli.session import Session
from portero.cli.vitals import MEBIBYTE
from portero.errors import LogError

OLDEST: Final = (7, 0)
APART_SECONDS: Final = 2.0
FULL: Final = 0.8


@attrs.frozen
class Facts:
    """What the server says of itself; ``config`` is empty where it does not tell."""

    info: Mapping[str, Any]
    config: Mapping[str, str]
    clock_ahead: float
    """Seconds that its clock is ahead of ours."""


async def facts_of(session: Session) -> Facts:
    """Raises LogUnavailable."""
    async with session.log.store.reach() as client:
        info = await client.info()
        before = time.time()
        seconds, micros = await client.time()
        ahead = seconds + micros / 1e6 - (before + time.time()) / 2
    try:
        async with session.log.store.reach() as client:
            told = await client.config_get("append*", "maxmemory*", "save")
    except LogError:  # managed servers keep their configuration to themselves
        return Facts(info, {}, ahead)
    return Facts(info, {_text(name): _text(value) for name, value in told.items()}, ahead)


def judge(facts: Facts) -> list[Finding]:
    return [_version(facts), _durable(facts), _eviction(facts), _memory(facts), _clock(facts)]


def _version(facts: Facts) -> Finding:
    valkey, redis = facts.info.get("valkey_version"), str(facts.info.get("redis_version", "0"))
    name = f"Valkey {valkey}" if valkey else f"Redis {redis}"
    numbers = tuple(int(part) for part in re.findall(r"\d+", redis)[:2])
    if numbers < OLDEST:
        return fail("store", f"{name} is too old", "Use Redis 7.0 or newer, or any Valkey.")
    return ok("store", name)


def _durable(facts: Facts) -> Finding:
    about = "durability"
    if not facts.info.get("aof_enabled"):
        todo = "Set `appendonly yes` and `appendfsync always` (or everysec) there: a restart loses events otherwise."
        return fail(about, "the store keeps nothing on disk as it is written (appendonly is off)", todo)
    if facts.info.get("aof_last_write_status", "ok") != "ok":
        return fail(about, "the store cannot write its file", "Make room on its disk; its log says more.")
    fsync = facts.config.get("appendfsync")
    if fsync is None:
        return warn(
            about, "appendonly is on; how often it is written to disk is not told", "Ask whoever runs the store."
        )
    if fsync == "always":
        return ok(about, "every event is on disk before it counts (appendfsync always)")
    if fsync == "everysec":
        return warn(
            about, "a power cut loses up to a second (appendfsync everysec)", "Set appendfsync always, or accept it."
        )
    return fail(
        about, f"appendfsync is {fsync}: a power cut loses half a minute", "Set appendfsync always (or everysec)."
    )


def _eviction(facts: Facts) -> Finding:
    policy = facts.config.get("maxmemory-policy") or str(facts.info.get("maxmemory_policy", "unknown"))
    if policy == "noeviction":
        return ok("eviction", "the store never forgets to make room (noeviction)")
    return fail(
        "eviction", f"the store may forget events to make room ({policy})", "Set maxmemory-policy noeviction there."
    )


def _memory(facts: Facts) -> Finding:
    used, limit = int(facts.info["used_memory"]), int(facts.info.get("maxmemory") or 0)
    if not limit:
        return ok("memory", f"{used / MEBIBYTE:.1f} MiB, without a limit")
    text = f"{used / MEBIBYTE:.1f} of {limit / MEBIBYTE:.0f} MiB"
    if used > FULL * limit:
        return warn("memory", text, "Raise maxmemory: when it is full, calls are refused.")
    return ok("memory", text)


def _clock(facts: Facts) -> Finding:
    ahead = facts.clock_ahead
    if abs(ahead) <= APART_SECONDS:
        return ok("clock", f"like the store's, to {abs(ahead):.1f} s")
    word = "ahead of" if ahead > 0 else "behind"
    return warn("clock", f"the store's is {abs(ahead):.0f} s {word} ours", "Let both machines keep time by NTP.")


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)
