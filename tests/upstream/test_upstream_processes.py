"""Children of ours: what they see of us, what we hear of them, and that they really end."""

import json
import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from portero.settings import UpstreamConfig
from portero.upstream import State
from tests.upstream.running import SERVERS, Running, alive, fixture, running, until

NODE = SERVERS.parent / "node"


# --- what they see ----------------------------------------------------------------------------------------------------


async def test_a_child_sees_the_basics_and_its_own_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TELEGRAM_BOT_TOKEN", "secret-of-the-parent")
    monkeypatch.setenv("BEARER_TOKEN", "secret-of-the-parent")
    monkeypatch.setenv("HTTPS_PROXY", "http://user:secret-of-the-parent@proxy")
    monkeypatch.setenv("LANG", "() { :; }; echo secret-of-the-parent")
    async with running(fixture("f", env={"OWN": "mine", "HOME": "elsewhere"})) as upstreams:
        seen = json.loads(await upstreams.said("f", "environment"))
    assert seen["PATH"] == os.environ["PATH"]
    assert (seen["OWN"], seen["HOME"]) == ("mine", "elsewhere")
    assert "secret-of-the-parent" not in json.dumps(seen)
    assert seen.keys() <= {
        "OWN",
        "HOME",
        "PATH",
        "USER",
        "LOGNAME",
        "SHELL",
        "TERM",
        "TMPDIR",
        "TZ",
        "LC_CTYPE",
        "LC_ALL",
    }


# --- what we hear -----------------------------------------------------------------------------------------------------


async def test_standard_error_is_logged_masked_under_the_server_s_name() -> None:
    with capture_logs() as logs:
        config = fixture("f", env={"TOKEN": "tok-123456"}, headers={})
        async with running(config) as upstreams:
            text = "\x1b[31mREAL name\x1b[0m and tok-123456\a"
            await upstreams.said("f", "stderr", {"lines": 1, "text": text})
            await until(lambda: _lines(logs), "the line")
    (line,) = _lines(logs)
    assert line == "FAKE name and [hidden]"
    assert "REAL" not in str(logs)
    assert "tok-123456" not in str(logs)


async def test_a_flood_on_standard_error_is_counted_not_logged() -> None:
    with capture_logs() as logs:
        async with running(fixture()) as upstreams:
            assert await upstreams.said("f", "stderr", {"lines": 200_000, "text": "flood " * 10}) == "written"
            assert await upstreams.said("f", "stderr", {"lines": 1, "text": "x" * 1_000_000}) == "written"
    lines = _lines(logs)
    assert 200 <= len(lines) < 1000
    left_out = sum(entry["lines"] for entry in logs if entry["event"] == "stderr lines left out")
    assert left_out + len(lines) == 200_001
    assert max(map(len, lines)) <= 2000


async def test_a_secret_at_the_cut_of_a_long_line_is_not_half_shown() -> None:
    with capture_logs() as logs:
        async with running(fixture()) as upstreams:
            await upstreams.said("f", "stderr", {"lines": 1, "text": "x" * 1998 + "REAL"})
            await until(lambda: _lines(logs), "the line")
    assert _lines(logs) == ["x" * 1998 + "FA"]


async def test_why_a_server_does_not_start_is_said() -> None:
    configs = [
        UpstreamConfig("missing", "no-such-command"),
        UpstreamConfig("folder", str(SERVERS)),
        UpstreamConfig("nul", "echo", ("a\0b",)),
        fixture("fails", "--starts", os.devnull, "--fail-starts", "0", "--era", "REAL"),
    ]
    async with running(*configs) as upstreams:
        errors = {status.name: status.last_error or "" for status in upstreams.status()}
    assert "'no-such-command' is not there: install it" in errors["missing"]
    assert "cannot be started: Permission denied" in errors["folder"]
    assert "cannot be started: embedded null byte" in errors["nul"]
    assert "exit code 2" in errors["fails"]
    assert "invalid choice: 'FAKE'" in errors["fails"]


# --- that they end ----------------------------------------------------------------------------------------------------


async def test_stopping_ends_a_child_and_its_children(tmp_path: Path) -> None:
    file = tmp_path / "pid"
    async with running(fixture("f", "--child", str(file))) as upstreams:
        own, grandchild = upstreams.of("f").pid, int(file.read_text())
        assert own is not None
        assert alive(own)
        assert alive(grandchild)
    assert not alive(own)
    assert not alive(grandchild)
    assert upstreams.of("f").state is State.STOPPED


async def test_a_child_that_ignores_everything_is_killed() -> None:
    async with running(fixture("f", "--stubborn")) as upstreams:
        pid = upstreams.of("f").pid
        assert pid is not None
    assert not alive(pid)


async def test_what_a_crashed_child_leaves_behind_is_ended(tmp_path: Path) -> None:
    """Its child holds standard output open, too: the crash must be seen all the same."""
    file = tmp_path / "pid"
    async with running(fixture("f", "--child", str(file))) as upstreams:
        grandchild = int(file.read_text())
        with pytest.raises(Exception, match="exit code 1"):
            await upstreams.call("f", "crash")
        await until(lambda: not alive(grandchild), "the grandchild has ended")
        await upstreams.becomes("f", State.CONNECTED)


async def test_a_server_behind_npx_ends_with_all_its_processes() -> None:
    npx = shutil.which("npx")
    assert npx is not None
    config = UpstreamConfig("memory", npx, ("--no", "--prefix", str(NODE), "mcp-server-memory"))
    upstreams = Running(config)
    await upstreams.start()
    try:
        assert await upstreams.connected("memory", 60)
        pid = upstreams.of("memory").pid
        assert pid is not None
        family = _group(pid)
        assert len(family) >= 2
    finally:
        await upstreams.stop()
    assert [pid for pid in family if alive(pid)] == []


async def test_stopping_takes_no_longer_than_it_may(tmp_path: Path) -> None:
    names = [f"s{number}" for number in range(4)]
    upstreams = Running(*(fixture(name, "--stubborn") for name in names))
    await upstreams.start()
    assert await upstreams.settled(30)
    pids = [upstreams.of(name).pid or 0 for name in names]
    import asyncio

    loop = asyncio.get_running_loop()
    before = loop.time()
    await upstreams.stop(timeout=0.6)
    assert loop.time() - before < 2.5
    assert [pid for pid in pids if alive(pid)] == []


def _lines(logs: Sequence[Mapping[str, Any]]) -> list[str]:
    return [str(entry["line"]) for entry in logs if entry["event"] == "stderr"]


def _group(leader: int) -> list[int]:
    """The processes of a session, by what the kernel says of each."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[3]) == leader:
            found.append(int(stat.parent.name))
    return found
