"""``portero grant | revoke``: tools that run without asking, for a while."""

import click

from portero.cli import shapes
from portero.cli.complete import grant_ids, tool_names
from portero.cli.effect import tell_allowed
from portero.cli.output import Output, json_option
from portero.cli.params import DURATION, PATTERN
from portero.cli.session import Session, in_session
from portero.cli.text import visible
from portero.cli.times import clock, span
from portero.domain.ids import ClientId, GrantId


@click.command(short_help="Let matching tools run without asking, for a while.")
@click.argument("pattern", type=PATTERN, shell_complete=tool_names)
@click.argument("duration", type=DURATION)
@click.argument("uses", type=click.IntRange(min=1), required=False)
@click.option("--client", metavar="NAME", help="Only for this client's calls.")
@json_option
def grant(pattern: str, duration: int, uses: int | None, client: str | None, out: Output) -> None:
    """Lets tools that match PATTERN run without asking for DURATION (45s, 30m, 2h30m, 2d), at most USES times.

    A PATTERN is SERVER/TOOL, with * for any part: github/create_issue, 'github/*', '*'. A grant never lifts a denial.
    """

    async def run(session: Session) -> None:
        issued = await session.decisions.grant(
            pattern, duration, session.by, uses=uses, client=ClientId(client) if client else None
        )
        await session.catch_up()
        state = session.view.grants.get(issued)
        if out.as_json:
            out.document(shapes.grant(state) if state else {"grant_id": issued})
            return
        limit = f", at most {uses} times" if uses else ""
        out.line(f"Grant {issued}: {visible(pattern)} runs without asking for {span(duration)}{limit}.")
        if state is not None:
            out.line(f"It ends on {clock(state.expires_at)}, or with `portero revoke {issued}`.")
        tell_allowed(out, session.view, pattern, "a grant does not lift that.")

    in_session(run)


@click.command(short_help="End a grant, or all of them.")
@click.argument("grant_id", metavar="[ID]", required=False, shell_complete=grant_ids)
@json_option
def revoke(grant_id: str | None, out: Output) -> None:
    """Ends the grant ID, or without an ID every active grant. From then on those tools are asked for again."""

    async def run(session: Session) -> None:
        ended = await session.decisions.revoke(GrantId(grant_id) if grant_id else None, session.by)
        if out.as_json:
            out.document({"count": len(ended), "revoked": list(ended)})
        elif not ended:
            out.line("No grant was active.")
        else:
            out.line(f"Ended: {', '.join(ended)}.")

    in_session(run)
