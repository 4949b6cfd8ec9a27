"""The official suite against a real ``portero serve``, once in each era; ``make conformance`` runs all there is."""

import pytest

from tests.conformance import suite
from tests.conformance.suite import LEGACY, MODERN, Scenario, complaints_about, portero, run


@pytest.mark.timeout(240)
@pytest.mark.parametrize(
    ("era", "transport", "upstream_era", "replicas", "scenarios"),
    [
        (LEGACY, "http", "legacy", 2, 33),
        (MODERN, "stdio", "both", 1, 50),
    ],
)
async def test_every_scenario_passes(
    era: str, transport: str, upstream_era: str, replicas: int, scenarios: int
) -> None:
    with portero(transport, upstream_era, replicas) as ports:
        outcomes = await run(ports, era)
    assert len(outcomes) == scenarios
    assert [line for outcome in outcomes for line in complaints_about(outcome)] == []


def test_the_baseline_is_for_what_fails_and_for_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(suite, "BASELINE", {"impossible": "Because."})
    assert complaints_about(Scenario("possible", ("FAILURE x: y",), 0)) == ["possible: FAILURE x: y"]
    assert complaints_about(Scenario("possible", (), 3)) == []
    assert complaints_about(Scenario("impossible", ("FAILURE x: y",), 0)) == []
    assert complaints_about(Scenario("impossible", (), 3)) == ["impossible passes: take it out of baseline.json"]
