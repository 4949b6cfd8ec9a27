"""An audit finds a version that goes back, in the archive and on the stream, without remembering every aggregate."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from portero.log.archive import SegmentWriter, growth, name_of
from portero.log.archive.growth import Growth
from tests.archive.made import LOG, entry, kinds, verdict
from tests.archive.shelf import judged, shelf
from tests.log.support import READ, append, requested, write
from tests.stores import Place

Row = tuple[str, int, str]
A, B = "replica/a", "replica/b"


def told(rows: Sequence[Row]) -> list[str | None]:
    found = Growth()
    return [found.wrong(kind.encode(), aggregate.encode(), version) for aggregate, version, kind in rows]


def test_versions_may_leap_and_never_go_back() -> None:
    assert told([(A, 7, "x"), (B, 8, "x"), (A, 8, "x"), (A, 90, "x"), (B, 1, "x"), (B, 2, "x"), (A, 90, "x")]) == [
        *(None, None, None, None, f"{B} goes back to version 1, after version 8"),
        *(None, f"{A} goes back to version 90, after version 90"),
    ]


def test_a_call_of_which_nothing_is_remembered_begins_as_calls_do() -> None:
    late, grant = "LateOutcomeRecorded", "GrantRevoked"
    assert (
        told([("call/a", 1, "ToolCallRequested"), ("call/b", 900, late), ("grant/a", 1, "GrantIssued")]) == [None] * 3
    )
    assert told([("call/a", 1, late), ("grant/a", 1, grant)]) == [
        f"call/a goes back to version 1, with {late}, which begins nothing",
        f"grant/a goes back to version 1, with {grant}, which begins nothing",
    ]


def test_memory_is_bounded_and_calls_drive_nothing_else_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(growth, "REMEMBERED", 100)
    found = Growth()
    assert found.wrong(b"x", A.encode(), 5) is None
    for number in range(1_000):
        assert found.wrong(b"ToolCallRequested", b"call/%d" % number, 1) is None
    assert (len(found._calls), len(found._others)) == (100, 1)
    assert found.wrong(b"x", A.encode(), 5) is not None
    assert found.wrong(b"x", b"call/999", 1) is not None
    assert found.copy()._calls == found._calls


@pytest.mark.parametrize(("schema", "wrong"), [(3, True), (2, False)])
async def test_the_segment_is_named_once_and_earlier_releases_are_forgiven(schema: int, wrong: bool) -> None:
    writer = SegmentWriter(LOG, 1, "")
    writer.add(
        [entry(number, aggregate=A, version=version, schema=schema) for number, version in enumerate((1, 2, 1, 1), 1)]
    )
    one = writer.finish()
    audit = await verdict({one.header.name: one.data})
    assert kinds(audit) == ([("version", one.header.name)] if wrong else [])
    if wrong:
        text = f"at event 3, {A} goes back to version 1, after version 2, and 1 more like it"
        assert audit.faults[0].text == text


async def test_what_a_real_log_writes_is_right_and_what_was_pushed_in_is_found(valkey: Place, tmp_path: Path) -> None:
    async with shelf(valkey, tmp_path) as one:
        await append(one.log, write("call/a", 0, requested(), READ, ends=True), write(A, None, READ, ends=True))
        await one.fill(20)
        await one.work()
        for aggregate in ("call/a", A):  # an hour later
            valkey.redis.delete(valkey.key(f"a:{aggregate}"))
        await append(one.log, write(A, None, READ, ends=True), write("call/a", None, ends=True))
        assert (await judged(one)).faults == []
        valkey.redis.set(valkey.key(f"a:{A}"), "1 1 somebody")
        await append(one.log, write(A, None, READ, READ))
        (fault,) = (await judged(one)).faults
        assert (fault.kind, fault.segment) == ("version", None)
        assert f"{A} goes back to version 2" in fault.text
        await one.fill(20)
        await one.work()
        (fault,) = (await judged(one)).faults
        assert (fault.kind, fault.segment) == ("version", name_of(21))
