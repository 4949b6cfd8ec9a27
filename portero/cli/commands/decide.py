"""``portero approve | reject | cancel | resolve``: one decision on one call."""

from collections.abc import Awaitable, Callable

import click

from handlers.people.decisions import Decided
from portero.cli import shapes
from portero.cli.complete import open_tasks, pending_tasks, unknown_tasks
from portero.cli.exits import Exit
from portero.cli.output import Output, json_option
from portero.cli.params import DURATION
from portero.cli.session import Session, find_call, in_session
from portero.cli.text import visible
from portero.cli.times import ago, clock, iso, now
from portero.cli.vitals import any_gateway
from portero.cli.words import DECIDED
from portero.domain.call import Call
from portero.domain.ids import Millis
from portero.domain.values import Resolution, Status
from portero.errors import AlreadyDecided

NO_GATEWAY = "No gateway is running now; the call runs when one is started (`portero serve`)."


@click.command(short_help="Let a waiting call run.")
@click.argument("task", shell_complete=pending_tasks)
@click.option(
    "--grant", "grant_ms", type=DURATION, metavar="TIME", help="Also let this one tool run unasked for 10m, 1h …"
)
@click.option("--always", is_flag=True, help="Also let this one tool run unasked from now on (a rule).")
@json_option
def approve(task: str, grant_ms: int | None, always: bool, out: Output) -> int:
    """Lets the waiting call TASK run.

    Exit code 0: this command approved it. 3: it was decided before, by whom and when is printed. 4: no such task.
    """
    if grant_ms is not None and always:
        raise click.UsageError("Choose one: --grant for a while, or --always.")

    async def act(session: Session, call: Call) -> Decided:
        return await session.decisions.approve(call.id, session.by, grant_ms=grant_ms, always=always)

    return _decide(task, out, "Approved", act)


@click.command(short_help="Refuse a waiting call.")
@click.argument("task", shell_complete=pending_tasks)
@click.option("--reason", metavar="TEXT", help="Told to the client, so that the model knows why.")
@click.option("--always", is_flag=True, help="Also never let this one tool run from now on (a rule).")
@json_option
def reject(task: str, reason: str | None, always: bool, out: Output) -> int:
    """Refuses the waiting call TASK.

    Exit code 0: this command refused it. 3: it was decided before, by whom and when is printed. 4: no such task.
    """
    return _decide(task, out, "Rejected", lambda s, call: s.decisions.deny(call.id, s.by, reason=reason, always=always))


@click.command(short_help="Stop a call that has not ended.")
@click.argument("task", shell_complete=open_tasks)
@click.option("--reason", metavar="TEXT", help="Told to the client.")
@json_option
def cancel(task: str, reason: str | None, out: Output) -> int:
    """Stops the call TASK. One that has not started never starts; one that runs is told to stop, and may have happened.

    Exit codes as with approve.
    """
    return _decide(task, out, "Cancelled", lambda s, call: s.decisions.cancel(call.id, s.by, reason=reason))


@click.command(short_help="Say what became of a call whose outcome is unknown.")
@click.argument("task", shell_complete=unknown_tasks)
@click.argument("outcome", type=click.Choice([resolution.value for resolution in Resolution]))
@json_option
def resolve(task: str, outcome: str, out: Output) -> int:
    """Settles the call TASK, whose answer was lost. Look at the server itself, then say what happened.

    happened: it took effect. not-happened: it did not, and is left so. run-again: send it once more.
    Exit codes as with approve.
    """
    return _decide(task, out, "Settled", lambda s, call: s.decisions.resolve(call.id, s.by, Resolution(outcome)))


Act = Callable[[Session, Call], Awaitable[Decided]]


def _decide(task: str, out: Output, done: str, act: Act) -> int:
    async def run(session: Session) -> int:
        call = find_call(session.view, task)
        try:
            decided = await act(session, call)
        except AlreadyDecided as error:
            return _too_late(out, call, error)
        await session.catch_up()
        _report(out, session, decided, done)
        return Exit.OK

    return in_session(run)


def _report(out: Output, session: Session, decided: Decided, done: str) -> None:
    call = session.view.calls.get(decided.call)
    tool = call.tool if call else "?"
    if out.as_json:
        shape = {"task_id": decided.call, "toolName": tool, "status": decided.status.value, "decided": True}
        extra = {"by": str(session.by), "grant_id": decided.grant, "rule_id": decided.rule}
        out.document(shape | {name: value for name, value in extra.items() if value is not None})
        return
    out.line(f"{done}: {visible(tool)}, task {decided.call}.")
    grant = session.view.grants.get(decided.grant) if decided.grant else None
    if grant is not None:
        out.line(f"Grant {grant.id}: this tool runs without asking until {clock(grant.expires_at)}.")
        out.line(f"`portero revoke {grant.id}` ends that.")
    if decided.rule is not None:
        out.line(f"Rule {decided.rule} holds for this tool from now on. `portero unrule {decided.rule}` removes it.")
    if decided.status is Status.QUEUED and not any_gateway(session.view):
        out.line(NO_GATEWAY)


def _too_late(out: Output, call: Call, error: AlreadyDecided) -> int:
    if out.as_json:
        shape: shapes.Shape = {"task_id": call.id, "toolName": call.tool, "status": error.status, "decided": False}
        shape |= {"by": error.by} if error.by else {}
        out.document(shape | ({"at": iso(Millis(error.at))} if error.at is not None else {}))
        return Exit.ALREADY_DECIDED
    status = DECIDED.get(error.status, error.status)
    by = f", by {visible(error.by)}" if error.by else ""
    when = f" on {clock(error.at)}, {ago(error.at, now())}" if error.at is not None else ""
    out.line(f"Nothing changed: task {call.id} ({visible(call.tool)}) is {status} already{by}{when}.")
    return Exit.ALREADY_DECIDED
