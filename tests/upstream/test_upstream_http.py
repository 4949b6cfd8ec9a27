"""Remote servers over Streamable HTTP: both eras, bodies and event streams, sessions, and what gets lost on the way."""

import asyncio
import json
import time
from pathlib import Path
from typing import Any

import attrs
import pytest

from portero.errors import OutcomeLost, UpstreamError, UpstreamRefused, UpstreamUnavailable
from portero.upstream import Notification, State
from tests.upstream.remote import remote
from tests.upstream.running import QUICK, running, until

ERAS = [("legacy", "2025-11-25"), ("modern", "2026-07-28")]
FORMS = [(), ("--json",)]


@pytest.mark.parametrize("form", FORMS, ids=["stream", "body"])
@pytest.mark.parametrize(("era", "protocol"), ERAS)
async def test_a_remote_server_answers(era: str, protocol: str, form: tuple[str, ...]) -> None:
    async with remote("--era", era, *form) as server, running(server.config()) as upstreams:
        status = upstreams.of("h")
        assert (status.state, status.protocol, status.server) == (State.CONNECTED, protocol, "fixture 1.2.3")
        assert (status.tools, status.resources, status.templates, status.prompts) == (17, 1, 1, 1)
        odd = '{"content": [{"type": "new", "n": 1.50}], "x": {"ü": null}}'
        raw = await upstreams.request("h", "tools/call", _params("raw", {"json": odd}))
        assert json.loads(raw) == json.loads(odd)
        assert b"\n" not in raw  # the body was pretty-printed
        with pytest.raises(UpstreamRefused) as caught:
            await upstreams.call("h", "fail", {"code": 7, "message": "no", "data": {"x": 1}})
        assert (caught.value.code, caught.value.message) == (7, "no")


@pytest.mark.parametrize(("era", "protocol"), ERAS)
async def test_many_calls_at_once_get_their_own_answers(era: str, protocol: str) -> None:
    async with remote("--era", era) as server, running(server.config()) as upstreams:

        async def one(number: int) -> None:
            for turn in range(3):
                assert await upstreams.said("h", "echo", {"text": f"{number}/{turn}"}) == f"{number}/{turn}"

        await asyncio.gather(*(one(number) for number in range(64)))


async def test_progress_arrives_and_keeps_a_call_alive(tmp_path: Path) -> None:
    reports: list[bytes] = []
    file = tmp_path / "enough"

    def report(params: bytes) -> None:
        reports.append(params)
        if len(reports) == 20:
            file.touch()

    async with remote() as server, running(server.config(timeout_seconds=0.4)) as upstreams:
        arguments = {"file": str(file), "every": 0.05}
        assert await upstreams.said("h", "progress", arguments, on_progress=report)
        assert json.loads(reports[0])["message"] == "step 1"


# --- ends of calls ----------------------------------------------------------------------------------------------------


async def test_a_legacy_server_is_told_of_a_cancellation_and_may_answer_late(tmp_path: Path) -> None:
    late: list[bytes | UpstreamError] = []
    async with remote() as server, running(server.config()) as upstreams:
        arguments = {"file": str(tmp_path / "never"), "text": "late"}
        call = asyncio.create_task(upstreams.call("h", "held", arguments, on_late=late.append))
        await _until_asked(server, "tools/call")
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        await until(lambda: late, "it stopped, and said so")
        assert "notifications/cancelled" in await server.methods()


async def test_a_modern_server_sees_the_stream_close(tmp_path: Path) -> None:
    async with remote("--era", "modern") as server, running(server.config()) as upstreams:
        call = asyncio.create_task(upstreams.call("h", "held", {"file": str(tmp_path / "never")}))
        await _until_asked(server, "tools/call")
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        assert await upstreams.said("h", "echo", {"text": "x"}) == "x"
        assert "notifications/cancelled" not in await server.methods()


@pytest.mark.parametrize(("era", "protocol"), ERAS)
async def test_silence_ends_a_call(era: str, protocol: str) -> None:
    async with remote("--era", era) as server, running(server.config(timeout_seconds=0.2)) as upstreams:
        with pytest.raises(OutcomeLost, match=r"no answer within 0\.2 s; the call had been sent"):
            await upstreams.call("h", "never")
        assert await upstreams.said("h", "echo", {"text": "x"}) == "x"


async def test_a_server_that_dies_in_mid_call_leaves_the_outcome_open() -> None:
    async with remote() as server, running(server.config()) as upstreams:
        waiting = asyncio.create_task(upstreams.call("h", "never"))
        await _until_asked(server, "tools/call")
        server.process.kill()
        with pytest.raises(OutcomeLost, match="the connection broke"):
            await waiting
        await server.process.wait()
        with pytest.raises(UpstreamUnavailable, match="nothing was sent"):
            await upstreams.call("h", "echo", {"text": "x"})


@pytest.mark.parametrize(
    ("status", "kind", "said"),
    [
        (400, UpstreamUnavailable, "HTTP 400; nothing was done"),
        (401, UpstreamUnavailable, "HTTP 401: check 'headers'"),
        (429, UpstreamUnavailable, "HTTP 429; nothing was done"),
        (302, UpstreamUnavailable, "a redirect: put the final address into 'url'"),
        (500, OutcomeLost, "HTTP 500; the call had been sent"),
        (503, OutcomeLost, "HTTP 503; the call had been sent"),
    ],
)
async def test_a_status_says_whether_something_may_have_been_done(
    status: int, kind: type[UpstreamError], said: str
) -> None:
    async with remote() as server, running(server.config()) as upstreams:
        await server.fail(status)
        with pytest.raises(UpstreamError, match=said) as caught:
            await upstreams.call("h", "echo", {"text": "x"})
        assert isinstance(caught.value, kind)
        assert await upstreams.said("h", "echo", {"text": "x"}) == "x"


async def test_an_answer_beyond_the_limit_is_not_taken() -> None:
    limits = attrs.evolve(QUICK, message_bytes=100_000)
    for form in FORMS:
        async with remote(*form) as server, running(server.config(), limits=limits) as upstreams:
            with pytest.raises(OutcomeLost, match="more than the 100000 bytes"):
                await upstreams.call("h", "huge", {"bytes": 1_000_000})
            assert await upstreams.said("h", "echo", {"text": "x"}) == "x"


async def test_big_messages_pass() -> None:
    async with remote() as server, running(server.config()) as upstreams:
        text = "ä" * 1_000_000
        assert await upstreams.said("h", "echo", {"text": text}) == text


async def test_a_cut_stream_is_taken_up_again_and_the_call_is_not_sent_twice() -> None:
    async with remote("--cut") as server, running(server.config()) as upstreams:
        assert await upstreams.said("h", "echo", {"text": "whole"}) == "whole"
        assert (await server.methods()).count("tools/call") == 1


async def test_a_server_that_has_moved_within_its_origin_is_followed() -> None:
    async with remote("--moved") as server, running(server.config()) as upstreams:
        assert await upstreams.said("h", "echo", {"text": "x"}) == "x"
        assert upstreams.of("h").failures == 0


# --- sessions and losses ----------------------------------------------------------------------------------------------


async def test_a_session_that_ended_is_begun_anew() -> None:
    async with remote() as server, running(server.config()) as upstreams:
        await server.forget()
        with pytest.raises(UpstreamUnavailable, match="its session has ended; nothing was done"):
            await upstreams.call("h", "echo", {"text": "x"})
        assert await upstreams.said("h", "echo", {"text": "again"}, wait=20) == "again"
        assert upstreams.of("h").restarts == 1


@pytest.mark.parametrize("odd", ["\u00e9\u00ff", "two words", "\x7f"])
async def test_a_session_id_that_cannot_be_sent_back_ends_the_connection_and_no_more(odd: str) -> None:
    """Source: Streamable HTTP 2025-11-25, "Session Management": visible ASCII characters only."""
    async with remote("--session", odd) as server, running(server.config()) as upstreams:
        assert "session id" in str(upstreams.of("h").last_error)
        await upstreams.becomes("h", State.CONNECTED)
        assert await upstreams.said("h", "echo", {"text": "x"}) == "x"


async def test_a_session_is_ended_when_we_stop() -> None:
    async with remote() as server:
        async with running(server.config()):
            pass
        assert (await server.methods())[-1] == "DELETE"


async def test_a_server_that_is_not_there_is_said_to_be_lost_and_found_when_it_comes() -> None:
    async with remote() as server:
        port = server.port
    config = server.config()
    async with running(config) as upstreams:
        assert upstreams.of("h").state is State.LOST
        assert "cannot be reached" in (upstreams.of("h").last_error or "")
        async with remote("--port", str(port)):
            await upstreams.becomes("h", State.CONNECTED)
            assert await upstreams.said("h", "echo", {"text": "x"}) == "x"


async def test_wrong_credentials_are_said_to_be_wrong() -> None:
    async with remote() as server, running(server.config(headers={"Authorization": "Bearer REAL-one"})) as upstreams:
        status = upstreams.of("h")
        assert status.state is not State.CONNECTED
        assert "HTTP 401: check 'headers' of its entry in mcps.json" in (status.last_error or "")


async def test_one_that_dies_unseen_is_found_lost_by_itself() -> None:
    limits = attrs.evolve(QUICK, check_every=0.1)
    async with remote() as server, running(server.config(), limits=limits) as upstreams:
        server.process.kill()
        await until(lambda: upstreams.of("h").state is not State.CONNECTED, "the loss is seen")


@pytest.mark.parametrize("status", [400, 404, 405, 500])
async def test_a_server_that_turns_the_modern_question_away_is_asked_the_old_way(status: int) -> None:
    async with remote("--statuses", str(status)) as server, running(server.config()) as upstreams:
        assert (upstreams.of("h").protocol, upstreams.of("h").failures) == ("2025-11-25", 0)


# --- changes ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("era", "protocol"), ERAS)
async def test_a_changed_list_is_followed(era: str, protocol: str) -> None:
    notes: list[Notification] = []
    async with (
        remote("--era", era) as server,
        running(server.config(), on_notification=notes.append) as upstreams,
    ):
        await _until_pushing(upstreams, notes)
        await upstreams.said("h", "grow", {"name": "grown"})
        await until(lambda: upstreams.catalogue.resolve("h/grown"), "the new tool is there")


async def test_a_list_that_changes_silently_is_read_again_in_time() -> None:
    limits = attrs.evolve(QUICK, check_every=0.1)
    async with remote("--no-push") as server, running(server.config(), limits=limits) as upstreams:
        await upstreams.said("h", "grow", {"name": "grown", "silently": True})
        await until(lambda: upstreams.catalogue.resolve("h/grown"), "the new tool is there")


async def test_a_request_of_the_server_is_answered_on_its_call() -> None:
    async with remote() as server, running(server.config()) as upstreams:
        assert json.loads(await upstreams.said("h", "ask", {"method": "ping"}))["result"] == {}
        assert json.loads(await upstreams.said("h", "ask", {"method": "roots/list"}))["error"]["code"] == -32601


def _params(tool: str, arguments: dict[str, Any], more: dict[str, Any] | None = None) -> bytes:
    return json.dumps({"name": tool, "arguments": arguments, **(more or {})}).encode()


async def _until_asked(server: Any, method: str) -> None:
    async with asyncio.timeout(20):
        while method not in await server.methods():  # noqa: ASYNC110 - another process
            await asyncio.sleep(0.01)


async def _until_pushing(upstreams: Any, notes: list[Notification]) -> None:
    """Until what the server says outside of calls arrives: its stream is opened in the background."""
    started = time.monotonic()
    seen = "notifications/subscriptions/acknowledged"
    while not any(note.method in ("notifications/message", seen) for note in notes):
        assert time.monotonic() < started + 20
        await upstreams.said("h", "notify", {"method": "notifications/message", "params": {"level": "info"}})
