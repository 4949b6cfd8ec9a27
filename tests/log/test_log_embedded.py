"""Portero's own store: one server a data folder, whoever starts it, whoever dies."""

import asyncio
import fcntl
import os
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from portero.domain.ids import ReplicaId
from portero.errors import DataFolderInUse, LogUnavailable, StoreError
from portero.log import Log, embedded, open_log
from tests.log.support import USUAL, append, everything, following, servers, until, write

ROOT = Path(__file__).parents[2]


@pytest.fixture
def data() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="pe-", dir="/tmp"))
    yield folder / "data"
    for pid in servers(folder / "data"):
        os.kill(pid, signal.SIGKILL)
    shutil.rmtree(folder)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def make(folder: Path, permissions: int) -> None:
    folder.mkdir(mode=permissions)


@asynccontextmanager
async def opened(data: Path, replica: str = "r1", fsync: embedded.Fsync = "always") -> AsyncIterator[Log]:
    async with open_log(None, ReplicaId(replica), data=data, fsync=fsync, limits=USUAL) as log:
        yield log


async def test_it_starts_durable_private_and_ends_with_the_last_of_us(data: Path) -> None:
    async with opened(data) as log:
        [server] = servers(data)
        health = await log.health()
        assert health.server.startswith("Valkey 9.1")
        assert (health.reached, health.persistence, health.eviction) == ("embedded", "fsync always", "noeviction")
        assert health.problems == ()
        await append(log, write("call/a", 0))
        store = data / "store"
        assert mode(data) == mode(store) == 0o700
        assert mode(store / "socket") == 0o700
        assert "Ready to accept connections" in (store / "server.log").read_text()
    await until(lambda: not Path(f"/proc/{server}").exists(), "the server has ended and was reaped")
    async with opened(data) as log:
        assert [event.aggregate for event in await everything(log)] == ["call/a"]


async def test_an_open_folder_is_made_private(data: Path) -> None:
    make(data, 0o755)
    async with opened(data):
        assert mode(data) == 0o700


async def test_fsync_can_be_relaxed_for_measuring(data: Path) -> None:
    async with opened(data, fsync="everysec") as log:
        assert (await log.health()).persistence == "fsync everysec"


async def test_two_starts_at_once_share_one_server(data: Path) -> None:
    async def start(replica: str) -> None:
        async with opened(data, replica) as log:
            ids.add(log.id)
            await append(log, write(f"call/{replica}", 0))
            if len(await everything(log)) == 5:
                together.set()
            await together.wait()
            assert len(servers(data)) == 1

    ids: set[str] = set()
    together = asyncio.Event()
    await asyncio.wait_for(asyncio.gather(*(start(f"r{n}") for n in range(5))), 20)
    assert len(ids) == 1
    await until(lambda: servers(data) == [], "the last one out has ended it")


async def test_one_that_leaves_does_not_take_the_store_from_the_others(data: Path) -> None:
    async with opened(data, "first") as first:
        async with opened(data, "second") as second:
            [server] = servers(data)
            await append(second, write("call/a", 0))
        assert servers(data) == [server]
        await append(first, write("call/b", 0))
        third = opened(data, "third")
        last = await third.__aenter__()
    assert servers(data) == [server]
    await append(last, write("call/c", 0))
    await third.__aexit__(None, None, None)
    await until(lambda: servers(data) == [], "the last one out has ended it")


def owner(data: Path, replica: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, str(ROOT / "tests/log/owner.py"), str(data), replica],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        start_new_session=True,
    )


def acknowledged(process: "subprocess.Popen[str]") -> list[tuple[int, str]]:
    assert process.stdout is not None
    lines = [
        line.split() for line in process.stdout.read().splitlines() if line[:1].isdecimal() and line.count(" ") == 1
    ]
    process.stdout.close()
    return [(int(seq), aggregate) for seq, aggregate in lines if "call/" in aggregate]


async def test_a_killed_owner_leaves_the_store_running_for_the_next_one(data: Path) -> None:
    process = owner(data, "killed")
    try:
        assert process.stdout is not None
        ready = process.stdout.readline
        while not (await asyncio.to_thread(ready)).startswith("20 "):
            pass
        process.kill()
        process.wait()
        [server] = servers(data)
        async with opened(data) as log:
            assert servers(data) == [server]
            written = [(event.seq, event.aggregate) for event in await everything(log)]
            told = acknowledged(process)
            assert set(told) <= set(written)
            assert len(written) - 20 - len(told) <= 1
            await append(log, write("call/next", 0))
        await until(lambda: servers(data) == [], "it is ended by the last of us, though another started it")
    finally:
        process.kill()
        process.wait()


async def test_a_killed_store_is_started_again_with_all_that_was_acknowledged(data: Path) -> None:
    async with opened(data) as log, following(log) as (_, seen):
        told: list[tuple[int, str]] = []
        stop = False

        async def writer(number: int) -> None:
            step = 0
            while not stop:
                step += 1
                try:
                    appended = await append(log, write(f"call/{number}.{step}", 0))
                    told.append((appended.first, f"call/{number}.{step}"))
                except LogUnavailable:
                    await asyncio.sleep(0.01)

        writers = [asyncio.create_task(writer(n)) for n in range(16)]
        for _ in range(3):
            before = len(told)
            await until(lambda before=before: len(told) > before + 200, "writes succeed", 20)
            [server] = servers(data)
            os.kill(server, signal.SIGKILL)
            await until(lambda server=server: servers(data) not in ([], [server]), "another server has come")
        stop = True
        await asyncio.gather(*writers)
        written = [(event.seq, event.aggregate) for event in await everything(log)]
        assert set(told) <= set(written)
        assert [seq for seq, _ in written] == list(range(1, len(written) + 1))
        await until(lambda: len(seen) == len(written), "the follower has caught up")


async def test_whoever_only_attached_starts_it_again_too(data: Path) -> None:
    process = owner(data, "starter")
    try:
        assert process.stdout is not None
        while not (await asyncio.to_thread(process.stdout.readline)).startswith("5 "):
            pass
        async with opened(data) as log:
            process.kill()
            process.wait()
            process.stdout.close()
            [server] = servers(data)
            os.kill(server, signal.SIGKILL)
            await until(lambda: servers(data) not in ([], [server]), "another server has come")
            await until(lambda: log.away is None, "the log is back")
            await append(log, write("call/a", 0))
    finally:
        process.kill()
        process.wait()


async def test_a_folder_with_a_long_path_works_and_is_found_by_the_next_one(data: Path) -> None:
    deep = data / ("d" * 60) / ("e" * 60)
    async with opened(deep, "r1") as one, opened(deep, "r2") as two:
        await append(one, write("call/a", 0))
        await append(two, write("call/b", 0))
        socket = Path((deep / "store" / "socket.path").read_text())
        assert len(os.fsencode(socket)) < 104
        assert mode(socket.parent) == 0o700
        assert len(servers(deep)) == 1
    shutil.rmtree(socket.parent)


async def test_a_runtime_folder_of_somebody_else_is_refused(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    runtime = data.parent / "run"
    runtime.mkdir()
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(runtime))
    deep = data / ("d" * 60) / ("e" * 60)
    async with opened(deep):
        [private] = runtime.iterdir()
    private.chmod(0o755)
    with pytest.raises(StoreError, match="not a private folder"):
        async with opened(deep):
            raise AssertionError("it was opened")


async def test_a_lock_without_a_server_says_what_holds_it(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedded, "START_SECONDS", 0.3)
    (data / "store").mkdir(parents=True)
    with (data / "store" / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(DataFolderInUse, match=r"nothing answers on .*fuser"):
            async with opened(data):
                raise AssertionError("it was opened")


async def test_a_server_that_cannot_start_says_why(data: Path) -> None:
    async with opened(data) as log:
        await append(log, write("call/a", 0))
    [manifest] = (data / "store" / "appendonlydir").glob("*.manifest")
    manifest.write_text("garbage\n")
    with pytest.raises(StoreError, match=r"ended at once \(status 1\)[\s\S]*manifest"):
        async with opened(data):
            raise AssertionError("it was opened")
    assert servers(data) == []


async def test_a_folder_that_cannot_be_used_says_so(data: Path) -> None:
    make(data, 0o755)
    (data / "store").write_text("a file")
    with pytest.raises(StoreError, match="cannot be used"):
        async with opened(data):
            raise AssertionError("it was opened")


async def test_what_a_crash_left_half_written_at_the_end_is_dropped_and_the_rest_stands(data: Path) -> None:
    async with opened(data) as log:
        for n in range(5):
            await append(log, write("call/a", n))
    [tail] = (data / "store" / "appendonlydir").glob("*.incr.aof")
    with tail.open("ab") as file:
        file.write(b"*3\r\n$7\r\nEVALSHA\r\n$40\r\nabc")
    async with opened(data) as log:
        assert len(await everything(log)) == 5
        assert (await append(log, write("call/a", 5))).first == 6


async def test_it_does_not_die_of_the_terminals_interrupt(data: Path) -> None:
    async with opened(data) as log:
        [server] = servers(data)
        assert os.getsid(server) != os.getsid(0)
        await append(log, write("call/a", 0))


async def test_its_own_log_does_not_grow_without_end(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedded, "LOG_BYTES", 100)
    for _ in range(3):
        async with opened(data):
            pass
    said = sorted(path.name for path in (data / "store").glob("server.log*"))
    assert said == ["server.log", "server.log.1"]


async def test_other_machines_are_told_to_bring_their_own(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platform.machine", lambda: "riscv64")
    with pytest.raises(StoreError, match="set REDIS_URL"):
        async with opened(data):
            raise AssertionError("it was opened")
