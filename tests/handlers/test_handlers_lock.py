"""A lock freezes: what was approved waits for its end, and is no worse off for it than for any other wait."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from portero.domain.ids import CallId, Millis
from portero.domain.values import Action, Status
from tests.handlers.replica import ADMIN, Replica, open_replica
from tests.log.support import everything, until
from tests.stores import Place


@asynccontextmanager
async def frozen(valkey: Place, **options: Any) -> AsyncIterator[tuple[Replica, CallId]]:
    """A call that was approved before everything was locked, and that a replica has taken up."""
    async with open_replica(valkey, execute=False, **options) as replica:
        call = await replica.approved(id="a")
        await replica.decisions.lock(ADMIN)
        await replica.core.catch_up()
        replica.execute()
        await until(lambda: pointers(valkey) == (1, 1), "it is taken up")
        yield replica, call


def pointers(valkey: Place) -> tuple[int, int]:
    """How many there are of approved calls, and how many of them are being worked on."""
    stream = valkey.key("work:execution")
    return valkey.redis.xlen(stream), sum(group["pending"] for group in valkey.redis.xinfo_groups(stream))


async def test_a_lock_freezes_what_was_approved_and_it_runs_once_after_the_unlock(valkey: Place) -> None:
    async with frozen(valkey) as (replica, call):
        await replica.decisions.set_rule("up/else", Action.DENY, ADMIN)  # nothing that changes anything for it
        await replica.core.catch_up()
        assert replica.state(call).status is Status.QUEUED
        await replica.decisions.unlock(ADMIN)
        await replica.becomes(call, Status.COMPLETED)
        assert replica.did() == {"a": 1}
        types = [event.type for event in await everything(replica.log)]
        assert types.index("AccessUnlocked") < types.index("ExecutionStarted")


async def test_a_rule_set_while_it_is_frozen_is_obeyed_after_the_unlock(valkey: Place) -> None:
    async with frozen(valkey) as (replica, call):
        await replica.decisions.set_rule("up/do", Action.DENY, ADMIN)
        await replica.decisions.unlock(ADMIN)
        await replica.becomes(call, Status.DENIED)
        assert replica.did() == {}


async def test_a_frozen_call_can_be_cancelled_and_keeps_nobody_waiting(valkey: Place) -> None:
    async with frozen(valkey) as (replica, call):
        await replica.decisions.cancel(call, ADMIN)
        await until(lambda: pointers(valkey) == (0, 0), "nobody works on it any more")
        await replica.decisions.unlock(ADMIN)
        other = await replica.approved(id="b")
        await replica.becomes(other, Status.COMPLETED)
        assert replica.state(call).status is Status.CANCELLED
        assert replica.did() == {"b": 1}


async def test_a_frozen_call_expires_when_its_approval_holds_no_more(valkey: Place) -> None:
    now = [1_700_000_000_000]
    async with frozen(valkey, clock=lambda: Millis(now[0])) as (replica, call):
        replica.ring()
        now[0] += replica.core.approval_ms
        ended = await replica.becomes(call, Status.EXPIRED)
        assert ended.approved_by == ADMIN
        await until(lambda: pointers(valkey) == (0, 0), "nobody works on it any more")
        await replica.decisions.unlock(ADMIN)
        assert replica.did() == {}


async def test_an_approval_that_was_over_before_anybody_could_start_it_expires(valkey: Place) -> None:
    now = [1_700_000_000_000]
    async with open_replica(valkey, execute=False, clock=lambda: Millis(now[0])) as replica:
        call = await replica.approved(id="a")
        now[0] += replica.core.approval_ms
        replica.execute()  # and no timer has rung
        await replica.becomes(call, Status.EXPIRED)
        assert replica.did() == {}
