"""``portero status``: everything at a glance, as it is now."""

import click

from portero.cli import shapes
from portero.cli.output import Output, json_option
from portero.cli.session import Session, in_session
from portero.cli.text import visible
from portero.cli.times import ago, clock, iso, left, now, soon, span
from portero.cli.vitals import Gateway, archive_shape, archive_words, gateways, servers, store_shape, store_words
from portero.domain.ids import Millis
from portero.domain.owner import Owner
from portero.domain.values import Status
from portero.log import Health
from projections.upstreams import UpstreamState


@click.command(short_help="Gateways, servers, store, and what waits.")
@json_option
def status(out: Output) -> None:
    """Shows the gateways and whether they answer, their servers as they are, the store, and what waits."""

    async def run(session: Session) -> None:
        moment = now()
        living, store = await gateways(session.view), await session.log.health()
        if out.as_json:
            out.document(_shape(session, living, store, moment))
            return
        _tell_lock(out, session)
        _tell_gateways(out, session, living, moment)
        _tell_servers(out, session, living, moment)
        _tell_rest(out, session, store, moment)

    in_session(run)


def _tell_lock(out: Output, session: Session) -> None:
    lock = session.view.locked
    if lock is not None:
        why = f" ({visible(lock.reason)})" if lock.reason else ""
        out.line(
            f"LOCKED by {visible(lock.by)} since {clock(lock.at)}{why}: everything is denied. See `portero unlock`.\n"
        )


def _tell_gateways(out: Output, session: Session, living: list[Gateway], moment: Millis) -> None:
    rows = [
        (
            gateway.replica.id,
            gateway.replica.endpoint,
            gateway.state,
            gateway.replica.version,
            ago(gateway.replica.started_at, moment),
        )
        for gateway in living
    ]
    columns = ("Gateway", "Endpoint", "State", "Version", "Started")
    out.table(columns, rows, empty="No gateway is running. `portero serve` starts one.")
    if session.view.config.differs:
        out.line("The gateways decide with different configurations: restart those that have the old one.")
    out.line()


def _tell_servers(out: Output, session: Session, living: list[Gateway], moment: Millis) -> None:
    rows = [
        (
            state.upstream,
            _state(state, moment),
            state.tools or "",
            f"{state.server} {state.version}".strip(),
            ago(state.since, moment),
            state.replica,
        )
        for state in servers(session.view, living)
    ]
    out.table(("Server", "State", "Tools", "Is", "Since", "Gateway"), rows, empty="No server is connected.")
    for owner in session.view.owners:
        out.line(visible(_owner(owner, moment)))
    for note in _notes(session):
        out.line(visible(note))
    out.line()


def _owner(owner: Owner, moment: Millis) -> str:
    """Of a server of which there is one instance."""
    time = span(moment - owner.since)
    if owner.replica is not None:
        return f"{owner.upstream} runs on {owner.replica} for all gateways, for {time}."
    return f"{owner.upstream} runs nowhere, for {time}: {owner.reason or 'it was given back'}."


def _state(state: UpstreamState, moment: Millis) -> str:
    if state.connected:
        return "connected"
    again = f", next try {soon(state.retry_at, moment)}" if state.retry_at is not None else ", not tried again"
    kind = f"crash loop ({state.failures} failures)" if state.crash_loop else "lost"
    return f"{kind}: {state.reason}{again}"


def _notes(session: Session) -> list[str]:
    """What was left out, and why; nothing is left out silently."""
    loaded = session.view.config.newest()
    skipped = list(loaded.config.skipped) if loaded else []
    dropped = [
        f"Left out of {name}: {text}"
        for name, catalogue in session.view.upstreams.catalogues.items()
        for text in catalogue.dropped
    ]
    return skipped + dropped


def _tell_rest(out: Output, session: Session, store: Health, moment: Millis) -> None:
    view = session.view
    calls, grants = view.calls.pending(), view.grants.active(moment)
    counts = view.calls.counts
    ends = f", the next ends {left(min(grant.expires_at for grant in grants), moment)}" if grants else ""
    unknown = sum(1 for call in view.calls.recent(None, Status.UNKNOWN, 1000) if call.resolution is None)
    out.fields(
        [
            (
                "Waiting",
                f"{len(calls)}" + (f", the oldest since {ago(calls[0].requested_at, moment)}" if calls else ""),
            ),
            ("Executing", str(len(view.calls.executing()))),
            ("To settle", f"{unknown}: `portero tasks --status outcome-unknown`" if unknown else None),
            ("Grants", f"{len(grants)}{ends}"),
            ("Rules", str(len(view.rules))),
            ("Calls", ", ".join(f"{count} {name.value}" for name, count in counts.items() if count) or "none yet"),
            *(("Store problem", problem.text) for problem in store.problems),
            ("Archive", archive_words(session.place, view, moment)),
            ("Store", store_words(session.place, store)),
            ("Log", f"{view.seq} events, id {session.log.id}; this view is {session.follower.lag} behind"),
        ]
    )


def _shape(session: Session, living: list[Gateway], store: Health, moment: Millis) -> shapes.Shape:
    view = session.view
    lock = view.locked
    return {
        "locked": {"by": shapes.actor(lock.by), "at": iso(lock.at), "reason": lock.reason} if lock else None,
        "gateways": [gateway.shape() for gateway in living],
        "configurationsDiffer": view.config.differs,
        "servers": [
            {
                "name": state.upstream,
                "gateway": state.replica,
                "connected": state.connected,
                "crashLoop": state.crash_loop,
                "since": iso(state.since),
                "tools": state.tools,
                "server": state.server,
                "version": state.version,
                "protocol": state.protocol,
                "failures": state.failures,
                "reason": state.reason,
                "retryAt": iso(state.retry_at) if state.retry_at is not None else None,
            }
            for state in servers(view, living)
        ],
        "owners": [
            {"server": owner.upstream, "gateway": owner.replica, "since": iso(owner.since), "reason": owner.reason}
            for owner in session.view.owners
        ],
        "notes": _notes(session),
        "pending": len(view.approvals),
        "executing": len(view.calls.executing()),
        "grants": [shapes.grant(grant) for grant in view.grants.active(moment)],
        "rules": len(view.rules),
        "calls": {name.value: count for name, count in view.calls.counts.items()},
        "archive": archive_shape(session.place, view, session.log.id),
        "store": store_shape(session.place, store),
        "log": {
            "id": session.log.id,
            "seq": view.seq,
            "lag": session.follower.lag,
            "policyVersion": view.policy_version,
        },
    }
