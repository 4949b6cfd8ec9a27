"""What a segment is: a gzip file of JSON lines that names its place in the chain, and ends with its own hash.

``zcat`` shows it: a line that says what it holds, a line for each event, a line with the hash. The first and the last
line are stored as they are, so that they can be read, and checked to the byte, without unpacking what lies between.
The hash is SHA-256 over every byte before the last line's; the next segment names it as its ``previous``.
"""

import zlib
from collections.abc import Sequence
from typing import Final

import attrs
import msgspec

FORMAT: Final = 1

GZIP: Final = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"
"""No name, no time, no system: the same events give the same bytes."""
SEAL_BYTES: Final = 101
"""How long the last line is, packed."""

RawEntry = tuple[bytes, Sequence[bytes]]
"""An entry's id and its fields, as the store gives them."""


@attrs.frozen
class Header:
    """What a segment says of itself. ``previous`` is the hash of the one before; empty for a log's first."""

    log: str
    first: int
    last: int
    first_entry: str
    last_entry: str
    previous: str
    events: int = attrs.field(init=False)
    portero: str = "segment"
    format: int = FORMAT

    def __attrs_post_init__(self) -> None:
        object.__setattr__(self, "events", self.last - self.first + 1)

    @property
    def name(self) -> str:
        return name_of(self.first)


@attrs.frozen
class Segment:
    """One that is whole: what it says, its hash, and its bytes."""

    header: Header
    digest: str
    data: bytes = attrs.field(repr=False)


class Line(msgspec.Struct):
    """An event: entry id, sequence, aggregate, its version, type, origin and data."""

    e: str
    n: int
    s: str
    v: int
    t: str
    m: msgspec.Raw
    d: msgspec.Raw


class HeaderLine(msgspec.Struct, forbid_unknown_fields=True):
    portero: str
    format: int
    log: str
    first: int
    last: int
    first_entry: str
    last_entry: str
    events: int
    previous: str


_lines: Final = msgspec.json.Decoder(Line)
decode_line: Final = _lines.decode
decode_lines: Final = _lines.decode_lines
decode_header: Final = msgspec.json.Decoder(HeaderLine).decode


def name_of(first: int) -> str:
    """Named after its first event alone: of two that begin at the same one, a place can hold only one."""
    return f"{first:020d}.jsonl.gz"


def first_of(name: str) -> int | None:
    """The first event of a segment with this name; None for anything else."""
    digits = name.removesuffix(".jsonl.gz")
    return int(digits) if len(digits) == 20 and digits.isdecimal() and name_of(int(digits)) == name else None


def stored(line: bytes) -> bytes:
    """A gzip member that holds a line as it is."""
    length = len(line).to_bytes(2, "little") + (len(line) ^ 0xFFFF).to_bytes(2, "little")
    end = zlib.crc32(line).to_bytes(4, "little") + len(line).to_bytes(4, "little")
    return b"".join((GZIP, b"\x01", length, line, end))


def seal(digest: str) -> bytes:
    """The last line, packed."""
    return stored(b'{"sha256":"%s"}\n' % digest.encode())
