"""The archive: whether segments can be written there and never overwritten, and whether the archivist keeps up."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from handlers.upkeep.archiving import GRACE_MS, LATE, TOO_MANY, archive_place
from portero.cli.doctor.finding import Finding, fail, ok, warn
from portero.cli.doctor.machine import TOO_LITTLE_BYTES
from portero.cli.session import Session
from portero.cli.times import now, span
from portero.domain.archive import NOTHING
from portero.errors import ArchiveError
from portero.log.archive import prove, storage_at
from portero.settings.archive import ArchiveSettings


async def place(settings: ArchiveSettings | None) -> Finding:
    """Writes a file and removes it, where there is an archive already; looks at the room there."""
    where = archive_place(settings)
    if settings is None or where is None:
        return ok("archive", "off: the log stays in the store, which grows with it")
    if settings.folder is not None and not settings.folder.exists():
        return _to_be_made(settings.folder)
    try:
        await prove(storage_at(where))
    except ArchiveError as error:
        return fail(
            "archive", str(error), "Make room there, or correct PORTERO_ARCHIVE, its credentials or permissions."
        )
    free = shutil.disk_usage(settings.folder).free if settings.folder is not None else TOO_LITTLE_BYTES
    if free < TOO_LITTLE_BYTES:
        return warn(
            "archive", f"{free >> 20} MiB free for {settings}", "Make room there, or move it (PORTERO_ARCHIVE)."
        )
    return ok("archive", f"segments can be written to {settings}")


def _to_be_made(folder: Path) -> Finding:
    parent = next(parent for parent in folder.parents if parent.exists())
    if parent.is_dir() and os.access(parent, os.W_OK | os.X_OK):
        return ok("archive", f"{folder} does not exist yet; the first segment makes it")
    return fail(
        "archive", f"{folder} cannot be made", f"Make {parent} a folder that can be written, or set PORTERO_ARCHIVE."
    )


def progress(session: Session) -> Iterator[Finding]:
    """Nothing where no archive is configured."""
    rules, view = session.place.archive, session.view
    if rules is None:
        return
    archived = view.archived or NOTHING
    waiting, age = view.seq - archived.last, now() - archived.at
    todo = "See why in the gateway's log: it says `nothing is archived`."
    if waiting > TOO_MANY * rules.events:
        yield warn("archive", f"{waiting} events wait to be archived, {waiting // rules.events} segments' worth", todo)
    elif archived.last and waiting > 1 and age > LATE * rules.after_ms + GRACE_MS and _gone_on(session, age):
        yield warn("archive", f"{waiting} events wait, and the last segment was written {span(age)} ago", todo)
    else:
        yield ok("archive", f"up to event {archived.last}; {waiting} wait")


def _gone_on(session: Session, age: int) -> bool:
    """Whether something that waits is old itself: after a quiet night the last segment is old, and that is well."""
    rules = session.place.archive
    oldest = next(iter(session.view.activity.since((session.view.archived or NOTHING).last + 1)), None)
    return rules is not None and oldest is not None and now() - oldest.at > min(age, LATE * rules.after_ms + GRACE_MS)
