"""``portero lock | unlock``: the emergency stop."""

import click

from portero.cli.output import Output, json_option
from portero.cli.session import Session, in_session
from portero.cli.text import visible
from portero.cli.times import clock


@click.command(short_help="Deny everything at once and freeze approvals.")
@click.option("--reason", metavar="TEXT", help="Why, for the log and for other people.")
@json_option
def lock(reason: str | None, out: Output) -> None:
    """Denies every call on every gateway from now on, and freezes approvals, until `portero unlock`.

    Approved calls that have not started wait, and run once it is unlocked, unless they are cancelled or expire.
    Calls that an upstream works on already are not stopped; `portero cancel` does that.
    """

    async def run(session: Session) -> None:
        before = session.view.locked
        await session.decisions.lock(session.by, reason=reason)
        running = session.view.calls.executing()
        if out.as_json:
            out.document({"locked": True, "changed": before is None, "executing": [call.id for call in running]})
        elif before is not None:
            out.line(f"It is locked already, by {visible(before.by)} since {clock(before.at)}.")
        else:
            out.line("Locked: every call is denied and approvals are frozen, until `portero unlock`.")
            for call in running:
                out.line(f"Still running: {visible(call.tool)}; `portero cancel {call.id}` stops it.")

    in_session(run)


@click.command(short_help="End the lock.")
@json_option
def unlock(out: Output) -> None:
    """Ends the lock; policies decide again."""

    async def run(session: Session) -> None:
        before = session.view.locked
        await session.decisions.unlock(session.by)
        if out.as_json:
            out.document({"locked": False, "changed": before is not None})
        else:
            out.line("Unlocked: policies decide again." if before is not None else "It was not locked.")

    in_session(run)
