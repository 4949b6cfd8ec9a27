"""``portero tasks``: the calls that a person was asked about."""

import click

from portero.cli import shapes
from portero.cli.output import Output, json_option
from portero.cli.session import Session, in_session
from portero.cli.times import ago, iso, now
from portero.domain.ids import ClientId
from portero.domain.values import Status
from projections.lines import in_short


@click.command(short_help="The calls that were asked for, newest first.")
@click.option("--status", type=click.Choice([s.value for s in Status if s is not Status.REQUESTED]), help="Only these.")
@click.option("--client", metavar="NAME", help="Only this client's.")
@click.option("--limit", type=click.IntRange(min=1), default=20, show_default=True, help="At most so many.")
@json_option
def tasks(status: str | None, client: str | None, limit: int, out: Output) -> None:
    """Lists the calls that a person was asked about, newest first."""

    async def run(session: Session) -> None:
        calls = session.view.calls.recent(
            ClientId(client) if client else None, Status(status) if status else None, limit
        )
        if out.as_json:
            out.document({"count": len(calls), "tasks": [shapes.task(call) for call in calls]})
            return
        moment = now()
        rows = [
            (
                call.id,
                call.tool,
                call.client,
                in_short(call) if out.terminal else call.status.value,
                ago(call.requested_at, moment) if out.terminal else iso(call.requested_at),
                call.decided_by or "",
            )
            for call in calls
        ]
        out.table(("Task", "Tool", "Client", "Status", "Asked", "Decided by"), rows, empty="There are no such tasks.")

    in_session(run)
