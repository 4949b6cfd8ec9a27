"""The official suite against a real ``portero serve``, once in each era; ``make conformance`` runs all there is."""

import pytest

from tests.conformance.suite import BASELINE, LEGACY, MODERN, portero, run


@pytest.mark.timeout(240)
@pytest.mark.parametrize(
    ("era", "transport", "upstream_era", "scenarios"),
    [
        (LEGACY, "http", "legacy", 33),
        (MODERN, "stdio", "both", 50),
    ],
)
async def test_every_scenario_passes(era: str, transport: str, upstream_era: str, scenarios: int) -> None:
    with portero(transport, upstream_era) as place:
        outcomes = await run(place, era)
    assert len(outcomes) == scenarios
    failing = {outcome.name: outcome.failures for outcome in outcomes if outcome.failures}
    assert {name: failures for name, failures in failing.items() if name not in BASELINE} == {}
    passing = {outcome.name for outcome in outcomes if not outcome.failures}
    assert not passing & set(BASELINE), "these pass by now: take them out of the baseline"
