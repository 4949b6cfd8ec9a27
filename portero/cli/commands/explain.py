"""``portero explain TOOL``: what decides, and what it beat."""

import click

from portero.cli import shapes
from portero.cli.complete import tool_names
from portero.cli.output import Output, json_option
from portero.cli.place import load_settings
from portero.cli.session import Session, in_session
from portero.cli.text import visible
from portero.cli.times import clock, now
from portero.cli.words import marks, reason_words
from portero.domain.patterns import Pattern
from portero.domain.policy import FOREVER, Verdict, decide_policy
from portero.domain.policy_index import renamed
from portero.domain.values import Action
from portero.errors import Invalid

MEANS = {
    Action.ALLOW: "runs at once",
    Action.DENY: "is refused at once",
    Action.ASK: "waits for a person's approval",
}


@click.command(short_help="What decides about a tool, and what it overrides.")
@click.argument("tool", shell_complete=tool_names)
@click.option("--client", metavar="NAME", help="For this client: grants may be for one client only.")
@json_option
def explain(tool: str, client: str | None, out: Output) -> None:
    """Says what happens when TOOL (SERVER/TOOL) is called now, what decides that, and what it beat.

    Rules, grants and the lock come from the log, patterns from the policies.json of this directory.
    """
    if "/" not in tool and "__" in tool:
        tool = tool.replace("__", "/", 1)
    try:
        Pattern.literal(tool)
    except Invalid as error:
        raise click.UsageError(str(error)) from error
    settings = load_settings()

    async def run(session: Session) -> None:
        view = session.view
        verdict = decide_policy(
            tool,
            client,
            config=settings.policy,
            rules=renamed(view.rules, settings.replacer.stored_text),
            grants=view.grants,
            locked=view.locked is not None,
            now=now(),
        )
        known = dict(view.upstreams.tools()).get(tool)
        loaded = view.config.newest()
        stale = loaded is not None and loaded.config.policies != settings.policy.digest
        if out.as_json:
            out.document(_shape(tool, verdict, known=known is not None, stale=stale))
            return
        out.line(f"{visible(tool)}: {verdict.action.value}. A call {MEANS[verdict.action]}.")
        out.line(f"Decided by {visible(reason_words(verdict.reason))}.")
        if verdict.until < FOREVER:
            out.line(f"That holds until {clock(verdict.until)}; then it is decided again.")
        if verdict.beaten:
            out.line()
            rows = [(beaten.action.value, reason_words(beaten.reason), beaten.why) for beaten in verdict.beaten]
            out.table(("Beaten", "Which", "Why"), rows, empty="")
        out.line()
        if known is None:
            out.line("No server that is known now offers a tool of this name; a call of it is refused as unknown.")
        else:
            out.line(f"The server says of it: {marks(known.facts)} (nobody has checked that).")
        if stale:
            out.line(
                "The running gateway decides with another policies.json than the one here: restart it to use this one."
            )

    in_session(run)


def _shape(tool: str, verdict: Verdict, *, known: bool, stale: bool) -> shapes.Shape:
    return {
        "toolName": tool,
        "policy": verdict.action.value,
        "reason": shapes.reason(verdict.reason),
        "known": known,
        "configurationIsStale": stale,
        "beaten": [
            {"policy": beaten.action.value, "reason": shapes.reason(beaten.reason), "why": beaten.why}
            for beaten in verdict.beaten
        ],
    }
