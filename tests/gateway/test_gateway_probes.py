"""What operators look at: alive, ready, measured."""

import httpx
import pytest

from portero.telemetry import metric_names
from tests.gateway.house import POLICIES, House, fixture, open_house, wait_until

pytestmark = pytest.mark.asyncio(loop_scope="session")

OF_COUNTED = {name.replace("fixture/", "counted/"): action for name, action in POLICIES.items()}


async def test_health_needs_no_token(house: House) -> None:
    async with httpx.AsyncClient(base_url=house.url) as http:
        response = await http.get("/health")
    assert (response.status_code, response.json()) == (200, {"status": "ok"})


async def test_ready_gives_every_reason(house: House) -> None:
    async with httpx.AsyncClient(base_url=house.url) as http:
        assert (await http.get("/ready")).json() == {"status": "ready"}
        house.ready += ["The log is away.", "This replica is behind."]
        try:
            response = await http.get("/ready")
            assert (await http.get("/health")).status_code == 200
        finally:
            house.ready.clear()
    assert response.status_code == 503
    assert response.json() == {"status": "not ready", "reasons": ["The log is away.", "This replica is behind."]}


@pytest.mark.parametrize("path", ["/ready", "/metrics"])
async def test_a_web_page_cannot_read_them_under_a_name_of_its_own(house: House, path: str) -> None:
    async with httpx.AsyncClient(base_url=house.url) as http:
        assert (await http.get(path, headers={"host": "evil.example"})).status_code == 403
        assert (await http.get(path, headers={"origin": "http://evil.example"})).status_code == 403
        assert (await http.get("/health", headers={"host": "10.0.0.7"})).status_code == 200


async def test_metrics_count_what_happened(name: str) -> None:
    """The metrics are those of the process, so what is counted is on a server that no other test calls."""
    async with (
        open_house(upstreams=lambda effects: [fixture(effects, name="counted")], policies=OF_COUNTED) as house,
        house.caller(name) as caller,
        httpx.AsyncClient(base_url=house.url) as http,
    ):
        before = values((await http.get("/metrics")).text)
        await caller.tool("counted/echo", text="x")
        await caller.tool("counted/hidden")
        await caller.tool("counted/effect", text="x")
        await caller.error("tools/call", {"name": "counted/fail", "arguments": {"code": 1, "message": "no"}})
        await http.post("/mcp")
        await house.core.catch_up()
        response = await http.get("/metrics")
    assert response.headers["content-type"].startswith("text/plain")
    after = values(response.text)

    def grown(key: str) -> float:
        return after[key] - before.get(key, 0.0)

    calls = 'portero_calls_total{decision="%s",outcome="%s",server="counted"}'
    assert grown(calls % ("allow", "ok")) == 1
    assert grown(calls % ("deny", "refused")) == 1
    assert grown(calls % ("require-approval", "pending")) == 1
    assert grown(calls % ("allow", "error")) == 1
    assert grown('portero_refused_requests_total{reason="unauthorized"}') == 1
    for part in ("gateway", "log", "upstream"):
        assert grown(f'portero_call_seconds_count{{part="{part}"}}') > 0, part
    assert after['portero_upstream_state{server="counted",state="connected"}'] == 1
    assert after['portero_upstream_state{server="counted",state="lost"}'] == 0
    assert after["portero_ready"] == 1
    assert after["portero_pending_approvals"] > 0
    assert after["portero_log_sequence"] > 0
    assert after["portero_follower_lag_events"] == 0
    assert "python_gc_collections_total" in response.text
    shown = {line.split(" ")[2].removesuffix("_total") for line in response.text.splitlines() if line.startswith("# T")}
    assert set(metric_names()) <= shown


async def test_labels_are_only_what_is_configured(house: House, name: str) -> None:
    """Made-up names must not make up time series."""
    async with house.caller(name) as caller, httpx.AsyncClient(base_url=house.url) as http:
        await caller.error("tools/call", {"name": f"{name}/x", "arguments": {}})
        await caller.error("resources/read", {"uri": f"{name}://x"})
        assert name not in (await http.get("/metrics")).text


async def test_without_the_log_calls_are_refused_and_lists_are_not() -> None:
    async with open_house() as house:
        async with house.caller(modern=True) as caller, house.caller("client1") as legacy:
            await caller.tool("fixture/echo", text="x")
            await house.log.close()
            status, error = await caller.error("tools/call", {"name": "fixture/effect", "arguments": {"text": "x"}})
            assert (status, error["code"]) == (503, 4503)
            assert "audit log" in error["message"]
            status, error = await legacy.error("tools/call", {"name": "fixture/echo", "arguments": {"text": "x"}})
            assert (status, error["code"]) == (200, 4503)
            assert (await caller.rpc("tools/list"))["tools"]
            await wait_until(lambda: house.gateway.in_flight() == 0, "nothing hangs")
        assert house.effects_seen() == []


def values(text: str) -> dict[str, float]:
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    return {line.rsplit(" ", 1)[0]: float(line.rsplit(" ", 1)[1]) for line in lines}
