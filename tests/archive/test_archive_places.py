"""Where segments lie: written once, whole or not at all, and never replaced; on disk and in an object store."""

import asyncio
import http.server
import os
import stat
import threading
from pathlib import Path

import pytest

from portero.errors import ArchiveError, SegmentDamaged
from portero.log.archive import Bucket, prove, storage_at
from tests.archive.conftest import KEYS


async def test_what_is_written_stays_as_it_is(where: Path | Bucket) -> None:
    storage = storage_at(where)
    assert await storage.names() == []
    data = os.urandom(300_000)
    assert await storage.create("b", data)
    assert await storage.create("a", b"")
    assert not await storage.create("b", b"other")
    assert await storage.read("b") == data
    assert await storage.names() == ["a", "b"]
    with pytest.raises(FileNotFoundError):
        await storage.read("c")
    await storage.remove("b")
    await storage.remove("b")
    assert await storage.names() == ["a"]


async def test_of_many_at_once_one_is_first(where: Path | Bucket) -> None:
    storages = [storage_at(where) for _ in range(8)]
    won = await asyncio.gather(*(one.create("x", b"%d" % number * 1000) for number, one in enumerate(storages)))
    assert won.count(True) == 1
    assert await storages[0].read("x") == b"%d" % won.index(True) * 1000
    assert await storages[0].names() == ["x"]


async def test_a_good_place_is_proved_and_left_as_it_was(where: Path | Bucket) -> None:
    await prove(storage_at(where))
    assert await storage_at(where).names() == []


async def test_a_folder_is_for_its_owner_alone_and_a_segment_for_nobody_to_write(tmp_path: Path) -> None:
    folder = tmp_path / "a" / "b"
    await storage_at(folder).create("x", b"1")
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert stat.S_IMODE((folder / "x").stat().st_mode) == 0o400


async def test_what_a_dead_process_left_behind_is_no_segment_and_is_swept_away(tmp_path: Path) -> None:
    storage = storage_at(tmp_path)
    for name in (".new-old", ".new-fresh"):
        (tmp_path / name).write_bytes(b"half a segm")
    os.utime(tmp_path / ".new-old", (1, 1))
    assert await storage.names() == []
    await storage.sweep()
    assert not (tmp_path / ".new-old").exists()
    assert (tmp_path / ".new-fresh").exists()


async def test_a_place_that_cannot_be_used_says_so(tmp_path: Path, s3_server: str) -> None:
    file = tmp_path / "file"
    file.touch()
    with pytest.raises(ArchiveError, match="cannot be used"):
        await prove(storage_at(file / "archive"))
    nowhere = Bucket("no-such-bucket", "x", {**KEYS, "endpoint": s3_server})
    for attempt in (storage_at(nowhere).names(), storage_at(nowhere).read("x"), prove(storage_at(nowhere))):
        with pytest.raises(ArchiveError, match=r"s3://no-such-bucket/x cannot be used.*NoSuchBucket") as error:
            await attempt
        assert KEYS["secret_access_key"] not in str(error.value)


async def test_what_is_far_too_large_is_not_read(tmp_path: Path) -> None:
    with (tmp_path / "x").open("wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(SegmentDamaged, match="larger than any segment"):
        await storage_at(tmp_path).read("x")


class Forgetful(http.server.BaseHTTPRequestHandler):
    """An object store that takes no notice of If-None-Match."""

    def do_PUT(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("ETag", '"x"')
        self.end_headers()

    def do_POST(self) -> None:
        """Nothing can be removed either, which is no reason to refuse it."""
        self.send_response(403)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Not worth a line."""


async def test_a_store_that_would_overwrite_is_refused() -> None:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Forgetful)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        where = Bucket("bucket", "x", {**KEYS, "endpoint": f"http://127.0.0.1:{server.server_port}"})
        with pytest.raises(ArchiveError, match="does not honour"):
            await prove(storage_at(where))
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
