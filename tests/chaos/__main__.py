"""``python -m tests.chaos``: hurts a cluster for a while, and says whether every promise was kept."""

import argparse
import asyncio
import logging
import sys
import time
from pathlib import Path

import structlog

from tests.chaos.checker import Violation, check
from tests.chaos.cluster import RULES
from tests.chaos.history import load
from tests.chaos.run import Options, run
from tests.stores import REDIS, VALKEY


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--seed", type=int, default=None, help="the same seed makes the same plan")
    parser.add_argument("--seconds", type=float, default=120)
    parser.add_argument("--replicas", type=int, default=3)
    parser.add_argument("--workers", type=int, default=8)
    parser.add_argument("--every", type=float, default=2.5, help="seconds between two faults, on average")
    parser.add_argument("--store", choices=["valkey", "redis"], default="valkey")
    parser.add_argument("--folder", type=Path, default=Path("build/chaos"), help="what was seen is kept there")
    parser.add_argument("--judge", action="store_true", help="only judge again what an earlier run has left there")
    given = parser.parse_args()
    if given.judge:
        return told(check(load(given.folder, RULES)))
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    seed = given.seed if given.seed is not None else int(time.time())
    options = Options(
        seed=seed,
        seconds=given.seconds,
        replicas=given.replicas,
        workers=given.workers,
        every=given.every,
        store=VALKEY if given.store == "valkey" else REDIS,
        folder=given.folder,
    )
    say(f"seed {seed}: {given.seconds:g} s of faults on {given.replicas} replicas; everything goes to {given.folder}")
    verdict = asyncio.run(run(options))
    say(", ".join(f"{count} {name}" for name, count in verdict.figures.items()))
    say(f"{verdict.seconds:.0f} s in all")
    return told(verdict.violations)


def say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def told(violations: list[Violation]) -> int:
    """The exit code, once everything that is wrong was said."""
    for violation in violations:
        say(f"BROKEN  {violation}")
    say(f"{len(violations)} promises broken")
    return 1 if violations else 0


if __name__ == "__main__":
    sys.exit(main())
