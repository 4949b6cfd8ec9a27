"""What becomes of an archive in the long run: old segments go, and an empty store beside it is not a new log."""

from pathlib import Path

import attrs
import pytest

from portero.errors import StoreError
from portero.log.archive import Bucket, name_of, storage_at
from portero.log.archive.seam import audit
from tests.archive.shelf import SMALL, judged, on_stream, segments, shelf
from tests.stores import Place

HOUR = 3_600_000


async def test_old_segments_are_removed_and_the_log_says_so(store: Place, where: Path | Bucket) -> None:
    async with shelf(store, where, attrs.evolve(SMALL, retention_ms=HOUR)) as one:
        await one.fill(40)
        await one.work()
        kept = await segments(one)
        one.now[0] = 2_500_000_000_000  # entries are named by the store's clock, which is today's
        await one.fill(12)
        await one.work()
        found = await segments(one)
        assert len(found) < len(kept)
        assert on_stream(store)[0] >= found[0][0]
        assert one.core.view.archived is not None
        assert one.core.view.archived.before == found[0][0] > 1
        assert (await judged(one)).faults == []
        await one.archive.storage.remove(name_of(found[0][0]))
        assert ("missing", name_of(found[0][0])) in [
            (fault.kind, fault.segment) for fault in (await judged(one)).faults
        ]


async def test_an_empty_store_beside_an_archive_is_not_begun_anew(valkey: Place, where: Path | Bucket) -> None:
    async with shelf(valkey, where) as one:
        await one.fill(30)
        await one.work()
    valkey.clear()
    for _ in range(2):
        with pytest.raises(StoreError, match=r"no events.*audit restore"):
            async with shelf(valkey, where):
                raise AssertionError("it was opened")


async def test_an_audit_is_not_confused_by_an_archivist_at_work(valkey: Place, tmp_path: Path) -> None:
    """While it looks, segments are added and the stream is trimmed behind them."""
    async with shelf(valkey, tmp_path) as one:
        await one.fill(30)
        await one.work()
        storage, left = storage_at(tmp_path), [3]
        names = storage.names

        async def then_go_on() -> list[str]:
            found = await names()
            if left[0]:
                left[0] -= 1
                await one.fill(40)
                await one.work()
            return found

        storage.names = then_go_on  # type: ignore[method-assign]
        verdict = await audit(storage, one.log)
        verdict.judge()
        assert verdict.faults == []
        assert verdict.segments == len(await one.archive.firsts()) > 12
