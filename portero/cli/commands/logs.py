"""``portero logs``: what happened, from the audit log."""

import asyncio
from collections.abc import Callable

import click

from portero.cli import shapes
from portero.cli.complete import any_tasks, tool_names
from portero.cli.output import Output, json_option
from portero.cli.params import DURATION, PATTERN
from portero.cli.session import Session, find_call, in_session
from portero.cli.text import visible
from portero.cli.times import clock, iso, now, span
from portero.cli.words import event_word, who
from portero.domain.patterns import Pattern
from portero.errors import LogDivergence
from projections.activity import Entry

Filter = Callable[[Entry], bool]


@click.command(short_help="What happened, from the audit log.")
@click.option("--follow", "-f", is_flag=True, help="Go on with what happens from now on, until Ctrl-C.")
@click.option("--limit", "-n", type=click.IntRange(min=0), default=50, show_default=True, help="At most so many.")
@click.option("--since", type=DURATION, metavar="TIME", help="Only the last 10m, 2h, 1d …")
@click.option("--tool", type=PATTERN, shell_complete=tool_names, help="Only calls of matching tools.")
@click.option("--client", metavar="NAME", help="Only calls of this client.")
@click.option("--task", shell_complete=any_tasks, help="Only this call.")
@click.option("--type", "types", multiple=True, metavar="EVENT", help="Only these events, such as CallApproved.")
@click.option("--by", metavar="TEXT", help="Only what somebody with this in their name did.")
@click.option("--errors", is_flag=True, help="Only what went wrong.")
@json_option
def logs(
    *,
    follow: bool,
    limit: int,
    since: int | None,
    tool: str | None,
    client: str | None,
    task: str | None,
    types: tuple[str, ...],
    by: str | None,
    errors: bool,
    out: Output,
) -> None:
    """Shows what happened, oldest first: calls, decisions, results, grants, rules, servers, gateways.

    A call that was allowed has one line, when it ends. With --json every line is an object of its own.
    `portero show TASK` has the whole history of one call.
    """

    async def run(session: Session) -> None:
        wanted = _all_of(
            _since(since),
            _tool(tool),
            (lambda entry: entry.client == client) if client else None,
            _aggregate(f"call/{find_call(session.view, task).id}") if task else None,
            (lambda entry: entry.type in types) if types else None,
            (lambda entry: by.lower() in str(entry.actor).lower()) if by else None,
            (lambda entry: entry.is_error) if errors else None,
        )
        found = session.view.activity.recent(limit, where=wanted)[::-1]
        _print(out, found)
        if follow:
            await _follow(session, out, wanted)
        elif not found and out.terminal and not out.as_json:
            out.line("Nothing such has happened.")

    in_session(run)


async def _follow(session: Session, out: Output, wanted: Filter) -> None:
    """Prints what comes, for ever; raises LogDivergence when the log is no longer the one that was followed."""
    news = asyncio.Event()
    shown = session.view.seq
    session.view.subscribe(lambda _recorded: news.set())
    while True:
        if session.log.diverged is not None:
            raise LogDivergence(str(session.log.diverged))
        try:
            async with asyncio.timeout(2.0):
                await news.wait()
        except TimeoutError:
            continue
        news.clear()
        entries = session.view.activity.since(shown)
        shown = session.view.seq
        _print(out, [entry for entry in entries if wanted(entry)])


def _print(out: Output, entries: list[Entry]) -> None:
    for entry in entries:
        if out.as_json:
            out.record(shapes.entry(entry))
        else:
            out.line(line(entry, terminal=out.terminal))


def line(entry: Entry, *, terminal: bool) -> str:
    """One entry as a line: in columns on a terminal, tab-separated elsewhere."""
    kind, _, identity = entry.aggregate.partition("/")
    word = event_word(entry.type, entry.action) + (
        " (error)" if entry.is_error and entry.type == "ExecutionSucceeded" else ""
    )
    detail = ", ".join(part for part in (entry.detail, span(entry.duration_ms) if entry.duration_ms else None) if part)
    task = identity if kind == "call" else ""
    cells = [visible(cell) for cell in (word, entry.subject, who(entry.actor, entry.client), detail, task)]
    if not terminal:
        return "\t".join([iso(entry.at), *cells])
    word, subject, actor, detail, task = cells
    rest = "  ".join(part for part in (actor, detail, task) if part)
    return f"{clock(entry.at)}  {word:<17} {subject:<30} {rest}"


def _all_of(*filters: Filter | None) -> Filter:
    wanted = [one for one in filters if one is not None]
    return lambda entry: all(one(entry) for one in wanted)


def _since(milliseconds: int | None) -> Filter | None:
    if milliseconds is None:
        return None
    start = now() - milliseconds
    return lambda entry: entry.at >= start


def _tool(pattern: str | None) -> Filter | None:
    if pattern is None:
        return None
    parsed = Pattern.parse(pattern)
    return lambda entry: entry.aggregate.startswith("call/") and parsed.matches_name(entry.subject)


def _aggregate(aggregate: str) -> Filter:
    return lambda entry: entry.aggregate == aggregate
