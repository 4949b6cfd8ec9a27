"""Segments made by hand, for tests that need no store."""

import tempfile
from pathlib import Path

import msgspec

from portero.domain.events import Meta, SegmentArchived
from portero.domain.ids import Millis, ReplicaId
from portero.domain.values import SYSTEM
from portero.log.archive import RawEntry, Segment, SegmentWriter
from portero.log.archive.audit import Audit, Witness
from portero.log.archive.storage import storage_at
from portero.log.codec import encode, encode_meta

LOG = "0123456789abcdef"


def entry(
    number: int,
    *,
    aggregate: str = "call/a",
    name: str = "ResultRead",
    data: bytes = b"{}",
    version: int = 1,
    schema: int = 1,
) -> RawEntry:
    at = 1_700_000_000_000 + number
    meta = encode_meta(Meta(Millis(at), SYSTEM, ReplicaId("r1"), f"w{number}", schema=schema))
    place = (b"s", aggregate.encode(), b"v", b"%d" % version, b"n", b"%d" % number)
    return b"%d-0" % at, (b"t", name.encode(), *place, b"m", meta, b"d", data)


def archived(segment: Segment, number: int) -> RawEntry:
    """What the archivist writes on the log about a segment."""
    header = segment.header
    event = SegmentArchived(
        header.first, header.last, segment.digest, header.previous, header.name, len(segment.data), header.last_entry
    )
    name, data = encode(event)
    return entry(number, aggregate="system/archive", name=name, data=data)


def segment(first: int, events: int, previous: str = "", *, log: str = LOG, salt: str = "") -> Segment:
    writer = SegmentWriter(log, first, previous)
    writer.add([entry(number, aggregate=f"call/{salt}{number}") for number in range(first, first + events)])
    return writer.finish()


def chain(*sizes: int, witnessed: bool = False) -> list[Segment]:
    """Segments of these sizes; ``witnessed``: each begins with the event that names the one before."""
    found: list[Segment] = []
    first, previous = 1, ""
    for size in sizes:
        writer = SegmentWriter(LOG, first, previous)
        for number in range(first, first + size):
            named = witnessed and found and number == first
            writer.add([archived(found[-1], number) if named else entry(number)])
        found.append(writer.finish())
        first, previous = first + size, found[-1].digest
    return found


def witness(one: Segment) -> Witness:
    return Witness(one.header.log, one.header.last, one.digest)


async def verdict(files: dict[str, bytes], *witnesses: Witness) -> Audit:
    """What an audit says of a folder with these files."""
    with tempfile.TemporaryDirectory(prefix="pta-") as folder:
        for name, data in files.items():
            (Path(folder) / name).write_bytes(data)
        storage, audit = storage_at(Path(folder)), Audit()
        for name in await storage.names():
            await audit.look(storage, name)
        audit.judge(witnesses)
        return audit


def files_of(segments: list[Segment]) -> dict[str, bytes]:
    return {one.header.name: one.data for one in segments}


def kinds(audit: Audit) -> list[tuple[str, str | None]]:
    return [(fault.kind, fault.segment) for fault in audit.faults]


def lines(text: bytes) -> list[dict[str, object]]:
    return [msgspec.json.decode(line) for line in text.splitlines()]
