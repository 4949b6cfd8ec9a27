"""Calls through the pipe of a local server: answers, their bytes, time limits, cancellation, crashes."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from portero.errors import OutcomeLost, UpstreamError, UpstreamRefused, UpstreamUnavailable
from portero.upstream import State
from tests.upstream.running import QUICK, Running, fixture, running, until


async def test_a_tool_answers() -> None:
    async with running(fixture()) as upstreams:
        assert await upstreams.call("f", "echo", {"text": "hé\n"}) == {
            "content": [{"type": "text", "text": "hé\n"}],
            "isError": False,
        }


async def test_a_result_passes_as_it_came() -> None:
    odd = r'{"x-new": {"ü": "\u00e9"}, "content": [{"type": "new", "beam": [1.5, 100.0, null]}], "_meta": {"a/b": 1}}'
    async with running(fixture()) as upstreams:
        raw = await upstreams.request("f", "tools/call", _params("raw", {"json": odd}))
        assert raw == json.dumps(json.loads(odd)).encode()


async def test_half_a_surrogate_pair_does_not_cost_the_answer() -> None:
    """JavaScript cuts strings inside of emojis and sends the halves as escapes, which no other language takes."""
    cut = r'{"content": [], "cut": "\\ud83d\ude00 \ud83d", "\udc00": "\\\ud83d"}'
    async with running(fixture()) as upstreams:
        raw = await upstreams.request("f", "tools/call", _params("raw", {"json": cut}))
        assert json.loads(raw) == {"content": [], "cut": "\\ud83d\ufffd \ufffd", "\ufffd": "\\\ufffd"}


async def test_params_that_are_no_json_object_are_not_sent() -> None:
    async with running(fixture()) as upstreams:
        for params in (b"[]", b"{", b'{"a":"\n"}', b"[" * 100_000):
            with pytest.raises(UpstreamUnavailable, match="no JSON object"):
                await upstreams.request("f", "tools/call", params)
        assert await upstreams.said("f", "echo", {"text": "x"}) == "x"


async def test_an_error_of_the_server_is_said_as_it_came() -> None:
    async with running(fixture()) as upstreams:
        with pytest.raises(UpstreamRefused) as caught:
            await upstreams.call("f", "fail", {"code": -32042, "message": "no, REAL", "data": {"url": "u"}})
        assert (caught.value.code, caught.value.message) == (-32042, "no, REAL")
        assert json.loads(caught.value.data or b"") == {"url": "u"}


async def test_params_with_line_breaks_between_tokens_stay_one_message() -> None:
    async with running(fixture()) as upstreams:
        params = b'{\n "name": "echo",\r\n "arguments": {\n "text": "two\\nlines" }\n}'
        assert json.loads(await upstreams.request("f", "tools/call", params))["content"][0]["text"] == "two\nlines"


async def test_callers_that_do_the_same_at_once_get_their_own_answers() -> None:
    async with running(fixture()) as upstreams:

        async def one(number: int) -> None:
            for turn in range(20):
                # The clients' ids and progress tokens collide on purpose.
                params = _params("echo", {"text": f"{number}/{turn}"}, {"_meta": {"progressToken": 1}})
                raw = await upstreams.request("f", "tools/call", params)
                assert json.loads(raw)["content"][0]["text"] == f"{number}/{turn}"

        await asyncio.gather(*(one(number) for number in range(64)))
        assert upstreams.of("f").in_flight == 0


async def test_answers_out_of_order_reach_the_right_callers(tmp_path: Path) -> None:
    async with running(fixture()) as upstreams:
        files = [tmp_path / str(number) for number in range(8)]
        calls = [
            asyncio.create_task(upstreams.said("f", "held", {"file": str(file), "text": file.name})) for file in files
        ]
        await until(lambda: upstreams.of("f").in_flight == 8, "all are under way")
        for file, call in reversed(list(zip(files, calls, strict=True))):
            file.touch()
            assert await call == file.name


async def test_a_client_s_own_connection_stays_out_of_the_params() -> None:
    meta = {
        "progressToken": "theirs",
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientInfo": {"name": "spy"},
        "io.modelcontextprotocol/clientCapabilities": {"sampling": {}},
        "vendor/key": {"kept": True},
    }
    async with running(fixture()) as upstreams:
        await upstreams.request("f", "tools/call", _params("echo", {"text": "x"}, {"_meta": meta}))
        call = (await _received(upstreams))[-2]
        assert call["params"]["_meta"].keys() == {"progressToken", "vendor/key"}
        assert call["params"]["_meta"]["progressToken"] == call["id"]


# --- time limits ----------------------------------------------------------------------------------------------------


async def test_silence_ends_a_call_and_the_server_is_told() -> None:
    async with running(fixture("f", timeout_seconds=0.2)) as upstreams:
        with pytest.raises(OutcomeLost, match=r"no answer within 0\.2 s"):
            await upstreams.call("f", "never")
        assert await upstreams.said("f", "echo", {"text": "still here"}) == "still here"
        received = await _received(upstreams)
        (cancelled,) = [message for message in received if message["method"] == "notifications/cancelled"]
        (never,) = [message for message in received if message.get("params", {}).get("name") == "never"]
        assert cancelled["params"]["requestId"] == never["id"]


async def test_progress_keeps_a_call_alive_and_reaches_its_caller(tmp_path: Path) -> None:
    reports: list[dict[str, Any]] = []
    file = tmp_path / "enough"

    def report(params: bytes) -> None:
        reports.append(json.loads(params))
        if len(reports) == 30:
            file.touch()

    async with running(fixture("f", timeout_seconds=0.4)) as upstreams:
        arguments = {"file": str(file), "every": 0.05}  # 30 reports take longer than the limit
        assert (await upstreams.said("f", "progress", arguments, on_progress=report)).startswith("after")
    assert reports[0] == {"progress": 1, "total": 1000, "message": "step 1"}
    assert [report["progress"] for report in reports[:30]] == list(range(1, 31))


async def test_progress_keeps_a_call_alive_that_nobody_watches(tmp_path: Path) -> None:
    async with running(fixture("f", timeout_seconds=0.4)) as upstreams:
        file = tmp_path / "enough"
        call = asyncio.create_task(upstreams.said("f", "progress", {"file": str(file), "every": 0.05}))
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(asyncio.shield(call), 1.0)
        file.touch()
        assert (await call).startswith("after")


async def test_a_failing_listener_for_progress_harms_nobody(tmp_path: Path) -> None:
    def broken(_: bytes) -> None:
        file.touch()
        raise RuntimeError("listener")

    async with running(fixture()) as upstreams:
        file = tmp_path / "enough"
        assert await upstreams.said("f", "progress", {"file": str(file)}, on_progress=broken)
        assert upstreams.of("f").state is State.CONNECTED


async def test_a_caller_s_own_limit_wins() -> None:
    async with running(fixture()) as upstreams:
        with pytest.raises(OutcomeLost, match=r"0\.1 s"):
            await upstreams.call("f", "never", timeout=0.1)


async def test_an_answer_after_the_time_limit_is_late_not_lost(tmp_path: Path) -> None:
    late: list[bytes | UpstreamError] = []
    async with running(fixture()) as upstreams:
        with pytest.raises(OutcomeLost):
            await upstreams.call("f", "slow", {"seconds": 0.3, "text": "late"}, timeout=0.1, on_late=late.append)
        await until(lambda: late, "the late answer")
        assert isinstance(late[0], bytes)
        assert json.loads(late[0])["content"][0]["text"] == "late"


# --- cancellation ---------------------------------------------------------------------------------------------------


async def test_cancelling_the_caller_cancels_the_call_upstream(tmp_path: Path) -> None:
    late: list[bytes | UpstreamError] = []
    async with running(fixture()) as upstreams:
        arguments = {"file": str(tmp_path / "never"), "text": "told"}
        call = asyncio.create_task(upstreams.call("f", "held", arguments, on_late=late.append))
        await until(lambda: upstreams.of("f").in_flight == 1, "the call is under way")
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        await until(lambda: late, "the server saw the cancellation and answered all the same")
        assert isinstance(late[0], bytes)
        assert upstreams.of("f").in_flight == 0


# --- crashes --------------------------------------------------------------------------------------------------------


async def test_calls_under_way_at_a_crash_are_lost_and_never_sent_again(tmp_path: Path) -> None:
    effects = tmp_path / "effects"
    async with running(fixture("f", "--effects", str(effects))) as upstreams:
        waiting = [asyncio.create_task(upstreams.call("f", "never")) for _ in range(5)]
        await until(lambda: upstreams.of("f").in_flight == 5, "all are under way")
        with pytest.raises(OutcomeLost, match="exit code 9"):
            await upstreams.call("f", "crash", {"code": 9, "effect": "once"})
        for call in waiting:
            with pytest.raises(OutcomeLost):
                await call
        assert upstreams.of("f").state is State.LOST
        assert await upstreams.said("f", "echo", {"text": "back"}, wait=20) == "back"
        assert [message["method"] for message in await _received(upstreams)].count("tools/call") == 2
        assert effects.read_text() == "once\n"


async def test_what_was_answered_before_a_crash_counts() -> None:
    async with running(fixture()) as upstreams:
        answered = asyncio.create_task(upstreams.call("f", "huge", {"bytes": 3_000_000}))
        crashed = asyncio.create_task(upstreams.call("f", "crash"))
        assert len((await answered)["content"][0]["text"]) == 3_000_000
        with pytest.raises(OutcomeLost):
            await crashed


async def test_nothing_is_sent_while_it_is_not_connected(tmp_path: Path) -> None:
    file = tmp_path / "go"
    async with running(fixture("f", "--start-after", str(file)), settled=False) as upstreams:
        with pytest.raises(UpstreamUnavailable, match="starting"):
            await upstreams.call("f", "echo", {"text": "x"})
        waiting = asyncio.create_task(upstreams.said("f", "echo", {"text": "patient"}, wait=20))
        file.touch()
        assert await waiting == "patient"
        with pytest.raises(UpstreamUnavailable, match="no server 'other'"):
            await upstreams.call("other", "echo")


async def test_a_server_that_takes_nothing_more_got_nothing(tmp_path: Path) -> None:
    """Its pipe is full: what still waits here was not sent, and is said to be so."""
    async with running(fixture("f", timeout_seconds=0.5)) as upstreams:
        pid = upstreams.of("f").pid
        assert pid is not None
        import os
        import signal

        os.kill(pid, signal.SIGSTOP)
        try:
            big = "x" * 1_000_000
            calls = [asyncio.create_task(upstreams.call("f", "echo", {"text": big})) for _ in range(4)]
            results = await asyncio.gather(*calls, return_exceptions=True)
        finally:
            os.kill(pid, signal.SIGCONT)
        assert isinstance(results[0], OutcomeLost)
        assert [type(result) for result in results[1:]] == [UpstreamUnavailable] * 3
        assert await upstreams.said("f", "echo", {"text": "again"}, timeout=20) == "again"


# --- sizes and noise ------------------------------------------------------------------------------------------------


async def test_big_messages_pass_in_both_directions() -> None:
    async with running(fixture()) as upstreams:
        text = "ä" * 5_000_000
        assert await upstreams.said("f", "echo", {"text": text}) == text


async def test_an_answer_beyond_the_limit_ends_its_call_alone() -> None:
    limits = _limited(message_bytes=100_000)
    async with running(fixture(), limits=limits) as upstreams:
        with pytest.raises(OutcomeLost, match="more than the 100000 that are taken"):
            await upstreams.call("f", "huge", {"bytes": 1_000_000})
        assert await upstreams.said("f", "echo", {"text": "ok"}) == "ok"


async def test_garbage_on_standard_output_is_counted_and_skipped() -> None:
    async with running(fixture()) as upstreams:
        assert await upstreams.said("f", "garbage", {"lines": 5000}) == "written"
        assert upstreams.of("f").garbage == 5000
        assert upstreams.of("f").state is State.CONNECTED


def _params(tool: str, arguments: dict[str, Any], more: dict[str, Any] | None = None) -> bytes:
    return json.dumps({"name": tool, "arguments": arguments, **(more or {})}).encode()


async def _received(upstreams: Running) -> list[dict[str, Any]]:
    messages: list[dict[str, Any]] = json.loads(await upstreams.said("f", "received"))
    return messages


def _limited(**changes: Any) -> Any:
    import attrs

    return attrs.evolve(QUICK, **changes)
