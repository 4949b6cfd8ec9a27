"""Sessions of the older era: readable by every replica, sealed for their client, ended when their client says so."""

import asyncio
import json

import pytest

from portero.domain.values import Action, Watched
from portero.gateway.options import Options
from portero.upstream.session import levels
from tests.gateway.house import ADMIN, META, MODERN, House, open_house, wait_until
from tests.gateway.streaming import LEGACY, begin, following

pytestmark = pytest.mark.asyncio(loop_scope="session")

Pair = tuple[House, House]
TOOLS, PROMPTS, RESOURCES = (f"notifications/{kind}/list_changed" for kind in ("tools", "prompts", "resources"))


# --- their life -------------------------------------------------------------------------------------------------------


async def test_every_client_of_the_older_era_gets_one_and_needs_none(house: House, name: str) -> None:
    async with house.caller(name) as caller:
        assert (await caller.tool("fixture/echo", text="x"))["content"][0]["text"] == "x"
        await begin(caller)
        assert (await caller.tool("fixture/echo", text="y"))["content"][0]["text"] == "y"


@pytest.mark.parametrize("method", ["GET", "DELETE", "POST"])
@pytest.mark.parametrize("session", ["", "nonsense", "n-" + "0" * 32 + "." + "0" * 32])
async def test_an_unknown_one_is_not_found(house: House, name: str, method: str, session: str) -> None:
    async with house.caller(name) as caller:
        response = await caller.http.request(
            method, "/mcp", headers={**LEGACY, "mcp-session-id": session}, json=caller.message("ping")
        )
        assert response.status_code == 404
        assert "Initialize again" in response.json()["error"]["message"]


async def test_one_that_its_client_has_ended_is_not_found_on_any_replica(pair: Pair, name: str) -> None:
    one, two = pair
    async with one.caller(name) as here, two.caller(name) as there:
        there.http.headers["mcp-session-id"] = session = await begin(here)
        async with following(there) as stream:
            ended = await here.http.delete("/mcp", headers=LEGACY)
            assert (ended.status_code, ended.content) == (204, b"")
            await asyncio.wait_for(stream.ended.wait(), 5)
        key = session.split("-")[1].split(".")[0]
        await wait_until(lambda: key in two.view.sessions._others, "the other replica knows")
        for caller in (here, there):
            for method in ("POST", "GET", "DELETE"):
                response = await caller.http.request(method, "/mcp", headers=LEGACY, json=caller.message("ping"))
                assert response.status_code == 404


async def test_another_client_cannot_use_or_end_it(house: House, name: str) -> None:
    async with house.caller(name) as caller, house.caller("client996") as other:
        other.http.headers["mcp-session-id"] = await begin(caller)
        assert (await other.http.delete("/mcp", headers=LEGACY)).status_code == 404
        assert (await other.http.get("/mcp", headers=LEGACY)).status_code == 404
        assert (await caller.rpc("ping")) == {}


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"mcp-protocol-version": MODERN}, 405),
        ({"mcp-protocol-version": MODERN, "accept": "text/event-stream"}, 405),
        ({**LEGACY, "accept": "application/json"}, 406),
    ],
)
async def test_streams_are_for_those_who_can_read_them(
    house: House, name: str, headers: dict[str, str], status: int
) -> None:
    async with house.caller(name) as caller:
        await begin(caller)
        assert (await caller.http.get("/mcp", headers=headers)).status_code == status


async def test_without_a_session_there_is_no_stream(house: House, name: str) -> None:
    async with house.caller(name) as caller:
        for method in ("GET", "DELETE", "PUT"):
            response = await caller.http.request(method, "/mcp", headers=LEGACY)
            assert (response.status_code, response.headers["allow"]) == (405, "POST")


# --- the stream -------------------------------------------------------------------------------------------------------


async def test_changes_of_lists_are_told(house: House, name: str) -> None:
    async with house.caller(name) as caller:
        await begin(caller)
        async with following(caller) as stream:
            assert stream.response.headers["content-type"] == "text/event-stream"
            rule = await house.decisions.set_rule("fixture/echo", Action.DENY, ADMIN)
            try:
                assert await stream.next() == {"jsonrpc": "2.0", "method": TOOLS, "params": {}}
                rules = [await house.decisions.set_rule("fixture/resource:made://two", Action.DENY, ADMIN)]
                assert (await stream.next())["method"] == RESOURCES
                rules += [await house.decisions.set_rule("fixture/prompt:greet", Action.DENY, ADMIN)]
                assert (await stream.next())["method"] == PROMPTS
            finally:
                for one in (rule, *rules):
                    await house.decisions.remove_rule(one, ADMIN)
        await wait_until(lambda: len(house.view.rules) == 0, "the rules are gone")


async def test_a_client_that_comes_back_is_told_what_it_has_missed_on_any_replica() -> None:
    async with (
        open_house() as one,
        open_house(beside=one) as two,
        one.caller() as here,
        two.caller() as there,
    ):
        there.http.headers["mcp-session-id"] = await begin(here)
        await here.rpc("resources/subscribe", {"uri": "made://one"})
        await here.rpc("resources/subscribe", {"uri": "made://two"})
        async with following(here) as stream:
            last = stream.ids[-1]
        await one.decisions.set_rule("fixture/echo", Action.DENY, ADMIN)
        await here.tool("fixture/touch", uri="made://two")
        two_is = Watched("fixture", "made://two")
        await wait_until(lambda: two.view.sessions.updated(two_is) > 0, "the update is on the log")
        async with following(there, last_event_id=last) as stream:
            told = [await stream.next(), await stream.next()]
            assert {message["method"] for message in told} == {TOOLS, "notifications/resources/updated"}
            assert told[-1]["params"] == {"uri": "made://two"} or told[0]["params"] == {"uri": "made://two"}
            assert await stream.is_silent(0.3)
            assert len(set(stream.ids)) == len(stream.ids) == 3
            last = stream.ids[-1]
        async with following(here, last_event_id=last) as stream:
            assert await stream.is_silent(0.3), "it knows all that"
        async with following(here, last_event_id="7.x.nonsense") as stream:
            assert await stream.is_silent(0.3)


async def test_only_the_newest_stream_of_a_session_is_written_to() -> None:
    async with (
        open_house() as one,
        open_house(beside=one) as two,
        one.caller() as here,
        two.caller() as there,
    ):
        there.http.headers["mcp-session-id"] = await begin(here)
        async with following(here) as older, following(there) as newer:
            await asyncio.wait_for(older.ended.wait(), 5)
            await one.decisions.set_rule("fixture/echo", Action.DENY, ADMIN)
            assert (await newer.next())["method"] == TOOLS
            assert await older.is_silent(0.1)


async def test_a_stream_is_forgotten_when_its_client_vanishes(house: House, name: str) -> None:
    async with house.caller(name) as caller:
        await begin(caller)
        before = len(house.streams())
        async with following(caller):
            assert len(house.streams()) == before + 1
        await wait_until(lambda: len(house.streams()) == before, "the stream is gone")


async def test_there_is_an_end_to_the_streams_of_a_client() -> None:
    options = Options(port=0, max_streams=3, max_streams_per_client=1)
    async with open_house(options=options) as house, house.caller() as one, house.caller() as two:
        await begin(one)
        await begin(two)
        async with following(one):
            refused = await two.http.get("/mcp", headers=LEGACY)
            assert (refused.status_code, "Close some" in refused.text) == (503, True)


async def test_streams_end_when_the_server_stops_and_live_until_then() -> None:
    async with open_house(options=Options(port=0, keepalive_seconds=0.1)) as house, house.caller() as caller:
        await begin(caller)
        async with following(caller) as stream:
            assert await stream.is_silent(0.4)
            assert stream.comments >= 2
            await asyncio.wait_for(house.stop(), 4)
            await asyncio.wait_for(stream.ended.wait(), 4)


# --- what else a session holds ----------------------------------------------------------------------------------------


async def test_a_cancellation_finds_its_request_on_another_replica(pair: Pair, name: str) -> None:
    one, two = pair
    async with one.caller(name) as here, two.caller(name) as there, two.caller("client995") as stranger:
        there.http.headers["mcp-session-id"] = await begin(here)
        await begin(stranger)
        params = {"name": "fixture/never", "arguments": {}}
        message = here.message("tools/call", params)
        calling = asyncio.create_task(here.http.post("/mcp", json=message, headers=LEGACY))
        await wait_until(lambda: one.gateway.in_flight() == 1, "the call is under way")
        cancelled = {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": message["id"]}}
        assert (await stranger.http.post("/mcp", json=cancelled, headers=LEGACY)).status_code == 202
        assert (await there.http.post("/mcp", json=cancelled, headers=LEGACY)).status_code == 202
        answer = (await asyncio.wait_for(calling, 5)).json()
        assert answer["error"]["code"] == -32800


async def test_the_level_of_log_messages_holds_on_every_replica(pair: Pair, name: str) -> None:
    one, two = pair
    async with one.caller(name) as here, two.caller(name) as there:
        there.http.headers["mcp-session-id"] = await begin(here)
        assert [m["params"]["data"] for m in await there.told("fixture/log", level="info")] == ["said"]
        await here.rpc("logging/setLevel", {"level": "error"})
        await wait_until(lambda: two.view.seq >= one.view.seq, "the other replica knows")
        assert await there.told("fixture/log", level="info") == []
        assert [m["params"]["data"] for m in await there.told("fixture/log", level="alert")] == ["said"]


async def test_an_upstream_is_told_the_least_level_that_anybody_wants() -> None:
    """Some servers say nothing at all until they are told; others say all, and what nobody wants is kept here."""

    async def told() -> list[str]:
        answer = await house.upstreams.request("fixture", "tools/call", b'{"name":"levels","arguments":{}}')
        levels: list[str] = json.loads(json.loads(answer)["content"][0]["text"])
        return levels

    async with open_house() as house, house.caller() as one, house.caller("client1") as two:
        async with house.caller("client2", modern=True) as modern:
            await modern.tool("fixture/echo", text="x")
            assert await told() == [], "nobody wants messages"
            await one.rpc("logging/setLevel", {"level": "error"})
            await one.tool("fixture/echo", text="x")
            assert await told() == ["error"]
            assert [m["params"]["data"] for m in await two.told("fixture/log", level="info")] == ["said"]
            assert await told() == ["error", "info"]
            await one.tool("fixture/echo", text="x")
            params = {"name": "fixture/echo", "arguments": {"text": "x"}, "_meta": {META + "logLevel": "debug"}}
            await modern.rpc("tools/call", params)
        assert await told() == ["error", "info", "debug"]
        assert await one.told("fixture/log", level="debug") == []


async def test_an_upstream_that_takes_no_level_is_called_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(levels, "WAIT_SECONDS", 0.2)
    async with open_house() as house, house.caller() as caller:
        async with asyncio.timeout(5):
            for level in ("emergency", "alert"):  # it refuses the one, and is silent about the other
                await caller.rpc("logging/setLevel", {"level": level})
                assert (await caller.tool("fixture/echo", text="x"))["content"][0]["text"] == "x"
        assert json.loads((await caller.tool("fixture/levels"))["content"][0]["text"]) == []
