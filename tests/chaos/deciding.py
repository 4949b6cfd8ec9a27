"""What people do all the time: decide about tasks, change rules and grants, lock, settle what is unknown."""

import asyncio
import random

from portero.domain.values import Status
from tests.chaos.people import Person
from tests.chaos.work import Tasks

MOODS = ("*/moody", "fx/moody", "web/*", "solo/*", "*/do")


class Deciding:
    """One person's doings until ``stop`` is set."""

    def __init__(self, person: Person, seed: int, tasks: Tasks) -> None:
        self.stop = asyncio.Event()
        self._person, self._tasks = person, tasks
        self._chance = random.Random(f"person {seed} {person.name}")

    async def run(self) -> None:
        doings = {
            self._about_a_task: 40,
            self._by_command: 1,
            self._rule: 3,
            self._grant: 3,
            self._lock: 1,
            self._resolve: 4,
        }
        while not self.stop.is_set():
            await self._chance.choices(list(doings), list(doings.values()))[0]()
            await asyncio.sleep(self._chance.uniform(0.0, 0.15))
        await self._tidy_up()

    async def _about_a_task(self) -> None:
        """Some are decided at once, some later, some never: those expire."""
        task = self._one()
        if task is None:
            return
        verb = self._chance.choices(("approve", "deny", "cancel", "leave"), (12, 3, 2, 3))[0]
        if verb == "approve":
            extra = {"grant_ms": 1_500} if self._chance.random() < 0.1 else {}
            await self._person.decide("approve", task, **extra)
        elif verb != "leave":
            await self._person.decide(verb, task)

    def _one(self) -> str | None:
        waiting = self._tasks.undecided
        return waiting.pop(self._chance.randrange(len(waiting))) if waiting else None

    async def _by_command(self) -> None:
        if (task := self._one()) is not None:
            await self._person.command(self._chance.choice(("approve", "approve", "cancel")), task.partition("-")[0])

    async def _rule(self) -> None:
        """A denial for a moment, now of one tool, now of a whole server."""
        pattern = self._chance.choice(MOODS)
        await self._person.decide("rule", pattern, action="deny")
        await asyncio.sleep(self._chance.uniform(0.0, 0.4))
        await self._remove_rules()

    async def _remove_rules(self) -> None:
        for rule in list(self._person.base.core.view.rules):
            await self._person.decide("unrule", rule.id)

    async def _grant(self) -> None:
        await self._person.decide("grant", "*/lent", ms=self._chance.choice((300, 1_500, 60_000)))
        await asyncio.sleep(self._chance.uniform(0.0, 0.8))
        if self._chance.random() < 0.7:
            await self._person.decide("revoke", "")

    async def _lock(self) -> None:
        await self._person.decide("lock", "")
        await asyncio.sleep(self._chance.uniform(0.0, 0.3))
        await self._unlock()

    async def _unlock(self) -> None:
        if self._person.base.core.view.locked is not None:
            await self._person.decide("unlock", "")

    async def _resolve(self) -> None:
        unknown = self._person.base.core.view.calls.recent(status=Status.UNKNOWN, limit=20)
        if unknown:
            outcome = self._chance.choice(("happened", "not-happened", "run-again"))
            await self._person.decide("resolve", self._chance.choice(unknown).id, outcome=outcome)

    async def _tidy_up(self) -> None:
        """What was meant for a moment must not outlive the run."""
        await self._unlock()
        await self._remove_rules()
