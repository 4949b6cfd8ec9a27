"""Resources that no server lists: read from the one server whose they can only be, or from none."""

import json
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from portero.domain.replacement import Entry, Replacer
from portero.domain.values import Action
from portero.settings import UpstreamConfig
from tests.gateway.house import ADMIN, House, open_house
from tests.gateway.streaming import begin, listening
from tests.servers.real import real_servers

pytestmark = pytest.mark.asyncio(loop_scope="session")

SERVER = Path(__file__).parent / "links_server.py"
PLACES = {
    "notes": [
        "note://ada/one",
        "note://Tessa/two",
        "shared://ours/x",
        "shared://both/x",
        "memo://one",
        "https://docs.test/a",
    ],
    "wiki": [
        "wiki://{page}",
        "shared://theirs/x",
        "shared://both/x",
        "memo:///one",
        "note://{+any}/of/the/wiki",
        "file:///wiki/start",
    ],
    "files": ["file:///home/a"],
    "mute": [],
}
POLICIES = {
    "files/resource:file:///home/*": Action.ALLOW,
    "files/resource:file:///home/secret/*": Action.DENY,
    "notes/resource:https://docs.test/*": Action.ALLOW,
    "mute/resource:made:*": Action.ALLOW,
    "notes/resource:both:*": Action.ALLOW,
    "wiki/resource:both:*": Action.ASK,
    "files/resource:note://ada/locked/*": Action.DENY,
    "w*/resource:*/walled/*": Action.DENY,
    "notes/resource:note://ada/asked": Action.ASK,
    "notes/resource:note://ada/denied*": Action.DENY,
    "wiki/resource:*": Action.ALLOW,
    "*/resource:*.key": Action.DENY,
    "*/resource:http:*": Action.ALLOW,
    "mute/*": Action.DENY,
}


def behind(_: Path) -> list[UpstreamConfig]:
    return [
        UpstreamConfig(name=name, command=sys.executable, args=(str(SERVER), name, *places))
        for name, places in PLACES.items()
    ]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def many() -> AsyncIterator[House]:
    replacer = Replacer.from_entries([Entry("NAME", "Tessa")])
    async with open_house(upstreams=behind, policies=POLICIES, replacer=replacer) as house:
        yield house


async def asked(house: House) -> dict[str, list[str]]:
    """The addresses that reached each server."""
    found = {}
    for name in PLACES:
        result = await house.upstreams.request(name, "tools/call", b'{"name":"asked","arguments":{}}')
        found[name] = json.loads(json.loads(result)["content"][0]["text"])
    return found


@pytest.mark.parametrize(
    ("uri", "server"),
    [
        ("note://ada/three", "notes"),  # it lists some of that scheme and authority
        ("NOTE://Ada/three", "notes"),
        ("note://NAME/four", "notes"),
        ("note://Tessa/five", "notes"),
        ("note://bob/one", "notes wiki"),  # both list that scheme, and none that authority
        ("note://bob/of/the/wiki", "wiki"),  # by its template, as ever
        ("shared://ours/y", "notes"),
        ("shared://theirs/y", "wiki"),
        ("shared://both/y", "notes wiki"),  # though what both have is listed for one of them only
        ("memo://two", "notes wiki"),
        ("memo:/two", "wiki"),
        ("wiki://", "wiki"),
        ("file:///home/b", "files"),  # a policy says so
        ("https://docs.test/b", "notes"),
        ("made:anything", "mute"),
    ],
)
async def test_it_is_read_from_whose_it_can_only_be(many: House, name: str, uri: str, server: str) -> None:
    async with many.caller(name, modern=True) as caller:
        if " " in server:
            _, error = await caller.error("resources/read", {"uri": uri})
            assert "more than one server lists something like it" in error["message"]
            return
        result = await caller.rpc("resources/read", {"uri": uri})
    assert result["contents"][0]["text"] == f"served by {server}"
    (call,) = [call for call in many.view.calls._ended.values() if call.client == name]
    assert (call.upstream, call.status) == (server, "completed")
    assert (await asked(many))[server][-1] == uri.replace("NAME", "Tessa")


@pytest.mark.parametrize(
    ("uri", "why"),
    [
        ("other://x", "no server lists anything like it"),
        ("notes", "no address"),
        ("", "no address"),
        (" note://ada/x", "no address"),
        ("no\tte://ada/x", "no address"),
        ("note://%61da/x", "no address"),
        ("note://eve@ada/x", "no address"),
        ("note%3A//ada/x", "no address"),
        ("both:x", "policies name it for more than one server"),
        ("file:///wiki/other", "a policy names them for a server, as SERVER/resource:file:*"),
        ("FILE:///etc/passwd", "a policy names them for a server"),
        ("file:/etc/passwd", "a policy names them for a server"),
        ("https://docs.test.evil.test/a", "a policy names them for a server"),
        ("https://evil.test/", "a policy names them for a server"),
        ("http://docs.test/a", "a policy names them for a server"),
        ("data:text/plain,x", "a policy names them for a server"),
    ],
)
async def test_it_is_read_from_nobody_where_that_is_not_clear(many: House, name: str, uri: str, why: str) -> None:
    before, seq = await asked(many), many.view.seq
    async with many.caller(name) as caller:
        await begin(caller)
        ref = {"ref": {"type": "ref/resource", "uri": uri}, "argument": {"name": "a", "value": ""}}
        for method, params in (
            ("resources/read", {"uri": uri}),
            ("resources/subscribe", {"uri": uri}),
            ("completion/complete", ref),
        ):
            _, error = await caller.error(method, params)
            assert error["code"] in {-32002, -32602}, method
            assert why in error["message"]
            assert error["data"] == {"uri": uri}
    async with many.caller(name, modern=True) as caller, listening(caller, {"resourceSubscriptions": [uri]}) as stream:
        assert (await stream.next())["params"]["notifications"] == {}
    assert await asked(many) == before
    assert many.view.seq == seq


@pytest.mark.parametrize(
    ("uri", "whose"),
    [
        ("note://ada/denied", "notes"),
        ("note://ada/x/../denied", "notes"),
        ("note://ada/%64enied", "notes"),
        ("note://ada/my.key", "notes"),  # a denial for everybody
        ("note://ada/locked/x", "files"),  # a denial for a server that lists nothing like it
        ("note://ada/x/../locked/x", "files"),
        ("note://ada/walled/x", "wiki"),
        ("file:///home/secret/x", "files"),
        ("file:///home/./secret/x", "files"),
        ("file:///home/%73ecret/x", "files"),
    ],
)
async def test_a_denial_holds_for_whose_it_is_and_keeps_it_from_others(
    many: House, name: str, uri: str, whose: str
) -> None:
    before = await asked(many)
    async with many.caller(name, modern=True) as caller:
        _, error = await caller.error("resources/read", {"uri": uri})
    assert (error["code"], "denies it" in error["message"]) == (4003, True)
    (call,) = [call for call in many.view.calls._ended.values() if call.client == name]
    assert (call.upstream, call.status) == (whose, "denied")
    assert await asked(many) == before


async def test_a_rule_set_since_then_counts_as_what_is_configured(many: House, name: str) -> None:
    """A person who permits an address says whose it is, and one who denies it keeps it from all."""
    async with many.caller(name, modern=True) as caller:
        for action, expected in ((Action.ALLOW, "served by mute"), (Action.DENY, "denies it")):
            rule = await many.decisions.set_rule("mute/resource:other://*", action, ADMIN)
            await many.core.catch_up()
            answer = (await caller.post("resources/read", {"uri": "other://x"})).text
            await many.decisions.remove_rule(rule, ADMIN)
            await many.core.catch_up()
            assert expected in answer
        assert "no server lists" in (await caller.error("resources/read", {"uri": "other://x"}))[1]["message"]


async def test_whose_it_is_does_not_rest_on_what_else_is_decided(many: House, name: str) -> None:
    """A rule for all of a server is stricter, and its address is still its own; a grant makes it nobody's."""
    rule = await many.decisions.set_rule("files/*", Action.ASK, ADMIN)
    grant = await many.decisions.grant("wiki/resource:file:///wiki/*", 60_000, ADMIN)
    await many.core.catch_up()
    try:
        async with many.caller(name, modern=True) as caller:
            _, error = await caller.error("resources/read", {"uri": "file:///home/b"})
            assert (error["code"], error["data"]["toolName"]) == (4202, "files/resource:file:///home/b")
            _, error = await caller.error("resources/read", {"uri": "file:///wiki/other"})
            assert "a policy names them" in error["message"]
    finally:
        await many.decisions.remove_rule(rule, ADMIN)
        await many.decisions.revoke(grant, ADMIN)
        await many.core.catch_up()


async def test_what_is_asked_for_waits_and_what_is_heard_of_it_is_told(many: House, name: str) -> None:
    async with many.caller(name) as caller:
        await begin(caller)
        _, error = await caller.error("resources/read", {"uri": "note://ada/asked"})
        assert (error["code"], error["data"]["toolName"]) == (4202, "notes/resource:note://ada/asked")
        uri = "note://ada/other"
        assert await caller.rpc("resources/subscribe", {"uri": uri}) == {}
        assert [item.upstream for session in many.view.sessions.watching() for item in session.watched] == ["notes"]
        assert await caller.rpc("resources/unsubscribe", {"uri": uri}) == {}
        ref = {"ref": {"type": "ref/resource", "uri": uri}, "argument": {"name": "a", "value": ""}}
        assert (await caller.rpc("completion/complete", ref))["completion"]["values"] == ["notes"]
    assert (await asked(many))["notes"][-2:] == [uri, uri]


async def test_while_a_server_has_not_said_what_it_has_nobody_guesses(name: str, tmp_path: Path) -> None:
    def late(_: Path) -> list[UpstreamConfig]:
        lists = str(Path(__file__).parent / "lists_server.py")
        (tmp_path / "names").write_text("[]")
        args = (lists, str(tmp_path / "names"), str(tmp_path / "start"))
        gone = UpstreamConfig(name="gone", command="x", disabled=True)
        return [*behind(tmp_path), gone, UpstreamConfig(name="late", command=sys.executable, args=args)]

    async with (
        open_house(upstreams=late, policies=POLICIES, late=["late"]) as house,
        house.caller(name, modern=True) as caller,
    ):
        _, error = await caller.error("resources/read", {"uri": "note://ada/three"})
        assert "late has not said yet what it has" in error["message"]
        assert "contents" in await caller.rpc("resources/read", {"uri": "file:///home/b"})
        (tmp_path / "start").touch()
        assert await house.upstreams.connected("late", 10)
        assert "contents" in await caller.rpc("resources/read", {"uri": "note://ada/three"})


async def test_links_of_a_real_server_are_followed(name: str, tmp_path: Path) -> None:
    """It lists what a call makes only after it has answered with the link; another replica's never does."""

    def real(_: Path) -> list[UpstreamConfig]:
        command, *args = real_servers(tmp_path)["everything"].command
        return [UpstreamConfig(name="everything", command=command, args=tuple(args)), *behind(tmp_path)]

    def link(result: dict[str, Any]) -> str:
        (found,) = [item["uri"] for item in result["content"] if item["type"] == "resource_link"]
        return str(found)

    async with open_house(upstreams=real, policies={}) as house, house.caller(name, modern=True) as caller:
        arguments = {"name": "x.gz", "data": "data:text/plain,hello", "outputType": "resourceLink"}
        uri = link(await caller.rpc("tools/call", {"name": "everything/gzip-file-as-resource", "arguments": arguments}))
        assert (await caller.rpc("resources/read", {"uri": uri}))["contents"][0]["uri"] == uri
        _, error = await caller.error("resources/read", {"uri": "demo://resource/session/none"})
        assert "demo://resource/session/none not found" in error["message"], "its own words"
