"""The answer to /status: everything that should be known at a glance, as it is."""

from collections.abc import Sequence

import attrs

from portero.domain.admin import Lock
from portero.domain.archive import Archived
from portero.domain.owner import Owner
from portero.telegram.render import rich
from portero.telegram.render.facts import brief
from portero.telegram.render.listing import Item, Listing
from portero.telegram.render.rich import Rich
from portero.telegram.render.standing import Hour, who
from portero.telegram.render.times import count, span
from projections.replicas import Replica
from projections.upstreams import UpstreamState

STALE_MS = 120_000
"""A replica that wrote nothing for so long may be gone; one without calls is just quiet."""


@attrs.frozen
class Standing:
    """What there is to tell. ``store`` and ``lag`` None: the store does not answer."""

    pending: int
    unknown: int
    untold: int
    """Calls that wait and whose card could not be sent yet."""
    executing: int
    grants: int
    rules: int
    locked: Lock | None
    upstreams: Sequence[UpstreamState]
    owners: Sequence[Owner]
    """Of the servers of which there is one instance."""
    tools: int
    replicas: Sequence[Replica]
    skipped: Sequence[str]
    store: str | None
    problems: Sequence[str]
    lag: int | None
    archived: Archived | None
    trouble: str | None
    """The last thing that went wrong with Telegram itself."""


def status(standing: Standing, hour: Hour) -> Listing:
    lines = (*_work(standing, hour), *_servers(standing, hour), *_log(standing, hour))
    return Listing("status", rich.bold("📊 Portero"), tuple(Item(line) for line in lines), counted=False)


def _work(standing: Standing, hour: Hour) -> list[Rich]:
    lines = []
    if standing.locked is not None:
        lines.append(
            rich.bold(f"🔒 Locked by {who(standing.locked.by)}{hour.at(standing.locked.at)}: everything is denied")
        )
    lines.append(rich.text(f"⏳ {standing.pending:,} pending · ⚙️ {standing.executing:,} running"))
    if standing.untold:
        lines.append(rich.text(f"⚠️ {standing.untold:,} of the pending could not be shown here yet"))
    if standing.unknown:
        lines.append(rich.text(f"❓ {standing.unknown:,} with unknown outcome: /tasks outcome-unknown"))
    lines.append(
        rich.text(f"🎫 {count(standing.grants, 'grant')}: /grants · 📜 {count(standing.rules, 'rule')}: /rules")
    )
    return lines


def _servers(standing: Standing, hour: Hour) -> list[Rich]:
    names = {state.upstream for state in standing.upstreams}
    lines = [rich.bold(f"🔌 {count(len(names), 'server')}, {count(standing.tools, 'tool')}")]
    several = len({state.replica for state in standing.upstreams}) > 1
    for state in standing.upstreams:
        where = rich.join((rich.text(" on "), rich.code(brief(state.replica, 40)))) if several else ()
        lines.append(rich.join((_state(state, hour), where)))
    lines += [_owner(owner, hour) for owner in standing.owners]
    skipped = rich.text("⏭ skipped: ")
    return lines + [rich.join((skipped, rich.code(brief(sentence, 160)))) for sentence in standing.skipped]


def _owner(owner: Owner, hour: Hour) -> Rich:
    name, since = rich.code(brief(owner.upstream, 60)), span(hour.now - owner.since)
    if owner.replica is not None:
        where = rich.code(brief(owner.replica, 40))
        return rich.join((rich.text("📍 "), name, rich.text(" runs for all on "), where, rich.text(f" · for {since}")))
    reason = rich.code(brief(owner.reason, 120)) if owner.reason else ()
    return rich.join((rich.text("🔴 "), name, rich.text(f" · runs nowhere for {since} "), reason))


def _state(state: UpstreamState, hour: Hour) -> Rich:
    name = rich.code(brief(state.upstream, 60))
    since = span(hour.now - state.since)
    if state.connected:
        return rich.join((rich.text("🟢 "), name, rich.text(f" · {count(state.tools, 'tool')} · for {since}")))
    words = "crashes again and again" if state.crash_loop else "away"
    retry = "" if state.retry_at is not None else ", not tried again"
    reason = rich.code(brief(state.reason or "", 120)) if state.reason else ()
    icon = "🔴" if state.crash_loop or state.retry_at is None else "🟡"
    return rich.join((rich.text(f"{icon} "), name, rich.text(f" · {words} for {since}{retry} "), reason))


def _log(standing: Standing, hour: Hour) -> list[Rich]:
    lines = [rich.bold(f"🧩 {count(len(standing.replicas), 'replica')}")]
    for replica in standing.replicas:
        quiet = hour.now - replica.last_seen
        words = f" · {replica.version} · up {span(hour.now - replica.started_at)}"
        words += f" · silent for {span(quiet)}" if quiet > STALE_MS else ""
        lines.append(rich.join((rich.code(brief(replica.id, 60)), rich.text(words))))
    behind = "the store does not answer" if standing.lag is None else f"{count(standing.lag, 'event')} behind"
    lines.append(rich.text(f"📚 Log: {behind}" + (f" · {brief(standing.store, 80)}" if standing.store else "")))
    lines += [rich.join((rich.text("⚠️ "), rich.code(brief(problem, 200)))) for problem in standing.problems]
    if standing.archived is not None:
        lines.append(rich.text(f"🗄 Archived up to event {standing.archived.last:,}"))
    else:
        lines.append(rich.text("🗄 Nothing archived yet"))
    if standing.trouble is not None:
        lines.append(rich.join((rich.text("📡 Telegram: "), rich.code(brief(standing.trouble, 200)))))
    return lines
