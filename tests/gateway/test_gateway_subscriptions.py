"""Subscriptions to resources: through the same gate as reading them, told on every replica, outliving restarts."""

import asyncio
import contextlib
import json
from typing import Any

import pytest

from portero.domain.replacement import Entry, Replacer
from portero.domain.values import Action
from tests.gateway.house import ADMIN, META, House, open_house, wait_until
from tests.gateway.streaming import LEGACY, Stream, begin, following, listening

pytestmark = pytest.mark.asyncio(loop_scope="session")

UPDATED = "notifications/resources/updated"
Pair = tuple[House, House]


async def subscribed(house: House) -> list[str]:
    """What this replica's own server is subscribed to, as it says itself."""
    result = await house.upstreams.request("fixture", "tools/call", b'{"name":"subscribed","arguments":{}}')
    found: list[str] = json.loads(json.loads(result)["content"][0]["text"])
    return found


async def until_subscribed(house: House, uri: str, *, wanted: bool = True) -> None:
    for _ in range(500):
        if (uri in await subscribed(house)) is wanted:
            return
        await asyncio.sleep(0.01)
    raise AssertionError(f"{uri} is subscribed to: {not wanted}")


async def touch(house: House, uri: str) -> None:
    params = json.dumps({"name": "touch", "arguments": {"uri": uri}}).encode()
    await house.upstreams.request("fixture", "tools/call", params)


async def told(stream: Stream, uri: str) -> None:
    """The next notice is of this resource."""
    message = await stream.next()
    assert message["method"] == UPDATED
    assert message["params"]["uri"] == uri


# --- the older era ----------------------------------------------------------------------------------------------------


async def test_an_update_on_any_replica_reaches_the_stream_on_any_other(pair: Pair, name: str) -> None:
    one, two = pair
    uri = f"made://by/{name}"
    async with one.caller(name) as here, two.caller(name) as there:
        there.http.headers["mcp-session-id"] = await begin(here)
        async with following(there) as stream:
            assert await here.rpc("resources/subscribe", {"uri": uri}) == {}
            for house in pair:
                await until_subscribed(house, uri)
                await touch(house, uri)
                await told(stream, uri)
                await touch(house, f"{uri}/part")
                await told(stream, f"{uri}/part")
            assert await there.rpc("resources/unsubscribe", {"uri": uri}) == {}
            for house in pair:
                await until_subscribed(house, uri, wanted=False)


async def test_of_two_who_are_subscribed_one_may_leave(pair: Pair, name: str) -> None:
    one, two = pair
    uri = f"made://by/{name}"
    async with one.caller(name) as here, two.caller("client994") as there:
        await begin(here)
        await begin(there)
        async with following(there) as stream:
            for caller in (here, there, there):
                await caller.rpc("resources/subscribe", {"uri": uri})
            await here.rpc("resources/unsubscribe", {"uri": uri})
            await touch(one, uri)
            await told(stream, uri)
            await there.http.delete("/mcp", headers=LEGACY)
        await until_subscribed(one, uri, wanted=False)


@pytest.mark.parametrize(
    ("uri", "code", "text"),
    [
        ("made://denied", 4003, "denies it"),
        ("made://asked", 4003, "cannot be subscribed to"),
        ("made://by/nobody", -32601, "no such method"),
        ("nothing://here", -32002, "There is no resource"),
        (7, -32602, "must be a string"),
        (None, -32602, "must be a string"),
    ],
)
async def test_what_cannot_be_told_of_is_refused(house: House, name: str, uri: Any, code: int, text: str) -> None:
    async with house.caller(name) as caller:
        await begin(caller)
        _, error = await caller.error("resources/subscribe", {"uri": uri})
    assert error["code"] == code
    assert text in error["message"]
    assert not any(item.uri == uri for session in house.view.sessions.watching() for item in session.watched)
    assert uri not in await subscribed(house)


async def test_a_client_without_a_session_is_told_what_it_needs(house: House, name: str) -> None:
    async with house.caller(name) as caller:
        _, error = await caller.error("resources/subscribe", {"uri": "made://one"})
    assert "Mcp-Session-Id" in error["message"]


async def test_what_is_denied_later_is_not_told_any_more_and_told_again_when_it_is_allowed() -> None:
    async with open_house() as house, house.caller() as caller:
        await begin(caller)
        async with following(caller) as stream:
            await caller.rpc("resources/subscribe", {"uri": "made://two"})
            rule = await house.decisions.set_rule("fixture/resource:made://two", Action.DENY, ADMIN)
            await until_subscribed(house, "made://two", wanted=False)
            assert (await stream.next())["method"] == "notifications/resources/list_changed"
            await house.decisions.remove_rule(rule, ADMIN)
            await until_subscribed(house, "made://two")
            assert (await stream.next())["method"] == "notifications/resources/list_changed"
            await touch(house, "made://two")
            await told(stream, "made://two")


async def test_of_a_folder_only_what_is_allowed_is_told(house: House, name: str) -> None:
    uri = f"made://by/{name}"
    rule = await house.decisions.set_rule(f"fixture/resource:{uri}/secret", Action.DENY, ADMIN)
    try:
        async with house.caller(name) as caller:
            await begin(caller)
            async with following(caller) as stream:
                await caller.rpc("resources/subscribe", {"uri": uri})
                await touch(house, f"{uri}/secret")
                await touch(house, f"{uri}/open")
                await told(stream, f"{uri}/open")
                assert await stream.is_silent(0.3)
    finally:
        await house.decisions.remove_rule(rule, ADMIN)
        await wait_until(lambda: all(found.id != rule for found in house.view.rules), "the rule is gone")


async def test_subscriptions_are_made_again_after_the_server_was_lost_and_its_clients_told_to_look() -> None:
    async with open_house() as house, house.caller() as caller:
        await begin(caller)
        async with following(caller) as stream:
            await caller.rpc("resources/subscribe", {"uri": "made://two"})
            with contextlib.suppress(AssertionError):
                await caller.tool("fixture/die")
            await told(stream, "made://two")
            assert await subscribed(house) == ["made://two"]
            await touch(house, "made://two")
            await told(stream, "made://two")


async def test_subscriptions_lapse_when_nobody_listens_for_long() -> None:
    async with open_house() as house, house.caller() as caller:
        await begin(caller)
        async with following(caller) as stream:
            await caller.rpc("resources/subscribe", {"uri": "made://two"})
            (session,) = house.view.sessions.watching()
            assert await house.subscriptions.wake(session.id) is not None, "somebody is served here"
            assert await subscribed(house) == ["made://two"]
            await stream.leave()
        await wait_until(lambda: not house.streams(), "the stream is gone")
        assert await house.subscriptions.wake(session.id) is None
        await until_subscribed(house, "made://two", wanted=False)
        assert (await caller.rpc("ping")) == {}, "the session itself has not ended"


async def test_a_replica_that_starts_later_subscribes_to_what_is_wanted() -> None:
    async with open_house() as one, one.caller() as caller:
        await begin(caller)
        async with following(caller) as stream:
            await caller.rpc("resources/subscribe", {"uri": "made://two"})
            async with open_house(beside=one) as two:
                await until_subscribed(two, "made://two")
                await touch(two, "made://two")
                await told(stream, "made://two")


async def test_real_values_in_uris_stay_behind_the_gate() -> None:
    replacer = Replacer.from_entries([Entry("NAME", "Tessa")])
    async with open_house(replacer=replacer) as house, house.caller() as old, house.caller(modern=True) as new:
        await begin(old)
        wanted = {"resourceSubscriptions": ["made://NAME/notes"]}
        async with following(old) as legacy, listening(new, wanted) as modern:
            assert (await modern.next())["params"]["notifications"] == wanted
            await old.rpc("resources/subscribe", {"uri": "made://NAME/notes"})
            assert await subscribed(house) == ["made://Tessa/notes"]
            await touch(house, "made://Tessa/notes")
            for stream in (legacy, modern):
                await told(stream, "made://NAME/notes")
        stored = house.folder.rglob("*.aof")
        assert not any(b"Tessa" in file.read_bytes() for file in stored)


# --- the newer era ----------------------------------------------------------------------------------------------------


async def test_a_listener_hears_of_its_resources_from_any_replica(pair: Pair, name: str) -> None:
    one, _ = pair
    uri = f"made://by/{name}"
    wanted = {"resourceSubscriptions": [uri, "made://denied", "made://asked", "made://by/nobody", "nothing://here"]}
    async with one.caller(name, modern=True) as caller:
        async with listening(caller, wanted) as stream:
            acknowledged = await stream.next()
            assert acknowledged["params"]["notifications"] == {"resourceSubscriptions": [uri]}
            for house in pair:
                await until_subscribed(house, uri)
                await touch(house, uri)
                message = await stream.next()
                assert message["params"] == {"_meta": {META + "subscriptionId": stream.identity}, "uri": uri}
        for house in pair:
            await until_subscribed(house, uri, wanted=False)


async def test_too_many_resources_are_refused(house: House, name: str) -> None:
    async with house.caller(name, modern=True) as caller:
        for uris in (["x"] * 1_001, "made://one", [7]):
            params = {"notifications": {"resourceSubscriptions": uris}}
            status, error = await caller.error("subscriptions/listen", params)
            assert (status, error["code"]) == (400, -32602)


async def test_a_burst_of_updates_is_told_a_few_times(house: House, name: str) -> None:
    uri = f"made://by/{name}"

    async def count(stream: Stream) -> int:
        found = 0
        while not await stream.is_silent(0.5):
            found += 1
        return found

    wanted = {"resourceSubscriptions": [uri]}
    async with house.caller(name, modern=True) as caller, listening(caller, wanted) as stream:
        await stream.next()
        for _ in range(200):
            await touch(house, uri)
        assert 1 <= await count(stream) <= 20


async def test_what_is_subscribed_to_is_shown_to_people(house: House, name: str) -> None:
    async with house.caller(name) as caller:
        await begin(caller)
        await caller.rpc("resources/subscribe", {"uri": "made://one"})
    shown = [entry for entry in house.view.activity.recent() if entry.actor.id == name]
    assert [(entry.type, entry.detail) for entry in shown] == [("ResourcesSubscribed", "fixture/resource:made://one")]
