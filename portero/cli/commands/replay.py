"""``portero replay``: the state, rebuilt from archive and log alone."""

import time

import click

from portero.cli.exits import Exit
from portero.cli.output import Output, json_option
from portero.cli.session import Session, in_session
from projections import View


@click.command(short_help="Rebuild the state from archive and log, and compare.")
@json_option
def replay(out: Output) -> int:
    """Reads the whole log, builds the state from nothing, and compares it with the state that gateways start from.

    What is not in the store any more is read from the archive.
    Exit code 1 when they differ or when events are missing. Changes nothing.
    """
    return in_session(lambda session: _replay(session, out))


async def _replay(session: Session, out: Output) -> int:
    session.following.cancel()  # from here on the view stays at one position, and can be compared
    end = session.view.seq
    started = time.monotonic()
    rebuilt = View()
    async for batch in session.log.read():
        rebuilt.apply([recorded for recorded in batch if recorded.seq <= end])
        if rebuilt.seq >= end:
            break
    seconds = time.monotonic() - started
    digests = (rebuilt.digest(), session.view.digest())
    same = rebuilt.seq == end and digests[0] == digests[1]
    if out.as_json:
        out.document(
            {"equal": same, "events": end, "seconds": round(seconds, 3), "rebuilt": digests[0], "current": digests[1]}
        )
    else:
        out.line(f"{end} events, read and folded in {seconds:.2f} s.")
        out.line(f"From the log alone:  {digests[0]}")
        out.line(f"As gateways have it: {digests[1]}")
        out.line(
            "They are the same."
            if same
            else "They DIFFER. Keep the log, and report this: a gateway decides on the second."
        )
    return Exit.OK if same else Exit.FAILED
