"""Places that have a bad day: a full disk, and an object store that is slow, answers half, or says 500."""

import asyncio
import contextlib
import resource
from collections.abc import Iterator
from pathlib import Path
from urllib.request import Request, urlopen

import attrs
import pytest

from portero.errors import ArchiveError
from portero.log.archive import Bucket, name_of, prove, storage_at
from tests.archive.moody import Moody, always, first, moody
from tests.archive.shelf import judged, on_stream, segments, shelf
from tests.stores import Place

DATA = bytes(range(256)) * 1_000


@contextlib.contextmanager
def full_disk(free: int = 400) -> Iterator[None]:
    """No file of this process grows beyond ``free`` bytes meanwhile."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (free, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture
def store(bucket: Bucket) -> Iterator[tuple[Moody, Bucket]]:
    """A bucket, and what is between."""
    with moody(bucket.options["endpoint"]) as between:
        yield between, attrs.evolve(bucket, options={**bucket.options, "endpoint": between.url})


# --- a disk -----------------------------------------------------------------------------------------------------------


async def test_what_does_not_fit_leaves_nothing_behind(tmp_path: Path) -> None:
    storage = storage_at(tmp_path)
    with full_disk(), pytest.raises(ArchiveError, match="File too large"):
        await storage.create("x", DATA)
    assert names_in(tmp_path) == []
    assert await storage.create("x", DATA)


async def test_a_full_disk_loses_nothing_and_the_archive_goes_on_when_there_is_room(
    valkey: Place, tmp_path: Path
) -> None:
    async with shelf(valkey, tmp_path) as one:
        await one.fill(12)
        await one.work()
        await one.fill(30)
        with full_disk(), pytest.raises(ArchiveError):
            await one.work()
        assert (await segments(one), names_in(tmp_path)) == ([(1, 10)], [name_of(1)])
        assert on_stream(valkey) == list(range(1, 44))
        assert (await judged(one)).faults == []
        await one.work()
        assert (await segments(one))[:4] == [(1, 10), (11, 20), (21, 30), (31, 40)]
        assert (await judged(one)).faults == []


# --- an object store --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wrong", "times"),
    [("500", 3), ("500 after", 1), ("500 after", 3), ("gone", 1), ("gone", 2), ("half", 1), ("slow", 2)],
)
async def test_a_good_place_is_proved_also_on_a_bad_day_and_nothing_stays(
    store: tuple[Moody, Bucket], wrong: str, times: int
) -> None:
    between, bucket = store
    storage = storage_at(bucket)
    between.mood = first(times, wrong, "PUT")
    await prove(storage)
    assert between.times(wrong) == times
    assert await storage.names() == []


@pytest.mark.parametrize("wrong", ["500", "500 after", "gone", "slow"])
async def test_a_segment_is_archived_once_whatever_becomes_of_the_answers(
    valkey: Place, store: tuple[Moody, Bucket], wrong: str
) -> None:
    between, bucket = store
    async with shelf(valkey, bucket) as one:
        await one.fill(34)
        between.mood = first(2, wrong, "PUT")
        await one.work()
        assert between.times(wrong) == 2
        assert await segments(one) == [(1, 10), (11, 20), (21, 30)]
        assert (await judged(one)).faults == []


@pytest.mark.parametrize(("wrong", "method"), [("500", ""), ("gone", ""), ("half", "GET")])
async def test_one_that_stays_bad_is_said_to_be_so_and_nothing_is_trimmed(
    valkey: Place, store: tuple[Moody, Bucket], wrong: str, method: str
) -> None:
    between, bucket = store
    async with shelf(valkey, bucket) as one:
        await one.fill(34)
        between.mood = always(wrong, method)
        for attempt in (one.work(), judged(one), one.archive.storage.names()):
            with pytest.raises(ArchiveError, match=r"^The archive s3://.* cannot be used"):
                async with asyncio.timeout(30):
                    await attempt
        assert on_stream(valkey)[:34] == list(range(1, 35))
        between.mood = lambda *_: None
        await one.work()
        assert await segments(one) == [(1, 10), (11, 20), (21, 30)]
        assert (await judged(one)).faults == []


async def test_a_name_that_is_taken_by_somebody_else_is_no_proof(store: tuple[Moody, Bucket]) -> None:
    between, bucket = store
    endpoint = bucket.options["endpoint"]

    def take(method: str, path: str) -> None:
        if method == "PUT":  # somebody is quicker, whatever the name
            between.mood = lambda *_: None
            urlopen(Request(f"{endpoint}{path}", b"somebody else's", method="PUT"))  # noqa: S310 - loopback

    between.mood = take
    with pytest.raises(ArchiveError, match="says of a new name that it is taken"):
        await prove(storage_at(bucket))
