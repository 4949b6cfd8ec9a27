"""What runs: the log's own state, the gateways it names, and their servers."""

from collections.abc import Iterator

from portero.cli.doctor.finding import Finding, fail, ok, warn
from portero.cli.session import Session
from portero.cli.times import now, span
from portero.cli.vitals import Gateway, gateways, servers

AHEAD_MS = 60_000


async def running(session: Session) -> list[Finding]:
    living = await gateways(session.view)
    return [_log(session), *_gateways(session, living), *_servers(session, living), *_lock(session)]


def _log(session: Session) -> Finding:
    view = session.view
    newest = next(iter(view.activity.recent(1)), None)
    if newest is not None and newest.at > now() + AHEAD_MS:
        ahead = span(newest.at - now())
        return warn(
            "log", f"its newest event is {ahead} in the future", "Set the clocks right: approvals expire by them."
        )
    return ok("log", f"{view.seq} events without a gap, id {session.log.id}")


def _gateways(session: Session, found: list[Gateway]) -> list[Finding]:
    findings = []
    for gateway in found:
        about = f"gateway {gateway.replica.id}"
        if gateway.answers and gateway.state == "ready":
            findings.append(ok(about, f"ready at {gateway.replica.endpoint}"))
        elif gateway.answers:
            findings.append(fail(about, gateway.state, "See what its log says."))
        else:
            todo = "Start it again; calls that it was running are settled by then."
            findings.append(warn(about, f"{gateway.replica.endpoint}: {gateway.state}", todo))
    if session.view.config.differs and any(gateway.answers for gateway in found):
        text = "the gateways decide with different configurations"
        findings.append(warn("configuration", text, "Restart those that have the old one."))
    return findings


def _servers(session: Session, living: list[Gateway]) -> Iterator[Finding]:
    for state in servers(session.view, living):
        about = f"server {state.upstream}"
        where = f"on {state.replica}"
        if state.connected:
            yield ok(about, f"connected, {state.tools} tools, {where}")
        elif state.crash_loop:
            todo = "Run its command from mcps.json by hand, and look into the gateway's log for what it prints."
            yield fail(about, f"fails again and again ({state.failures} times) {where}: {state.reason}", todo)
        else:
            yield warn(about, f"not connected {where}: {state.reason}", "It is tried again by itself.")


def _lock(session: Session) -> Iterator[Finding]:
    lock = session.view.locked
    if lock is not None:
        yield warn("lock", f"{lock.by} locked everything: every call is denied", "`portero unlock` ends it.")
