"""A parked call whose client comes back at another replica: what its upstream says reaches the client there."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from handlers.between import returning
from portero.domain.ids import ReplicaId
from portero.domain.replacement import Entry, Replacer
from portero.domain.values import Status
from portero.settings import UpstreamConfig
from tests.gateway.house import META, Caller, House, fixture, open_house, wait_until
from tests.gateway.streaming import Stream
from tests.gateway.test_gateway_parking import ABLE, ACCEPT, ELICIT, answered, ask, call_of, said

pytestmark = pytest.mark.asyncio(loop_scope="session")

Pair = tuple[House, House]
PROGRESS = {"method": "notifications/progress", "params": {"progress": 3, "message": "for Tessa"}}
LOG = {"method": "notifications/message", "params": {"level": "warning", "data": "careful, Tessa"}}
LARGE = {"method": "notifications/message", "params": {"level": "warning", "data": "x" * returning.LARGEST_BYTES}}
QUIET = {"method": "notifications/message", "params": {"level": "debug", "data": "details"}}
REPLACER = Replacer.from_entries([Entry("NAME", "Tessa")])


def talkative(file: Path, *notes: Any) -> dict[str, Any]:
    """A question whose server goes on saying these, once it is answered, until the file is there."""
    return {**ELICIT, "notes": list(notes or (PROGRESS, LOG, QUIET)), "file": str(file), "repeats": True}


@asynccontextmanager
async def coming_back(caller: Caller, asked: Any, asking: Any, level: str | None = "warning") -> AsyncIterator[Stream]:
    """The stream of the request with which the client comes back, with its answer."""
    meta = {"progressToken": "second", **({META + "logLevel": level} if level else {})}
    arguments = {"questions": asked if isinstance(asked, list) else [asked]}
    params = {"name": "fixture/ask", "arguments": arguments, "_meta": meta, **answered(asking, ACCEPT)}
    message, headers = caller.message("tools/call", params), caller.headers("tools/call", params)
    async with caller.http.stream("POST", "/mcp", json=message, headers=headers) as response:
        stream = Stream(response)
        yield stream
        await stream.leave()


async def hears(stream: Stream, *methods: str) -> list[dict[str, Any]]:
    """What comes until each of these has come."""
    heard: list[dict[str, Any]] = []
    while not set(methods) <= {message.get("method") for message in heard}:
        heard.append(await stream.next(10.0))
    return heard


async def result_of(stream: Stream) -> Any:
    while "result" not in (message := await stream.next(10.0)):
        assert "method" in message, message
    return message["result"]


async def first(caller: Caller, asked: Any) -> dict[str, Any]:
    return await ask(caller, asked, _meta={"progressToken": "first"})


async def test_it_hears_there_what_is_said_and_real_values_do_not_travel(name: str) -> None:
    async with (
        open_house(replacer=REPLACER) as one,
        open_house(beside=one, replacer=REPLACER) as two,
        one.caller(name, modern=True, capabilities=ABLE) as here,
        two.caller(name, modern=True, capabilities=ABLE) as there,
    ):
        asked = talkative(one.folder / name)
        asking = await first(here, asked)
        async with coming_back(there, asked, asking) as stream:
            heard = await hears(stream, "notifications/progress", "notifications/message")
            letters = await waiting_letters(two)
            (one.folder / name).touch()
            assert said(await result_of(stream)) == [ACCEPT]
        params = {message["method"]: message["params"] for message in heard}
        assert params["notifications/progress"] == {"progressToken": "second", "progress": 3, "message": "for NAME"}
        assert params["notifications/message"] == {"level": "warning", "data": "careful, NAME"}
        assert "careful, NAME" in letters
        assert "Tessa" not in letters
        assert "details" not in letters, "what it does not want stays where it is"


async def waiting_letters(house: House) -> str:
    """Some that have come for this replica, as they stand in the store."""
    store, found = house.log.store, ""
    async with house.without_letters(), store.reach() as client:
        while "careful" not in found or "for NAME" not in found:
            await asyncio.sleep(0.01)
            found = str(await client.xrange(store.keys.mail(house.log.replica)))
    return found


async def test_progress_travels_no_faster_than_it_may_and_nothing_large(
    pair: Pair, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(returning, "PROGRESS_SECONDS", 1_000.0)
    one, two = pair
    async with (
        one.caller(name, modern=True, capabilities=ABLE) as here,
        two.caller(name, modern=True, capabilities=ABLE) as there,
    ):
        asked = talkative(one.folder / name, PROGRESS, LARGE, LOG)
        asking = await first(here, asked)
        async with coming_back(there, asked, asking) as stream:
            heard = await hears(stream, "notifications/progress")
            heard += [await stream.next() for _ in range(5)]
            assert [message["method"] for message in heard].count("notifications/progress") == 1
            assert LARGE["params"] not in [message["params"] for message in heard]
            (one.folder / name).touch()
            assert said(await result_of(stream)) == [ACCEPT]


async def test_its_result_does_not_rest_on_letters(name: str) -> None:
    async with (
        open_house() as one,
        open_house(beside=one) as two,
        one.caller(name, modern=True, capabilities=ABLE) as here,
        two.caller(name, modern=True, capabilities=ABLE) as there,
    ):
        asked = talkative(one.folder / name)
        asking = await first(here, asked)
        call = call_of(one, asking)
        async with one.without_letters():
            coming = asyncio.create_task(ask(there, asked, **answered(asking, ACCEPT)))
            await wait_until(one.sees(call, lambda state: state.questions == ()), "it is answered")
            (one.folder / name).touch()
            assert said(await coming) == [ACCEPT]


@asynccontextmanager
async def coming_back_later(caller: Caller, asked: Any, asking: Any) -> AsyncIterator["asyncio.Future[Stream]"]:
    """As above, for an answer that may not begin before its end."""
    opened: asyncio.Future[Stream] = asyncio.get_running_loop().create_future()
    done = asyncio.Event()

    async def open_it() -> None:
        async with coming_back(caller, asked, asking) as stream:
            opened.set_result(stream)
            await done.wait()

    task = asyncio.create_task(open_it())
    yield opened
    done.set()
    await task


async def test_a_lost_first_letter_is_made_good(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(returning, "SIGN_SECONDS", 0.1)
    async with (
        open_house() as one,
        open_house(beside=one) as two,
        one.caller(name, modern=True, capabilities=ABLE) as here,
        two.caller(name, modern=True, capabilities=ABLE) as there,
    ):
        asked = talkative(one.folder / name)
        asking = await first(here, asked)
        call = call_of(one, asking)
        async with coming_back_later(there, asked, asking) as coming:
            async with one.without_letters():
                await wait_until(one.sees(call, lambda state: state.questions == ()), "it is answered")
                store = one.log.store
                async with store.reach() as client:
                    await client.delete(store.keys.mail(ReplicaId("r1")))
            stream = await coming
            await hears(stream, "notifications/progress", "notifications/message")
            (one.folder / name).touch()
            assert said(await result_of(stream)) == [ACCEPT]


async def test_one_that_leaves_there_is_noticed_and_told_no_more(pair: Pair, name: str) -> None:
    one, two = pair
    async with (
        one.caller(name, modern=True, capabilities=ABLE) as here,
        two.caller(name, modern=True, capabilities=ABLE) as there,
    ):
        asked = talkative(one.folder / name)
        asking = await first(here, asked)
        call = call_of(one, asking)
        async with coming_back(there, asked, asking) as stream:
            await hears(stream, "notifications/progress")
        await wait_until(one.sees(call, lambda state: state.status is Status.CANCELLED), "it is cancelled")
        await wait_until(lambda: not tells(one, asking) and two.returning.waiting == 0, "nobody is told")
        (one.folder / name).touch()


async def test_a_replica_of_which_nothing_is_heard_any_more_is_told_no_more(
    pair: Pair, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(returning, "SIGN_SECONDS", 0.1)
    monkeypatch.setattr(returning, "SILENT_SECONDS", 1.0)
    one, two = pair
    async with (
        one.caller(name, modern=True, capabilities=ABLE) as here,
        two.caller(name, modern=True, capabilities=ABLE) as there,
    ):
        asked = talkative(one.folder / name)
        asking = await first(here, asked)
        async with coming_back(there, asked, asking) as stream:
            await hears(stream, "notifications/progress")
            async with two.without_letters():
                await wait_until(lambda: not tells(one, asking), "it is taken for gone")
            await wait_until(lambda: tells(one, asking), "it is heard of again")
            (one.folder / name).touch()
            assert said(await result_of(stream)) == [ACCEPT]


async def test_asked_once_more_there_is_nobody_to_tell_until_it_comes_back(
    pair: Pair, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(returning, "SIGN_SECONDS", 1_000.0)
    one, two = pair
    async with (
        one.caller(name, modern=True, capabilities=ABLE) as here,
        two.caller(name, modern=True, capabilities=ABLE) as there,
    ):
        one_file, other_file = one.folder / f"{name}.1", one.folder / f"{name}.2"
        questions = [talkative(one_file), talkative(other_file)]
        asking = await ask(here, *questions, _meta={"progressToken": "first"})
        async with coming_back(there, questions, asking) as stream:
            await hears(stream, "notifications/progress", "notifications/message")
            assert tells(one, asking)
            one_file.touch()
            again = await result_of(stream)
        assert not tells(one, asking)
        async with coming_back(there, questions, again) as stream:
            await hears(stream, "notifications/progress", "notifications/message")
            other_file.touch()
            assert said(await result_of(stream)) == [ACCEPT, ACCEPT]


def tells(house: House, asking: Any) -> bool:
    return house.returning.tells(call_of(house, asking))


async def test_where_there_is_one_instance_of_the_server_its_way_leads_over_both(name: str) -> None:
    """One runs the server, two has the client that began; then it comes back to one."""

    def single(effects: Path) -> list[UpstreamConfig]:
        return [fixture(effects, single=True)]

    async with (
        open_house(upstreams=single, late={"fixture"}) as one,
        open_house(beside=one, upstreams=single, late={"fixture"}) as two,
        two.caller(name, modern=True, capabilities=ABLE) as here,
        one.caller(name, modern=True, capabilities=ABLE) as there,
    ):
        await wait_until(lambda: one.upstreams.is_connected("fixture"), "it runs", 10)
        await wait_until(lambda: two.upstreams.catalogue.resolve("fixture/ask") is not None, "it is known", 10)
        asked = talkative(one.folder / name)
        asking = await first(here, asked)
        async with coming_back(there, asked, asking) as stream:
            heard = await hears(stream, "notifications/progress", "notifications/message")
            (one.folder / name).touch()
            assert json.dumps(ACCEPT) in json.dumps(said(await result_of(stream)))
        assert heard[0]["params"].get("progressToken", "second") == "second"
