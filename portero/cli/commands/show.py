"""``portero show TASK``: everything about one call."""

from typing import Any

import click

from portero.cli import shapes
from portero.cli.arguments import params_of
from portero.cli.complete import any_tasks
from portero.cli.history import history_of
from portero.cli.output import Output, json_option
from portero.cli.session import Session, find_call, in_session
from portero.cli.text import pretty_json, visible
from portero.cli.times import ago, clock, iso, left, now, span
from portero.cli.words import event_detail, event_word, marks, reason_words, standing, who
from portero.domain.call import Call
from portero.domain.call_parts import Question
from portero.domain.events import Recorded
from portero.domain.values import Status
from portero.gateway.texts import error_message
from projections.lines import SAID_TO_TASKS

RESULT_LINES = 20
NOT_KEPT = '"(no longer kept)"'


@click.command(short_help="One call: every argument, why it was asked, what happened.")
@click.argument("task", shell_complete=any_tasks)
@click.option("--result", "whole", is_flag=True, help="Show the result in full, however long.")
@json_option
def show(task: str, whole: bool, out: Output) -> None:
    """Shows the call TASK: every argument as it will be sent, with made-up data where real data is swapped in.

    Then why it was asked, what the server says of the tool, who decided, what came of it, and its history.
    """

    async def run(session: Session) -> None:
        call = find_call(session.view, task)
        arguments, extra = await params_of(session.log, call)
        result = await _result(session, call)
        history = await history_of(session.log, call)
        if out.as_json:
            out.document(_shape(call, arguments, extra, result, history))
            return
        out.fields(_fields(call))
        _section(out, "Arguments", pretty_json(arguments))
        if extra is not None:
            _section(out, "Also sent", pretty_json(extra))
        for question in call.questions:
            _section(out, f"Asks its client: {question.method}", pretty_json(await _question(session, question)))
        if result is not None:
            lines = pretty_json(result)
            more = len(lines) - RESULT_LINES
            cut = lines if whole or more <= 1 else [*lines[:RESULT_LINES], f"… {more} more lines: --result shows all"]
            _section(out, "Result", cut)
        _section(out, "History", [_line(recorded, call) for recorded in history])

    in_session(run)


def _fields(call: Call) -> list[tuple[str, object]]:
    moment = now()
    facts = call.facts
    expires = call.expires_at
    pairs: list[tuple[str, object]] = [
        ("Task", call.id),
        ("Tool", f"{call.tool} ({facts.title})" if facts.title else call.tool),
        ("It is", SAID_TO_TASKS.get(call.kind)),
        ("Client", call.client),
        ("Status", f"{call.status.value}: {standing(call)}"),
        ("Asked", f"{clock(call.requested_at)}, {ago(call.requested_at, moment)}"),
        ("Policy", f"{call.action.value if call.action else '?'}, by {reason_words(call.reason)}"),
    ]
    if call.asked:
        pairs.append(("Server says", f"{marks(facts)} (nobody has checked that)"))
    if expires is not None and call.status is Status.PENDING:
        pairs.append(("Expires", f"{clock(expires)}, {left(expires, moment)}"))
    return pairs + _decided(call) + _came_of_it(call)


def _decided(call: Call) -> list[tuple[str, object]]:
    if call.decided_at is None:
        return [("Message", _unsent(call))]
    by = call.decided_by or "time: nobody decided before it expired"
    return [
        ("Decided", f"{clock(call.decided_at)} by {by}"),
        ("Reason", call.denied_reason or call.cancel_reason),
        ("Grant", call.grant),
        ("Rule", call.rule),
    ]


def _unsent(call: Call) -> str | None:
    return f"could not be sent {call.notify_failures} times: {call.notify_error}" if call.notify_error else None


def _came_of_it(call: Call) -> list[tuple[str, object]]:
    pairs: list[tuple[str, object]] = []
    if call.started_at is not None:
        pairs.append(("Started", f"{clock(call.started_at)}, attempt {call.attempt}, on {call.replica}"))
    if call.duration_ms:
        pairs.append(("Took", span(call.duration_ms)))
    if call.status in {Status.ERROR, Status.UNKNOWN}:
        pairs.append(("Error", error_message(call)))
    if call.resolution is not None:
        pairs.append(("Settled", f"{call.resolution.value}, by {call.resolved_by}"))
    elif call.status is Status.UNKNOWN:
        pairs.append(("To settle", f"portero resolve {call.id} happened | not-happened | run-again"))
    return pairs


def _section(out: Output, title: str, lines: list[str]) -> None:
    """``lines`` are visible text already."""
    out.line()
    out.line(title)
    for line in lines:
        out.line(f"  {line}")


def _line(recorded: Recorded[Any], call: Call) -> str:
    word = event_word(recorded.type, call.action)
    actor = who(getattr(recorded.event, "by", None) or recorded.meta.actor, call.client)
    detail = event_detail(recorded.event) if recorded.event is not None else "(of a newer release)"
    return f"{clock(recorded.meta.at)}  {word:<16} {visible(actor)}  {visible(detail)}".rstrip()


def _shape(
    call: Call, arguments: str, extra: str | None, result: str | None, history: list[Recorded[Any]]
) -> shapes.Shape:
    shape = shapes.task(call) | {
        "policy": {"action": call.action.value if call.action else None, "reason": shapes.reason(call.reason)},
        "argumentsText": arguments,
    }
    optional = {
        "extraText": extra,
        "resultText": result,
        "expiresAt": iso(call.expires_at) if call.expires_at is not None else None,
        "decidedAt": iso(call.decided_at) if call.decided_at is not None else None,
        "decidedBy": shapes.actor(call.decided_by) if call.decided_by else None,
        "reason": call.denied_reason or call.cancel_reason,
        "grant_id": call.grant,
        "rule_id": call.rule,
        "resolution": call.resolution.value if call.resolution else None,
    }
    shape |= {name: value for name, value in optional.items() if value is not None}
    shape["history"] = [
        {
            "seq": recorded.seq,
            "at": iso(recorded.meta.at),
            "type": recorded.type,
            "by": shapes.actor(recorded.meta.actor),
            "detail": event_detail(recorded.event) if recorded.event is not None else None,
        }
        for recorded in history
    ]
    return shape


async def _question(session: Session, question: Question) -> str:
    found = await session.log.blob(question.blob)
    return found.decode() if found is not None else NOT_KEPT


async def _result(session: Session, call: Call) -> str | None:
    if call.result_blob is None:
        return None
    found = await session.log.blob(call.result_blob)
    return found.decode() if found is not None else NOT_KEPT
