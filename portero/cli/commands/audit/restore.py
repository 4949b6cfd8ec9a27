"""``portero audit restore``: an empty store, filled from the archive that is left."""

import asyncio

import click

from handlers.upkeep.restoring import settle_restored
from portero.cli.commands.audit.where import log_of, storage_configured
from portero.cli.exits import Exit
from portero.cli.output import Output, json_option
from portero.cli.place import Place, find_place
from portero.cli.session import open_session, quiet_logs
from portero.cli.text import visible
from portero.domain.ids import Millis, grant_aggregate, rule_aggregate
from portero.errors import ArchiveError, StoreError
from portero.log.archive import Archive, Storage
from portero.log.archive.seam import audit
from portero.log.restoring import Restored, Versions, archived_events
from portero.log.restoring import restore as bring_back
from projections import View


@click.command(short_help="Bring the log back into an empty store.")
@json_option
def restore(out: Output) -> int:
    """Rebuilds the log in a store that holds none, as far as it was archived, with every gateway stopped.

    What came after the last segment is lost. So everything is locked afterwards, and every call that was open has
    ended: those that ran as outcome-unknown, the others as cancelled. Look at the rules, then say `portero unlock`.
    """
    quiet_logs()
    return asyncio.run(_restore(out))


async def _restore(out: Output) -> int:
    place = find_place()
    storage = storage_configured(place)
    archive = await _whole(storage)
    view, versions = View(), Versions()
    async for events in archived_events(archive):
        view.apply(events)
        versions.add(events)
        versions.drop("grant", {grant_aggregate(grant.id) for grant in view.grants})
    versions.drop("rule", {rule_aggregate(rule.id) for rule in view.rules})
    await _fill(place, archive, view, versions)
    async with open_session(place) as session:
        ended = await settle_restored(session.core, session.by)
        await session.catch_up()
        if out.as_json:
            out.document({"log": session.log.id, "events": view.seq, "ended": ended, "locked": True})
        else:
            out.line(f"The log {session.log.id} is back, up to event {view.seq}. {ended} open calls were ended.")
            out.line("Everything is locked. Look at the rules with `portero rules`, then say `portero unlock`.")
    return Exit.OK


async def _whole(storage: Storage) -> Archive:
    """Raises ArchiveError unless it holds a log that is whole in itself."""
    found = await audit(storage, None)
    found.judge()
    if found.faults:
        why = visible(found.faults[0].text)
        raise ArchiveError(f"The archive {storage} is not whole: {why}. See `portero audit verify`.")
    archive = await Archive.of(storage)
    if archive is None:
        raise ArchiveError(f"The archive {storage} holds no segment.")
    return archive


async def _fill(place: Place, archive: Archive, view: View, versions: Versions) -> None:
    timers = {grant_aggregate(grant.id): grant.expires_at for grant in view.grants.active(Millis(0))}
    async with log_of(place, archive=False) as log:
        if log.position.seq:
            raise StoreError(f"The store holds a log of {log.position.seq} events. Nothing is restored over it.")
        folded = (view.seq, view.entry, view.policy_version, view.snapshot())
        back = Restored(archive.log, *folded, timers, versions.lasting)
        await bring_back(log, back)
