"""Outcomes that are lost: run again where that does no harm, and otherwise for a person to settle."""

from pathlib import Path

import pytest

from portero.domain.ids import Aggregate
from portero.domain.values import Action, Resolution, Status
from portero.errors import AlreadyDecided
from tests.handlers.replica import ADMIN, ALLOW_ALL, open_replica
from tests.log.support import until
from tests.stores import Place


async def test_a_lost_outcome_of_a_tool_that_only_reads_runs_again(valkey: Place, tmp_path: Path) -> None:
    async with open_replica(valkey) as replica:
        call = await replica.approved("look", id="a", die=str(tmp_path / "died"))
        ended = await replica.becomes(call, Status.COMPLETED)
        assert ended.attempt == 2
        assert replica.did() == {"a": 2}
        types = await replica.types(call)
        at = types.index("ExecutionOutcomeUnknown")
        assert types[at : at + 2] == ["ExecutionOutcomeUnknown", "OutcomeResolved"]


async def test_but_not_where_that_is_switched_off(valkey: Place, tmp_path: Path) -> None:
    async with open_replica(valkey, retry_lost=False) as replica:
        call = await replica.approved("look", id="a", die=str(tmp_path / "died"))
        await replica.becomes(call, Status.UNKNOWN)
        assert replica.did() == {"a": 1}


@pytest.mark.parametrize(
    ("resolution", "status", "times"),
    [
        (Resolution.HAPPENED, Status.COMPLETED, 1),
        (Resolution.NOT_HAPPENED, Status.ERROR, 1),
        (Resolution.RUN_AGAIN, Status.COMPLETED, 2),
    ],
)
async def test_a_lost_outcome_of_another_tool_is_for_a_person_to_settle(
    valkey: Place, tmp_path: Path, resolution: Resolution, status: Status, times: int
) -> None:
    async with open_replica(valkey) as replica:
        call = await replica.approved(id="a", die=str(tmp_path / "died"))
        await replica.becomes(call, Status.UNKNOWN)
        assert replica.did() == {"a": 1}
        await replica.decisions.resolve(call, ADMIN, resolution)
        await replica.becomes(call, status)
        assert replica.did() == {"a": times}
        with pytest.raises(AlreadyDecided):
            await replica.decisions.resolve(call, ADMIN, resolution)


async def test_a_lost_outcome_of_an_allowed_call_runs_again_when_a_person_says_so(
    valkey: Place, tmp_path: Path
) -> None:
    async with open_replica(valkey, policies=ALLOW_ALL) as replica:
        await replica.call(id="a", die=str(tmp_path / "died"), say="at last")
        lost = await replica.only(Status.UNKNOWN)
        await replica.decisions.resolve(lost.id, ADMIN, Resolution.RUN_AGAIN)
        await replica.becomes(lost.id, Status.COMPLETED)
        assert replica.did() == {"a": 2}


async def test_what_is_denied_since_does_not_run_again_and_is_as_unknown_as_before(
    valkey: Place, tmp_path: Path
) -> None:
    """It was sent once: an end as if it had not been would have somebody repeat it."""
    async with open_replica(valkey, policies=ALLOW_ALL) as replica:
        await replica.call(id="a", die=str(tmp_path / "died"))
        lost = await replica.only(Status.UNKNOWN)
        await replica.decisions.set_rule("up/do", Action.DENY, ADMIN)
        await replica.decisions.resolve(lost.id, ADMIN, Resolution.RUN_AGAIN)
        await until(lambda: "Denied by policy" in str(replica.state(lost.id).unknown_reason), "it was looked at again")
        assert replica.state(lost.id).status is Status.UNKNOWN
        assert replica.did() == {"a": 1}


async def test_a_second_attempt_that_is_not_sent_leaves_the_first_unknown(
    valkey: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_replica(valkey, policies=ALLOW_ALL) as replica:
        await replica.call(id="a", die=str(tmp_path / "died"))
        lost = await replica.only(Status.UNKNOWN)
        await replica.upstreams.stop()
        monkeypatch.setattr("handlers.calls.execution.UPSTREAM_WAIT_SECONDS", 0.2)
        await replica.decisions.resolve(lost.id, ADMIN, Resolution.RUN_AGAIN)
        await until(lambda: "did not run again" in str(replica.state(lost.id).unknown_reason), "it was tried")
        assert replica.state(lost.id).status is Status.UNKNOWN
        assert replica.did() == {"a": 1}


async def test_an_answer_after_the_time_limit_settles_what_was_unknown(valkey: Place, tmp_path: Path) -> None:
    async with open_replica(valkey, timeout_seconds=0.3) as replica:
        call = await replica.approved(id="a", until=str(tmp_path / "go"), say="at last")
        await replica.becomes(call, Status.UNKNOWN)
        (tmp_path / "go").touch()
        ended = await replica.becomes(call, Status.COMPLETED)
        assert "at last" in await replica.result(ended)
        assert (await replica.types(call))[-1] == "LateOutcomeRecorded"
        assert replica.did() == {"a": 1}


async def test_a_cancellation_on_another_replica_stops_a_running_call(valkey: Place, tmp_path: Path) -> None:
    async with open_replica(valkey) as here, open_replica(valkey, name="r2", execute=False) as there:
        call = await here.approved(id="a", until=str(tmp_path / "never"))
        await here.noted("a")
        await there.core.catch_up()
        await there.decisions.cancel(call, ADMIN)
        await here.becomes(call, Status.CANCELLED)
        await until(lambda: not here.runner.holds(Aggregate(f"call/{call}")), "it is not waited for any more")
        assert (await here.types(call))[-1] == "CallCancelled"
