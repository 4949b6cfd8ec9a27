"""``portero audit export``: the record in columns that stay, for whoever works on with it."""

import asyncio
import csv
import io
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from typing import Any, Final

import click
import msgspec

from portero.cli.commands.audit.where import has_store, log_of, storage_named
from portero.cli.history import CLOCKS_MS
from portero.cli.output import Output, make_output
from portero.cli.place import find_place
from portero.cli.session import quiet_logs
from portero.cli.times import iso, now
from portero.domain.duration import parse_duration
from portero.domain.events import Meta
from portero.errors import ArchiveError, Invalid
from portero.log.archive import Archive
from portero.log.codec import at_rest, decode_meta

COLUMNS: Final = (
    *("seq", "at", "type", "aggregate", "version", "actor_kind", "actor_id", "actor_name"),
    *("replica", "cause", "trace", "data"),
)
"""They stay as they are; new ones come behind them."""
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")

Row = tuple[int, Meta, dict[str, Any], bytes]


class _Moment(click.ParamType[int]):
    """A date, a time, or how long ago: milliseconds since 1970."""

    name = "moment"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        if isinstance(value, int):
            return value
        try:
            return now() - parse_duration(value)
        except Invalid:
            pass
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            self.fail(
                f"{value!r} is neither 2026-11-27, 2026-11-27T08:00:00Z nor how long ago, such as 7d.", param, ctx
            )
        return round((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1000)


@click.command(short_help="Write the record as JSON lines or CSV.")
@click.option(
    "--from", "start", type=_Moment(), metavar="WHEN", default=0, help="Not before: a date, a time, or 7d ago."
)
@click.option("--to", "end", type=_Moment(), metavar="WHEN", help="Before: a date, a time, or 1d ago.")
@click.option("--format", "kind", type=click.Choice(["jsonl", "csv"]), default="jsonl", show_default=True)
@click.option(
    "--archive", "place", metavar="PLACE", help="Only this one, without a log: a folder or s3://bucket/prefix."
)
def export(start: int, end: int | None, kind: str, place: str | None) -> None:
    """Writes every event in between to standard output, oldest first, from archive and log without a seam.

    Dates without a time are midnight UTC. Values are the made-up ones, as the model saw them; results are not part of
    the record, their size and hash are. Memory does not grow with the events.
    """
    quiet_logs()
    asyncio.run(_export(start, end, _jsonl if kind == "jsonl" else _csv, place, make_output(True)))


async def _export(
    start: int, end: int | None, write: Callable[[list[Row]], str], named: str | None, out: Output
) -> None:
    if write is _csv:
        out.raw(",".join(COLUMNS) + "\r\n")
    async for page in _pages(start, named):
        rows = [row for row in map(_row, page) if start <= row[1].at and (end is None or row[1].at < end)]
        if rows:
            out.raw(write(rows))
        if end is not None and _written(page[-1]) > end + CLOCKS_MS:
            return


async def _pages(start: int, named: str | None) -> AsyncIterator[list[Any]]:
    """Entries from about ``start`` on; the store's clock, which names them, may differ from the gateways'."""
    near = max(start - CLOCKS_MS, 0)
    place = find_place()
    if named is not None or not has_store(place):
        archive = await Archive.of(storage_named(named or str(place.archive)))
        if archive is None:
            raise ArchiveError("The archive holds no segment.")
        async for page in archive.entries(await archive.before(near), await archive.last()):
            yield page
        return
    async with log_of(place, archive=True) as log:
        after = await log.archive.before(near) if log.archive is not None else 0
        async for page in log.read_entries(after):
            if _written(page[-1]) >= near:
                yield page


def _written(entry: Any) -> int:
    return int(entry[0].partition(b"-")[0])


def _row(entry: Any) -> Row:
    _, (_, t, _, s, _, v, _, n, _, m, _, d) = entry
    meta, name = decode_meta(m), t.decode()
    actor = meta.actor
    shown = {
        "seq": int(n),
        "at": iso(meta.at),
        "type": name,
        "aggregate": s.decode(),
        "version": int(v),
        "actor_kind": actor.kind,
        "actor_id": actor.id,
        "actor_name": actor.name,
        "replica": meta.replica,
        "cause": meta.cause,
        "trace": meta.trace,
    }
    return int(n), meta, shown, at_rest(name, m, d)


def _jsonl(rows: list[Row]) -> str:
    encode = msgspec.json.encode
    return "".join(encode({**shown, "data": msgspec.Raw(data)}).decode() + "\n" for _, _, shown, data in rows)


def _csv(rows: list[Row]) -> str:
    text = io.StringIO()
    writer = csv.writer(text)
    for _, _, shown, data in rows:
        writer.writerow([*map(_cell, shown.values()), data.decode()])
    return text.getvalue()


def _cell(value: object) -> object:
    """Names come from clients and servers: a table must not take one of them for a formula."""
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value
