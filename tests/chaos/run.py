"""One run: a cluster, its clients and people, the faults of a plan; then quiet, an orderly end, and the verdict."""

import asyncio
import json
import shutil
import signal
import time
from contextlib import AsyncExitStack
from pathlib import Path

import attrs

from tests.chaos import record, views
from tests.chaos.checker import Violation, check
from tests.chaos.checker.lives import OPEN, lives_of
from tests.chaos.checker.times import standing_grants
from tests.chaos.cluster import RULES, Cluster
from tests.chaos.deciding import Deciding
from tests.chaos.faults import STOP_SECONDS, Faults
from tests.chaos.history import History, read_births, read_effects, save
from tests.chaos.journal import Journal, now
from tests.chaos.people import Person
from tests.chaos.plan import Fault, plan
from tests.chaos.tail import Tail, following
from tests.chaos.work import Tasks, Worker
from tests.stores import VALKEY
from tests.system.place import ROOT

LOG = "portero:{main}:log"


@attrs.frozen
class Options:
    """``every``: seconds between two faults, on average. ``lease`` and ``approval`` in seconds."""

    seed: int = 1
    seconds: float = 120.0
    replicas: int = 3
    workers: int = 8
    every: float = 2.5
    lease: int = 3
    approval: int = 8
    store: str = VALKEY
    settle: float = 60.0
    folder: Path = Path("build/chaos")


@attrs.frozen
class Verdict:
    """What was done and what came of it. ``violations`` empty: every promise was kept."""

    violations: list[Violation]
    figures: dict[str, int]
    seconds: float


async def run(options: Options) -> Verdict:
    """Runs and judges; everything that was seen stays in ``options.folder``."""
    began = time.monotonic()
    folder = options.folder
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    journal = Journal(folder / "seen.jsonl")
    faults = plan(options.seed, options.seconds, replicas=options.replicas, lease=options.lease, every=options.every)
    (folder / "plan.json").write_text(json.dumps([attrs.asdict(fault) for fault in faults], indent=1))
    env = {
        "PORTERO_LEASE_SECONDS": str(options.lease),
        "APPROVAL_TIMEOUT_SECONDS": str(options.approval),
        # As much archiving and trimming as can be: a segment every few seconds, and next to nothing left behind it.
        "PORTERO_ARCHIVE": "archive",
        "PORTERO_ARCHIVE_EVENTS": "150",
        "PORTERO_ARCHIVE_AFTER": "5s",
        "PORTERO_STREAM_KEEP": "100",
    }
    cluster = Cluster(options.store, [ROOT] * options.replicas, env=env, keep=folder)
    async with AsyncExitStack() as stack:
        stack.callback(journal.close)
        await stack.enter_async_context(cluster)
        tail = await stack.enter_async_context(following(cluster.store.port, LOG))
        await _disturb(options, cluster, journal, faults)
        await _settle(options, cluster, journal, tail)
        quiet_at = now()
        problems = await _end(cluster, journal)
        tail.read()
        problems += tail.changed()
        problems += await record.compare(cluster, tail.entries)
        history = History(
            tuple(tail.entries),
            read_effects(cluster.effects),
            tuple(journal.seen),
            RULES,
            quiet_at,
            read_births(cluster.effects),
        )
        save(history, folder)
        problems += [Violation("Portero does not fail in itself", "output", line) for line in tracebacks(cluster)]
    return Verdict([*problems, *check(history)], figures(history), time.monotonic() - began)


async def _disturb(options: Options, cluster: Cluster, journal: Journal, faults: list[Fault]) -> None:
    tasks = Tasks()
    workers = [Worker(number, options.seed, cluster, journal, tasks) for number in range(options.workers)]
    async with Person("ada", cluster.place, cluster.store.tcp_url, journal) as ada:
        deciding = Deciding(ada, options.seed, tasks)
        all_of_them: list[Worker | Deciding] = [*workers, deciding]
        doings = [asyncio.create_task(one.run()) for one in all_of_them]
        try:
            await Faults(cluster, journal).run(faults)
            cluster.heal()
            for one in all_of_them:
                one.stop.set()
            await asyncio.gather(*doings)
        finally:
            for doing in doings:
                doing.cancel()
            await asyncio.gather(*doings, return_exceptions=True)


async def _settle(options: Options, cluster: Cluster, journal: Journal, tail: Tail) -> None:
    """Waits until every call has its end: leases and approvals run out, work is taken over."""
    for replica in cluster.replicas:
        assert await replica.until_ready(), f"{replica.name} does not get ready: {replica.output.read_text()[-3000:]}"
    began = now()
    until = time.monotonic() + options.settle
    while time.monotonic() < until:
        log = tuple(tail.entries)
        waits = any(life.status in OPEN or life.status == "pending-approval" for life in lives_of(log).values())
        if not waits and all(ends > now() for ends in standing_grants(log).values()):
            break
        await asyncio.sleep(0.25)
    journal.note("settled", "", "", began, {"ms": now() - began})


async def _end(cluster: Cluster, journal: Journal) -> list[Violation]:
    """Stops one replica after the other; what each had folded is what a rebuild gives."""
    problems = []
    for replica in cluster.replicas:
        began = now()
        replica.signal(signal.SIGTERM)
        code = await replica.ended(STOP_SECONDS)
        journal.note("end", replica.name, "end", began, {"code": code})
        if code != 0:
            problems.append(Violation("a stop is orderly", replica.name, f"it ended with code {code}"))
        problems += await views.compare(cluster, replica.name)
    return problems


def tracebacks(cluster: Cluster) -> list[str]:
    """What replicas said of failures in themselves, a line each."""
    lines = cluster.output().splitlines()
    return [lines[at - 1] if at else line for at, line in enumerate(lines) if line.startswith("Traceback")]


def figures(history: History) -> dict[str, int]:
    """How much was done, so that a run in which nothing happened does not pass for a good one."""
    lives = lives_of(history.log).values()
    found = {"events": len(history.log), "calls on the log": len(lives), "effects": len(history.effects)}
    for seen in history.seen:
        name = f"{seen.op}s" if seen.answer is not None else f"{seen.op}s unanswered"
        found[name] = found.get(name, 0) + 1
    for life in lives:
        found[life.status] = found.get(life.status, 0) + 1
    found["owners of the one"] = sum(entry.type == "OwnershipTaken" for entry in history.log)
    found["processes of the one"] = len(history.births)
    found["attempts beyond the first"] = sum(max(0, life.attempts - 1) for life in lives)
    return found
