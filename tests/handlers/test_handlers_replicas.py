"""Several replicas on one log: what one decides holds on the other from that place of the log on."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from portero.domain.events import (
    AccessLocked,
    AccessUnlocked,
    ExecutionStarted,
    GrantIssued,
    GrantRevoked,
    RuleRemoved,
    RuleSet,
)
from portero.domain.values import Action, Status
from portero.errors import AlreadyDecided, Invalid, NotFound
from tests.handlers.replica import ADMIN, Replica, open_replica
from tests.log.support import everything, until
from tests.stores import Place

TURNS = 12


@pytest.fixture
async def pair(valkey: Place, tmp_path: Path) -> AsyncIterator[tuple[Replica, Replica]]:
    policies = {"up/do": Action.ALLOW, "up/look": Action.ASK}
    notes = tmp_path / "notes"
    async with (
        open_replica(valkey, policies=policies, notes=notes) as one,
        open_replica(valkey, name="r2", policies=policies, notes=notes) as two,
    ):
        yield one, two


@contextlib.asynccontextmanager
async def calling(replica: Replica, tool: str, tasks: int = 4) -> AsyncIterator[None]:
    """Calls without a pause, several at a time."""
    ended = asyncio.Event()

    async def call_on() -> None:
        while not ended.is_set():
            await replica.call(tool, id="x")

    async with asyncio.TaskGroup() as group:
        for _ in range(tasks):
            group.create_task(call_on())
        yield
        ended.set()


async def test_no_call_starts_behind_a_denial_whoever_set_it(pair: tuple[Replica, Replica]) -> None:
    here, there = pair
    async with calling(there, "do"):
        for _ in range(TURNS):
            count = here.did().total()
            await until(lambda count=count: here.did().total() > count, "calls run")  # type: ignore[misc] # bound now
            rule = await here.decisions.set_rule("up/*", Action.DENY, ADMIN)
            await asyncio.sleep(0)
            await here.core.catch_up()
            await here.decisions.remove_rule(rule, ADMIN)
            await here.decisions.lock(ADMIN)
            await here.core.catch_up()
            await here.decisions.unlock(ADMIN)
    closed = False
    started = 0
    for recorded in await everything(here.log):
        if isinstance(recorded.event, RuleSet | AccessLocked):
            closed = True
        elif isinstance(recorded.event, RuleRemoved | AccessUnlocked):
            closed = False
        elif isinstance(recorded.event, ExecutionStarted):
            assert not closed, f"{recorded.aggregate} started at {recorded.seq}, behind a denial"
            started += 1
    assert started > TURNS


async def test_no_call_starts_behind_a_revocation(pair: tuple[Replica, Replica]) -> None:
    here, there = pair
    async with calling(there, "look", 2):
        for _ in range(TURNS):
            count = here.did().total()
            grant = await here.decisions.grant("up/look", 60_000, ADMIN)
            await until(lambda count=count: here.did().total() > count, "calls run")  # type: ignore[misc] # bound now
            await here.core.catch_up()
            await here.decisions.revoke(grant, ADMIN)
    granted = False
    started = 0
    for recorded in await everything(here.log):
        if isinstance(recorded.event, GrantIssued | GrantRevoked):
            granted = isinstance(recorded.event, GrantIssued)
        elif isinstance(recorded.event, ExecutionStarted):
            assert granted, f"{recorded.aggregate} started at {recorded.seq} without a grant"
            started += 1
    assert started >= TURNS


async def test_approved_calls_and_a_denial_race_and_none_starts_behind_it(pair: tuple[Replica, Replica]) -> None:
    here, there = pair
    calls = [await here.ask("look", id=str(n)) for n in range(30)]
    await there.core.catch_up()

    async def approve_all() -> None:
        for call in calls:
            await there.decisions.approve(call, ADMIN)

    async with asyncio.TaskGroup() as group:
        group.create_task(approve_all())
        await until(lambda: here.did().total() >= 3, "some run")
        await here.decisions.set_rule("up/look", Action.DENY, ADMIN)
    for call in calls:
        await until(lambda call=call: here.state(call).finished, "it has ended")  # type: ignore[misc] # bound now
    (denied,) = [event.seq for event in await everything(here.log) if isinstance(event.event, RuleSet)]
    started = [event.seq for event in await everything(here.log) if isinstance(event.event, ExecutionStarted)]
    assert all(seq < denied for seq in started)
    ended = [here.state(call).status for call in calls]
    assert set(ended) == {Status.COMPLETED, Status.DENIED}
    assert ended.count(Status.COMPLETED) == here.did().total() == len(started)


async def test_approved_calls_sit_out_every_lock_and_none_starts_behind_one(pair: tuple[Replica, Replica]) -> None:
    here, there = pair
    calls = [await here.ask("look", id=str(n)) for n in range(30)]
    await there.core.catch_up()
    locks = 0

    async def approve_all() -> None:
        for call in calls:
            while there.view.calls.get(call).status is Status.PENDING:  # type: ignore[union-attr] # it is there
                with contextlib.suppress(Invalid):  # locked just now
                    await there.decisions.approve(call, ADMIN)
                await there.core.catch_up()

    approving = asyncio.create_task(approve_all())
    while not approving.done() or locks < TURNS:
        await here.decisions.lock(ADMIN)
        await here.core.catch_up()
        await here.decisions.unlock(ADMIN)
        await here.core.catch_up()
        locks += 1
    for call in calls:
        await here.becomes(call, Status.COMPLETED)
    locked = False
    for recorded in await everything(here.log):
        if isinstance(recorded.event, AccessLocked | AccessUnlocked):
            locked = isinstance(recorded.event, AccessLocked)
        assert not (locked and isinstance(recorded.event, ExecutionStarted)), f"started while locked: {recorded}"
    assert here.did() == {str(number): 1 for number in range(30)}


async def test_of_all_deciders_of_a_task_one_decides(pair: tuple[Replica, Replica]) -> None:
    here, there = pair
    for turn in range(10):
        call = await here.ask("look", id=f"t{turn}")
        await there.core.catch_up()
        ways = [
            here.decisions.approve(call, ADMIN),
            there.decisions.deny(call, ADMIN),
            there.decisions.approve(call, ADMIN, grant_ms=1000),
            here.decisions.deny(call, ADMIN, always=True),
            there.decisions.cancel(call, ADMIN),
        ]
        outcomes = await asyncio.gather(*ways, return_exceptions=True)
        assert sum(not isinstance(outcome, Exception) for outcome in outcomes) in {1, 2}  # cancelled once approved
        assert all(isinstance(outcome, AlreadyDecided) for outcome in outcomes if isinstance(outcome, Exception))
        types = await here.types(call)
        assert (
            types.count("CallApproved")
            + types.count("CallDenied")
            + ("CallApproved" not in types) * types.count("CallCancelled")
            == 1
        )
        for rule in list(here.view.rules):
            await here.core.catch_up()
            with contextlib.suppress(NotFound):
                await here.decisions.remove_rule(rule.id, ADMIN)
        await here.decisions.revoke(None, ADMIN)
    assert all(count == 1 for count in here.did().values())
