"""What an append is: the writes a caller gives, the bytes the script takes, the answer it gives back."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from enum import Enum
from typing import Any, Final, Literal

import attrs
import msgspec
from msgspec import Struct

from portero.domain.events import POLICY_EVENTS, Event, Meta
from portero.domain.ids import Aggregate, Millis, Seq
from portero.errors import LogError, PolicyMoved, VersionConflict
from portero.log.codec import encode


class _Keep(Enum):
    KEEP = "="


KEEP: Final = _Keep.KEEP
"""Leave the aggregate's timer as it is."""
Keep = Literal[_Keep.KEEP]


class Write(Struct, frozen=True):
    """Events for one aggregate, with what goes along in the same step."""

    aggregate: Aggregate
    expected: int | None
    """The version that was decided on; 0: it must not exist; None: whatever it is.

    Where that is not known any more, it goes on at the event's own sequence: above all before, though not the next.
    """
    events: tuple[Event, ...]
    timer: Millis | Keep | None = KEEP
    """When the aggregate wants to be woken (ms): its single due time; None clears it."""
    work: tuple[str, ...] = ()
    """Work streams that get a pointer to the last of the events."""
    ends: bool = False
    """The aggregate is finished: what the store keeps of it beside the log may expire after an hour.

    Later writes stay possible, as long as the writer has followed the log."""


def fence(aggregate: Aggregate, version: int) -> Write:
    """Nothing is written to this aggregate, but the append that it is part of stands only if it has this very version.

    For what rests on somebody's being the one who may: whoever takes that over writes there, and is then the only one.
    """
    return Write(aggregate, version, ())


class Appended(Struct, frozen=True):
    """Where the events stand. ``repeated``: they were there already, written under the same write id."""

    first: Seq
    last: Seq
    policy_version: int
    repeated: bool


@attrs.define(eq=False)
class Append:
    """One append on its way. ``future`` gets an Appended, or raises one of the log's errors."""

    writes: tuple[Write, ...]
    meta: bytes
    """The field ``m`` of its entries, which is also how it is found on the log: it holds the write id."""
    origin: Meta
    """The same as a value."""
    arguments: tuple[bytes | str, ...]
    """All of it, as the script takes it."""
    events: int
    bumps: int
    policy_version: int | None
    policy_floor: int
    """The policy version before it, as far as is known: the one it was decided on, or an older one."""
    urgent: bool
    """Written also when memory is full."""
    deadline: float
    future: asyncio.Future[Appended]
    orphaned: Callable[[Appended | LogError], None] | None = None
    """Gets the answer when whoever waited for it was cancelled meanwhile."""

    @property
    def size(self) -> int:
        """Bytes, about."""
        return sum(map(len, self.arguments))


WRITTEN, REPEATED, VERSION, POLICY = 1, 2, 3, 4
_packed: Final = msgspec.msgpack.Encoder().encode


def pack(
    writes: Sequence[Write],
    meta: bytes,
    *,
    write: str,
    seen: int,
    policy_version: int | None,
    blobs: Mapping[str, bytes],
    blob_ttl: int,
) -> tuple[tuple[bytes | str, ...], int, int]:
    """``(arguments, events, policy events)`` of one append, as append.lua reads them: MessagePack, then the blobs.

    That is one argument in place of twenty, which saves 5 µs here and as much in the store. The store's MessagePack
    knows no binary, so all in it is text.
    """
    events = bumps = 0
    wanted = False if policy_version is None else policy_version
    out: list[Any] = [meta.decode(), write, seen, wanted, 0, len(blobs), blob_ttl, len(writes)]
    for w in writes:
        if not w.events and (w.expected is None or w.timer is not KEEP or w.work or w.ends):
            raise ValueError(f"a write to {w.aggregate} without an event")
        expected = False if w.expected is None else w.expected
        timer = "=" if w.timer is KEEP else False if w.timer is None else w.timer
        out += (w.aggregate, expected, timer, w.ends, len(w.work), len(w.events), *w.work)
        for event in w.events:
            name, data = encode(event)
            out += (name, data.decode())
            if type(event) in POLICY_EVENTS:
                bumps += 1
        events += len(w.events)
    if not events:
        raise ValueError("an append of fences alone")
    out[4] = bumps
    packed = _packed(out)
    return (packed, *(part for blob in blobs.items() for part in blob)) if blobs else (packed,), events, bumps


def distinct(writes: Sequence[Write]) -> None:
    """Raises ValueError for an append that would check its versions against itself."""
    if not writes:
        raise ValueError("an append without a write")
    if len(writes) > 1 and len({w.aggregate for w in writes}) < len(writes):
        raise ValueError("two writes to one aggregate in one append")


def outcome(append: Append, code: int, one: int, two: int, policy: int) -> Appended | LogError:
    """The four numbers of the script's reply, as what the caller gets."""
    if code <= REPEATED:
        return Appended(one, two, policy, code == REPEATED)  # type: ignore[arg-type] # the script's numbers
    if code == VERSION:
        write = append.writes[one - 1]
        return VersionConflict(write.aggregate, write.expected or 0, two)
    return PolicyMoved(append.policy_version or 0, one)


def settle(append: Append, answer: Appended | LogError) -> None:
    """Gives the caller the answer, or whom it has named where it has stopped waiting."""
    future = append.future
    if future.done():
        orphaned, append.orphaned = append.orphaned, None
        if future.cancelled() and orphaned is not None:
            orphaned(answer)
    elif type(answer) is Appended:
        future.set_result(answer)
    else:
        future.set_exception(answer)  # type: ignore[arg-type] # what is no Appended is a LogError


def alike(error: LogError) -> LogError:
    """The same error for somebody else: an exception that is raised twice drags its first traceback along."""
    return type(error)(*error.args)
