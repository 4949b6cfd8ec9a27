"""Making a segment: entries of the stream go in one after the other, packed as they come."""

import hashlib
import zlib
from collections.abc import Iterable
from typing import Final

import attrs
import msgspec

from portero.errors import LogDivergence
from portero.log.archive.segment import GZIP, Header, HeaderLine, RawEntry, Segment, decode_line, seal, stored
from portero.log.codec import at_rest
from portero.log.entries import gap

LEVEL: Final = 6


class SegmentWriter:
    """Takes entries as they stand on the stream, one after the other, and makes a segment of them."""

    def __init__(self, log: str, first: int, previous: str) -> None:
        self._log, self._first, self._previous = log, first, previous
        self._next = first
        self._entries = ("", "")
        self._packer = zlib.compressobj(LEVEL, zlib.DEFLATED, -zlib.MAX_WBITS)
        self._parts: list[bytes] = []
        self._crc = 0
        self._lines = hashlib.sha256()
        self.raw_bytes = 0

    @property
    def events(self) -> int:
        return self._next - self._first

    @property
    def lines_digest(self) -> str:
        """Over the events alone, however they are packed."""
        return self._lines.hexdigest()

    def add(self, entries: Iterable[RawEntry]) -> None:
        """Raises LogDivergence for an entry that is not the next, or that is not one of ours."""
        for entry in entries:
            line = line_of(entry, self._next)
            self._entries = (self._entries[0] or entry[0].decode(), entry[0].decode())
            self._next += 1
            self._crc = zlib.crc32(line, self._crc)
            self._lines.update(line)
            self.raw_bytes += len(line)
            if packed := self._packer.compress(line):
                self._parts.append(packed)

    def finish(self) -> Segment:
        header = Header(self._log, self._first, self._next - 1, *self._entries, self._previous)
        shown = attrs.asdict(header)
        ordered = {field: shown[field] for field in HeaderLine.__struct_fields__}
        start = stored(msgspec.json.encode(ordered) + b"\n")
        end = (self._crc.to_bytes(4, "little"), (self.raw_bytes & 0xFFFFFFFF).to_bytes(4, "little"))
        body = b"".join((start, GZIP, *self._parts, self._packer.flush(), *end))
        digest = hashlib.sha256(body).hexdigest()
        return Segment(header, digest, body + seal(digest))


def line_of(entry: RawEntry, expected: int) -> bytes:
    """One event as a line: the fields of its entry on the stream, and the entry's id. Raises LogDivergence."""
    identity, fields = entry
    try:
        _, t, _, s, _, v, _, n, _, m, _, d = fields
        line = b'{"e":"%s","n":%d,"s":%s,"v":%d,"t":%s,"m":%s,"d":%s}\n' % (
            identity,
            int(n),
            msgspec.json.encode(s.decode()),
            int(v),
            msgspec.json.encode(t.decode()),
            m,
            d := at_rest(t.decode(), m, d),
        )
        found = decode_line(line)
    except (ValueError, TypeError, msgspec.MsgspecError) as error:
        raise LogDivergence(f"entry {identity.decode()} on the log is not one of Portero's") from error
    if b"\n" in line[:-1] or (bytes(found.m), bytes(found.d)) != (m, d):  # it must read back as what it was
        raise LogDivergence(f"entry {identity.decode()} on the log is not one of Portero's")
    if found.n != expected:
        raise LogDivergence(gap(expected, found.n, identity.decode()))
    return line
