"""What each safeguard is there for: the checker finds what happens without it, and nothing with it."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest

from tests.chaos import mutants
from tests.chaos.checker import Violation, check, lives, owners, policy
from tests.chaos.cluster import RULES, Cluster, Replica
from tests.chaos.history import History, read_births, read_effects
from tests.chaos.journal import Journal, now
from tests.chaos.mutants import Mutant
from tests.chaos.people import Person
from tests.chaos.races import Races
from tests.chaos.run import LOG
from tests.chaos.tail import Tail, following
from tests.stores import VALKEY
from tests.system.place import ROOT

LEASE = 2
Race = Callable[[Races, Replica, str], Awaitable[None]]

SAFEGUARDS: Sequence[tuple[Mutant, Race, str]] = (
    (mutants.VERSION, Races.two_decisions, lives.LIVES),
    (mutants.POLICY, Races.a_denial_unheard_of, policy.STARTED),
    (mutants.FENCE, Races.a_runner_that_sleeps, lives.LIVES),
    (mutants.ATTEMPT, Races.a_runner_that_sleeps_through_the_next_attempt, lives.LIVES),
    (mutants.OWNER, Races.an_owner_that_does_not_know_of_the_next, owners.OWNED),
    (mutants.LEASE, Races.a_runner_that_dies, lives.ENDS),
)


class Trial:
    """A cluster of two, of which the second is the one that races are about."""

    def __init__(self, cluster: Cluster, journal: Journal, tail: Tail, races: Races) -> None:
        self.victim = cluster.replicas[1]
        self.races = races
        self._cluster, self._journal, self._tail = cluster, journal, tail

    def verdict(self) -> list[Violation]:
        self._tail.read()
        effects, births = read_effects(self._cluster.effects), read_births(self._cluster.effects)
        return check(History(tuple(self._tail.entries), effects, tuple(self._journal.seen), RULES, now(), births))


@asynccontextmanager
async def trial(folder: Path, code: Path) -> AsyncIterator[Trial]:
    async with AsyncExitStack() as stack:
        journal = Journal(folder / "seen.jsonl")
        stack.callback(journal.close)
        env = {"PORTERO_LEASE_SECONDS": str(LEASE)}
        cluster = await stack.enter_async_context(Cluster(VALKEY, [ROOT, code], env=env))
        tail = await stack.enter_async_context(following(cluster.store.port, LOG))
        ada = await stack.enter_async_context(Person("ada", cluster.place, cluster.store.tcp_url, journal))
        races = Races(cluster, journal, tail, ada, LEASE)
        stack.push_async_callback(races.close)
        yield Trial(cluster, journal, tail, races)


@pytest.mark.parametrize(("mutant", "race", "promise"), SAFEGUARDS, ids=[each[0].name for each in SAFEGUARDS])
async def test_without_it_the_checker_finds_what_happens(
    mutant: Mutant, race: Race, promise: str, tmp_path: Path
) -> None:
    async with trial(tmp_path, mutant.made(tmp_path)) as lost:
        await race(lost.races, lost.victim, mutant.name)
        assert promise in {violation.promise for violation in lost.verdict()}


async def test_with_all_of_them_it_finds_nothing(tmp_path: Path) -> None:
    async with trial(tmp_path, ROOT) as sound:
        for mutant, race, _ in SAFEGUARDS:
            await race(sound.races, sound.victim, mutant.name)
            assert sound.verdict() == [], mutant.name
