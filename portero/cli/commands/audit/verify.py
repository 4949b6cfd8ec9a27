"""``portero audit verify``: whether every event is there, once, and as it was written."""

import asyncio
from pathlib import Path

import click

from portero.cli.commands.audit.where import has_store, log_of, storage_configured, storage_named
from portero.cli.exits import Exit
from portero.cli.output import Output, json_option
from portero.cli.place import find_place
from portero.cli.session import quiet_logs
from portero.cli.text import visible
from portero.errors import ArchiveError
from portero.log.archive import Storage
from portero.log.archive.audit import Audit, Witness, witnesses_in
from portero.log.archive.seam import audit as look


@click.command(short_help="Check the archive, and where it meets the log.")
@click.option(
    "--archive", "place", metavar="PLACE", help="Only this one, without a log: a folder or s3://bucket/prefix."
)
@click.option(
    "--witness",
    "given",
    multiple=True,
    metavar="TEXT",
    help="What is known from outside: log:event:hash, or a file with such words in it, such as a gateway's output.",
)
@json_option
def verify(place: str | None, given: tuple[str, ...], out: Output) -> int:
    """Checks each segment, the chain that they make, and that the stream goes on where they end. Changes nothing.

    Names every segment with what is wrong with it; exit code 1 then. Works with the gateway running or stopped, and
    with --archive on a copy of the archive alone: whether its end is missing only a witness can tell there.
    """
    quiet_logs()
    witnesses = [witness for text in given for witness in _witnesses(text)]
    return asyncio.run(_verify(place, witnesses, out))


def _witnesses(text: str) -> list[Witness]:
    found = witnesses_in(text)
    if not found and Path(text).is_file():
        found = witnesses_in(Path(text).read_text("utf-8", "replace"))
    if not found:
        raise click.BadParameter(f"{text!r} holds no witness: log, event and hash with colons between.")
    return found


async def _verify(named: str | None, witnesses: list[Witness], out: Output) -> int:
    place = find_place()
    storage = storage_named(named) if named is not None else storage_configured(place)
    alone = named is not None or not has_store(place)
    if alone:
        found = await look(storage, None)
    else:
        async with log_of(place, archive=False) as log:
            found = await look(storage, log)
    if alone and not found.segments:
        raise ArchiveError(f"The archive {storage} holds no segment. Is it the right place?")
    found.judge(witnesses)
    if out.as_json:
        out.document(_shape(storage, found, witnesses, alone=alone))
    else:
        _tell(storage, found, witnesses, out, alone=alone)
    return Exit.FAILED if found.faults else Exit.OK


def _head(found: Audit) -> str | None:
    return f"{found.last.log}:{found.last.last}:{found.head}" if found.last else None


def _tell(storage: Storage, found: Audit, witnesses: list[Witness], out: Output, *, alone: bool) -> None:
    checked = ["every segment", "the chain"] + ([] if alone else ["the stream"])
    checked += [f"{len(witnesses)} from outside"] if witnesses else []
    out.fields(
        [
            ("Archive", str(storage)),
            ("Log", found.log),
            ("Segments", f"{found.segments}, {found.size} bytes"),
            ("Events", f"{found.first} to {found.last.last}" if found.last else "none"),
            ("Head", _head(found)),
            ("Checked", ", ".join(checked)),
            ("Not ours", ", ".join(found.strangers) or None),
        ]
    )
    for fault in found.faults:
        about = f"segment {fault.segment}: " if fault.segment else ""
        out.line(visible(f"{fault.kind}: {about}{fault.text}"))
    if found.faults:
        count = len(found.faults)
        out.line(
            f"{count} fault{'' if count == 1 else 's'}. Keep a copy of the archive as it is, and see ops/RUNBOOK.md."
        )
    elif not found.segments:
        out.line("Nothing is archived yet.")
    elif alone and not witnesses:
        out.line("Whole in itself. Whether its end is missing, only a witness or the log could tell.")
    else:
        out.line("Whole.")


def _shape(storage: Storage, found: Audit, witnesses: list[Witness], *, alone: bool) -> dict[str, object]:
    return {
        "ok": not found.faults,
        "archive": str(storage),
        "log": found.log,
        "segments": found.segments,
        "bytes": found.size,
        "events": found.events,
        "firstEvent": found.first,
        "lastEvent": found.last.last if found.last else 0,
        "head": _head(found),
        "streamChecked": not alone,
        "witnesses": len(witnesses),
        "faults": [{"kind": each.kind, "segment": each.segment, "text": each.text} for each in found.faults],
        "notOurs": found.strangers,
    }
