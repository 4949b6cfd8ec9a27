"""Reading the log from any event on: from the archive what was trimmed, from the stream what came after, no seam."""

from collections.abc import AsyncIterator
from typing import Any, Final

from portero.errors import LogDivergence, LogTrimmed, LogUnavailable
from portero.log.archive import Archive
from portero.log.connect import Store
from portero.log.entries import Entries, RecordedEvent, gap
from portero.log.keeper import NOT_NOW
from portero.log.reasons import reason
from portero.log.wire import Wire

START: Final = "0-0"
"""The entry id before the first."""


async def read(
    store: Store, archive: Archive | None, after: int, near: str, count: int
) -> AsyncIterator[list[RecordedEvent]]:
    """As ``read_entries``, in events."""
    entries = Entries()
    async for page in read_entries(store, archive, after, near, count):
        yield entries.recorded(page, after)
        after = sequence(page[-1])


async def read_entries(
    store: Store, archive: Archive | None, after: int, near: str, count: int
) -> AsyncIterator[list[Any]]:
    """Pages of the entries behind event ``after``, in order, up to the end of the log as it is then.

    ``near``: an entry id that is not behind that of the event after ``after``, where one is known; only a short cut.
    Raises LogUnavailable, ArchiveError or LogTrimmed, or LogDivergence when events are missing in between.
    """
    try:
        wire = await store.wire("read")
    except NOT_NOW as error:
        raise LogUnavailable(f"The log is unavailable ({reason(error)}).") from error
    try:
        seq, entry = after, near
        while True:
            page = await _page(store, wire, entry, count)
            gone, last = (0, 0) if page and sequence(page[0]) <= seq + 1 else await ends(store, wire)
            first = sequence(page[0]) if page else gone + 1
            if entry == near != START and (first > seq + 1 or not page) and last > seq:
                near = entry = START  # the short cut led too far
                continue
            if first > seq + 1:
                if gone < first - 1:
                    raise LogDivergence(gap(seq + 1, first, page[0][0].decode()))
                async for old in archived(archive, seq, first - 1):
                    yield old
                seq = first - 1
            if not page:
                return
            entry = page[-1][0].decode()
            fresh = page[max(0, seq + 1 - first) :]
            if fresh:
                yield fresh
                seq = sequence(fresh[-1])
    except NOT_NOW as error:
        raise LogUnavailable(f"The log is unavailable ({reason(error)}).") from error
    finally:
        wire.abort("read")


async def archived(archive: Archive | None, after: int, until: int) -> AsyncIterator[list[Any]]:
    """Entries that are not on the stream any more. Raises LogTrimmed or ArchiveError."""
    if archive is None:
        raise LogTrimmed(
            f"Events {after + 1} to {until} are not in the store any more: they were archived. Set PORTERO_ARCHIVE to "
            "where the archive is."
        )
    async for page in archive.entries(after, until):
        yield page


async def ends(store: Store, wire: Wire) -> tuple[int, int]:
    """The event up to which the stream was trimmed (0: never), and its last."""
    gone, last = await wire.call("HMGET", store.keys.head, "trimmed", "seq", timeout=store.limits.call)
    return int(gone or 0), int(last or 0)


async def _page(store: Store, wire: Wire, entry: str, count: int) -> list[Any]:
    limit = 5 * store.limits.call
    page: list[Any] = await wire.call("XRANGE", store.keys.log, f"({entry}", "+", "COUNT", count, timeout=limit)
    return page


async def raw_pages(store: Store, near: str, count: int) -> AsyncIterator[list[Any]]:
    """Entries of the stream behind an entry id, as they are. Raises LogUnavailable."""
    try:
        wire = await store.wire("read")
        try:
            while page := await _page(store, wire, near, count):
                yield page
                near = page[-1][0].decode()
        finally:
            wire.abort("read")
    except NOT_NOW as error:
        raise LogUnavailable(f"The log is unavailable ({reason(error)}).") from error


def sequence(entry: Any) -> int:
    """The sequence of a stream entry. Raises LogDivergence for one that is not ours."""
    try:
        return int(entry[1][7])
    except (ValueError, TypeError, IndexError) as error:
        raise LogDivergence(f"entry {entry[0].decode()} on the log is not one of Portero's") from error
