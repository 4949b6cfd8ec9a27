"""Verifying an archive: every segment for itself, all of them as a chain, and the chain against those who know better.

A fault names the segment and what is wrong with it. Whoever may write to the archive can make a chain that is whole in
itself; what they cannot change is what stands elsewhere: on the stream, in the log output, in a chat. Those are the
witnesses, and only up to the newest of them a verdict holds.
"""

import asyncio
import re
from collections.abc import Iterable
from typing import Final

import attrs

from portero.domain.events import SegmentArchived, SegmentsRemoved
from portero.errors import SegmentDamaged
from portero.log.archive.archive import pages_of
from portero.log.archive.growth import SINCE, Growth
from portero.log.archive.reading import open_segment
from portero.log.archive.segment import Header, Segment, first_of, name_of
from portero.log.archive.storage import Storage
from portero.log.codec import SCHEMA, decode, decode_meta

_WITNESS: Final = re.compile(r"\b([0-9a-f]{16}):([0-9]{1,19}):([0-9a-f]{64})\b")
_BOOKKEEPING: Final = {b"SegmentArchived", b"SegmentsRemoved"}


@attrs.frozen
class Fault:
    """``segment``: its name, where it is about one."""

    kind: str
    segment: str | None
    text: str


@attrs.frozen
class Witness:
    """What somebody outside of the archive knows: the log ``log`` had the segment ``digest``, up to event ``last``."""

    log: str
    last: int
    digest: str


def told(wrong: list[str]) -> str:
    """The first, and how many there are of the same kind: they come in flocks."""
    more = len(wrong) - 1
    return wrong[0] + (f", and {more} more like it" if more else "")


def witnesses_in(text: str) -> list[Witness]:
    """All that a text holds, such as a gateway's output: ``log:last event:hash``."""
    return [Witness(log, int(last), digest) for log, last, digest in _WITNESS.findall(text)]


@attrs.define
class Audit:
    """Takes what is known, one after the other; ``faults`` is the verdict once ``judge`` was called.

    Of every segment only its place and hash are kept, so memory does not grow with the events.
    """

    log: str | None = None
    """The log that it must be of; None: whichever the first segment is of."""
    faults: list[Fault] = attrs.field(factory=list)
    strangers: list[str] = attrs.field(factory=list)
    """Names in the archive that are no segment's."""
    segments: int = 0
    events: int = 0
    size: int = 0
    first: int = 0
    last: Header | None = None
    """Of the newest segment that is whole."""
    head: str = ""
    """The newest segment's hash."""
    growth: Growth = attrs.field(factory=Growth)
    _at: int | None = None
    _previous: str | None = None
    _before: int = 1
    _digests: dict[int, tuple[str, str]] = attrs.field(factory=dict)
    """By the last event: the hash of the segment, and its name."""
    _broken: set[int] = attrs.field(factory=set)
    """The first events of segments that something was found wrong with."""
    _named: dict[int, tuple[SegmentArchived, int]] = attrs.field(factory=dict)
    """What the log itself says was archived, by its last event, and which event says so."""

    def fault(self, kind: str, segment: str | None, text: str) -> None:
        self.faults.append(Fault(kind, segment, text))

    # --- the archive --------------------------------------------------------------------------------------------------

    async def look(self, storage: Storage, name: str) -> Segment | None:
        """One segment, in the order of the names; returns it where it is whole and in its place."""
        begins = first_of(name)
        if begins is None:
            self.strangers.append(name)
            return None
        self.segments += 1
        try:
            data = await storage.read(name)
            self.size += len(data)
            segment = await asyncio.to_thread(open_segment, name, data)
            self._place(name, begins, segment.header)
            await self._read(segment)
        except SegmentDamaged as error:
            self.fault(error.kind, name, error.text)
            self._broken.add(begins)
            self._at = self._previous = None  # what follows cannot be measured on it
            return None
        self._link(segment)
        return segment

    def _place(self, name: str, begins: int, header: Header) -> None:
        if self.log is not None and header.log != self.log:
            raise SegmentDamaged(name, "another log", f"it is of the log {header.log}, and not of {self.log}")
        self.log = header.log
        if header.first != begins:
            text = f"it holds events {header.first} to {header.last}, and stands where {begins} should begin"
            raise SegmentDamaged(name, "out of order", text)

    async def _read(self, segment: Segment) -> None:
        wrong: list[str] = []
        async for page in pages_of(segment):
            for _, fields in page:
                if fields[1] in _BOOKKEEPING:
                    self.hear(decode(fields[1].decode(), SCHEMA, fields[11]), int(fields[7]))
                back = self.growth.wrong(fields[1], fields[3], int(fields[5]))
                if back is not None and decode_meta(fields[9]).schema >= SINCE:
                    wrong.append(f"at event {int(fields[7])}, {back}")
        if wrong:
            self.fault("version", segment.header.name, told(wrong))

    def _link(self, segment: Segment) -> None:
        header = segment.header
        if self._at is not None and header.first != self._at:
            self._hole(self._at, header.first)
        elif self._previous is not None and header.previous != self._previous:
            before = self.last.name if self.last else ""
            text = f"it does not name the hash of {before}, which stands before it: one of the two was replaced"
            self.fault("out of chain", header.name, text)
        self.first = self.first or header.first
        self._at, self._previous = header.last + 1, segment.digest
        self.last, self.head = header, segment.digest
        self.events += header.events
        self._digests[header.last] = (segment.digest, header.name)

    def _hole(self, at: int, found: int) -> None:
        if found < at:
            self.fault("twice", name_of(found), f"events from {found} on are in the segment before it too")
        else:
            self.fault("missing", name_of(at), f"events {at} to {found - 1} are missing: no segment begins with {at}")

    # --- those who know better ----------------------------------------------------------------------------------------

    def hear(self, event: object, seq: int) -> None:
        """An event of the log, wherever it was found: what the archivist wrote is a witness of what was archived."""
        if isinstance(event, SegmentArchived):
            self._named[event.last] = (event, seq)
        elif isinstance(event, SegmentsRemoved):
            self._before = max(self._before, event.before)

    def judge(self, witnesses: Iterable[Witness] = ()) -> None:
        """After everything was looked at and heard."""
        if self.segments and self.first > self._before and self._before not in self._broken:
            text = f"events {self._before} to {self.first - 1} are missing: no segment begins with {self._before}"
            self.fault("missing", name_of(self._before), text)
        end = self.last.last if self.last else 0
        for event, seq in self._named.values():
            if event.first >= self._before:
                self._compare(event.last, event.digest, f"event {seq} of the log", event.location, end)
        for witness in witnesses:
            if self.log is not None and witness.log != self.log:
                self.fault("witness", None, f"the witness is of the log {witness.log}, and the archive of {self.log}")
            elif witness.last >= self._before:
                self._compare(witness.last, witness.digest, "the witness", None, end)

    def _compare(self, last: int, digest: str, who: str, name: str | None, end: int) -> None:
        found = self._digests.get(last)
        if found is not None and found[0] != digest:
            self.fault("replaced", found[1], f"it is whole in itself, but {who} names another hash: it was replaced")
        elif found is None and last > end and not (name and first_of(name) in self._broken):
            text = f"the archive ends with event {end}, but {who} says that it was archived up to event {last}"
            self.fault("missing", name, text)
        elif found is None and name is None and last <= end:
            self.fault("witness", None, f"no segment ends with event {last}, as {who} says")
