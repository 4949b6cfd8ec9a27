"""A short run of the whole: a cluster is hurt in every way for some seconds, and every promise is kept."""

from pathlib import Path

import attrs
import pytest

from tests.chaos.plan import OWNER, REPLICA, SHARED, plan
from tests.chaos.run import Options, run

OPTIONS = Options(seed=1245, seconds=12, workers=6, every=0.9, lease=2, approval=4, settle=40)


def test_the_same_seed_makes_the_same_plan_and_another_another() -> None:
    one, again, other = (plan(seed, 60, replicas=3, lease=2, every=1) for seed in (1, 1, 2))
    assert one == again != other
    everything = {fault.kind for seed in range(20) for fault in plan(seed, 60, replicas=3, lease=2, every=1)}
    assert everything == {*REPLICA, *SHARED, *OWNER}


@pytest.mark.timeout(240)
async def test_every_promise_is_kept_however_the_cluster_is_hurt(tmp_path: Path) -> None:
    verdict = await run(attrs.evolve(OPTIONS, folder=tmp_path / "run"))
    assert verdict.violations == [], "\n".join(str(violation) for violation in verdict.violations)
    figures = verdict.figures
    assert figures["faults"] >= 5, figures
    assert figures["calls on the log"] > 40, figures
    assert figures["effects"] > 20, figures
    assert figures["polls"] > 20, figures
