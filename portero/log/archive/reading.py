"""Reading a segment: whole or not at all, and never more of it unpacked than a page."""

import hashlib
import zlib
from collections.abc import Iterator
from typing import Any, Final

import msgspec

from portero.errors import SegmentDamaged
from portero.log.archive.segment import (
    FORMAT,
    GZIP,
    SEAL_BYTES,
    Header,
    Line,
    RawEntry,
    Segment,
    decode_header,
    decode_line,
    seal,
    stored,
)

LARGEST_BYTES: Final = 256 << 20
"""No segment that Portero writes comes near; what is larger is not read."""
LONGEST_LINE: Final = 64 << 20
PAGE: Final = 500
"""Events unpacked at a time."""
CHUNK: Final = 1 << 18
SEAL_START: Final = seal("0" * 64)[: len(GZIP) + 5]


def open_segment(name: str, data: bytes) -> Segment:
    """Raises SegmentDamaged when a byte of it is not as it was written."""
    end = data[-SEAL_BYTES:]
    if len(end) < SEAL_BYTES or not end.startswith(SEAL_START):
        raise SegmentDamaged(name, "cut short", "it does not end with its own hash: its end is missing or was changed")
    digest = hashlib.sha256(memoryview(data)[:-SEAL_BYTES]).hexdigest()
    if end != seal(digest):
        raise SegmentDamaged(name, "changed", "its content and its own hash do not agree: something in it was changed")
    return Segment(_header(name, data), digest, data)


def _header(name: str, data: bytes) -> Header:
    line = _first_line(data)
    try:
        found = decode_header(line)
    except msgspec.MsgspecError as error:
        raise SegmentDamaged(name, "unreadable", "it does not begin with what it holds: not a segment") from error
    if found.portero != "segment" or found.format != FORMAT:
        raise SegmentDamaged(name, "unreadable", f"it has format {found.format}, of a newer release")
    header = Header(found.log, found.first, found.last, found.first_entry, found.last_entry, found.previous)
    if not data.startswith(stored(line)) or header.events != found.events or header.events < 1:
        raise SegmentDamaged(name, "unreadable", "what it says of itself is contradictory")
    return header


def _first_line(data: bytes) -> bytes:
    start = len(GZIP) + 5
    return data[start : start + int.from_bytes(data[start - 4 : start - 2], "little")]


def entries_of(segment: Segment, name: str) -> Iterator[list[RawEntry]]:
    """Its entries as the stream had them, in pages; whatever its size, a page at a time is unpacked.

    Raises SegmentDamaged when they are not those that it says it has.
    """
    header, expected = segment.header, segment.header.first
    last = ""
    for lines in _pages(_lines(name, segment.data)):
        page = []
        for line in lines:
            try:
                found = decode_line(line)
            except msgspec.MsgspecError as error:
                raise SegmentDamaged(name, "unreadable", f"the line of event {expected} is none") from error
            if found.n != expected:
                raise SegmentDamaged(name, "out of order", f"event {found.n} stands where {expected} should")
            expected += 1
            page.append(_entry(found))
        last = found.e
        if page[0][0].decode() != header.first_entry and expected - len(page) == header.first:
            raise SegmentDamaged(name, "unreadable", "it does not begin where it says")
        yield page
    if expected != header.last + 1 or last != header.last_entry:
        raise SegmentDamaged(name, "unreadable", f"it ends with event {expected - 1} and says {header.last}")


def _entry(line: Line) -> RawEntry:
    fields = (b"t", line.t.encode(), b"s", line.s.encode(), b"v", b"%d" % line.v, b"n", b"%d" % line.n)
    return line.e.encode(), (*fields, b"m", bytes(line.m), b"d", bytes(line.d))


def _pages(lines: Iterator[bytes]) -> Iterator[list[bytes]]:
    page: list[bytes] = []
    for line in lines:
        page.append(line)
        if len(page) == PAGE:
            yield page
            page = []
    if page:
        yield page


def _lines(name: str, data: bytes) -> Iterator[bytes]:
    """The lines between the first and the last."""
    rest = b""
    try:
        for piece in _unpacked(memoryview(data)[len(stored(_first_line(data))) : -SEAL_BYTES]):
            *whole, rest = (rest + piece).split(b"\n")
            yield from whole
            if len(rest) > LONGEST_LINE:
                break
    except zlib.error as error:
        raise SegmentDamaged(name, "unreadable", f"it cannot be unpacked: {error}") from error
    if rest:
        raise SegmentDamaged(name, "unreadable", "its last line has no end")


def _unpacked(packed: memoryview) -> Iterator[bytes]:
    """Piece by piece, so that a small file cannot fill the memory. Raises zlib.error."""
    unpacker: Any = zlib.decompressobj(16 + zlib.MAX_WBITS)
    pending, at = b"", 0
    while not unpacker.eof:
        if not pending:
            pending, at = bytes(packed[at : at + CHUNK]), at + CHUNK
        at_end = not pending
        piece = unpacker.decompress(pending, CHUNK)
        pending = unpacker.unconsumed_tail
        if at_end and not piece:
            raise zlib.error("it ends too soon")
        yield piece
    if unpacker.unused_data or at < len(packed):
        raise zlib.error("something follows its last line")
