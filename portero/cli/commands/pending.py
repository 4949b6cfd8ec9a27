"""``portero pending``: what waits for a person."""

import click

from portero.cli import shapes
from portero.cli.arguments import arguments_of
from portero.cli.output import Output, json_option
from portero.cli.session import Session, in_session
from portero.cli.text import compact_json, one_line, visible
from portero.cli.times import ago, iso, left, now

ARGUMENTS_WIDTH = 60


@click.command(short_help="The calls that wait for a decision.")
@json_option
def pending(out: Output) -> None:
    """Lists the calls that wait for a decision, oldest first. `portero show TASK` shows every argument of one."""

    async def run(session: Session) -> None:
        calls = session.view.calls.pending()
        texts = [await arguments_of(session.log, call) for call in calls]
        if out.as_json:
            tasks = [shapes.waiting(call, text) for call, text in zip(calls, texts, strict=True)]
            out.document({"count": len(tasks), "tasks": tasks})
            return
        moment = now()
        rows = []
        for call, text in zip(calls, texts, strict=True):
            asked, expires = call.requested_at, call.expires_at or call.requested_at
            if out.terminal:
                cut = one_line(compact_json(text), ARGUMENTS_WIDTH)
                rows.append((call.id, call.tool, call.client, cut, ago(asked, moment), left(expires, moment)))
            else:
                rows.append((call.id, call.tool, call.client, compact_json(text), iso(asked), iso(expires)))
        out.table(
            ("Task", "Tool", "Client", "Arguments", "Asked", "Expires"), rows, empty="Nothing waits for a decision."
        )
        if out.terminal and calls:
            out.line(f"\nEvery argument: portero show {calls[0].id}   Decide: portero approve | reject {calls[0].id}")
        if out.terminal and session.view.locked is not None:
            out.line(
                f"Approvals are frozen: {visible(session.view.locked.by)} locked everything; see `portero unlock`."
            )

    in_session(run)
