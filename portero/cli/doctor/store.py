"""The store: the right kind, durable, never forgetting, with room, and with a clock like ours."""

import time
from typing import Final

from portero.cli.doctor.finding import Finding, Grade, ok, warn
from portero.cli.session import Session
from portero.cli.vitals import memory_words
from portero.log import Health

APART_SECONDS: Final = 2.0


async def store(session: Session) -> list[Finding]:
    """Raises LogUnavailable."""
    health = await session.log.health()
    return [*judge(health), await _clock(session)]


def judge(health: Health) -> list[Finding]:
    """The facts in a line, and a line for everything that is wrong with them; what to do is part of its text."""
    near = f"{health.ping_ms:.1f} ms away"
    facts = ", ".join((health.server, health.persistence, health.eviction, memory_words(health), near))
    problems = [
        Finding("store", Grade.FAIL if problem.fatal else Grade.WARN, problem.text) for problem in health.problems
    ]
    return [ok("store", facts), *problems]


async def _clock(session: Session) -> Finding:
    async with session.log.store.reach() as client:
        before = time.time()
        seconds, micros = await client.time()
    ahead = seconds + micros / 1e6 - (before + time.time()) / 2
    if abs(ahead) <= APART_SECONDS:
        return ok("clock", f"like the store's, to {abs(ahead):.1f} s")
    word = "ahead of" if ahead > 0 else "behind"
    return warn("clock", f"the store's is {abs(ahead):.0f} s {word} ours", "Let both machines keep time by NTP.")
