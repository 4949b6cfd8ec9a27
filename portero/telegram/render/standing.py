"""Where a call stands, in the first lines of its card: who decided, when, and what came of it."""

from collections.abc import Callable
from datetime import tzinfo
from typing import Final

import attrs

from portero.domain.call import Call
from portero.domain.values import SYSTEM, Actor, Resolution, Status
from portero.telegram.render import rich
from portero.telegram.render.facts import LINE, brief, error_line, result_line
from portero.telegram.render.rich import Rich
from portero.telegram.render.times import clock, span


@attrs.frozen
class Hour:
    """The time of looking, and where; ``zone`` None: that of the machine."""

    now: int
    zone: tzinfo | None

    def clock(self, moment: int) -> str:
        return clock(moment, self.now, self.zone)

    def at(self, moment: int | None) -> str:
        """`` at 11:00:00``, or `` on Mon 24 Nov, 11:00:00`` for another day."""
        if moment is None:
            return ""
        words = self.clock(moment)
        return f" {'at' if len(words) == len('11:00:00') else 'on'} {words}"


def standing(call: Call, hour: Hour, result: str | None) -> list[Rich]:
    """Lines; ``result`` is the JSON text of the result, wherever it is kept."""
    return _LINES[call.status](call, hour, result)


def who(actor: Actor | None) -> str:
    if actor is None:
        return "nobody"
    if actor.kind == "client":
        return f"client {brief(actor.id, 80)}"
    return brief(str(actor), 80) + (" on the command line" if actor.kind == "cli" else "")


def outcome_line(call: Call, result: str | None) -> Rich:
    """One line of what came of it, foreign text quoted."""
    words = result_line(result) if call.status is Status.COMPLETED else error_line(call.error)
    return rich.code(brief(words, LINE)) if words else ()


def _approved(call: Call, hour: Hour) -> Rich:
    if call.approved_by is None:
        return ()
    return rich.text(f"✅ Approved by {who(call.approved_by)}{hour.at(call.approved_at)}{_more(call)}")


def _more(call: Call) -> str:
    """What else the decision did."""
    decision = call.stopped or (call.approval.decision if call.approval else None)
    if decision is None:
        return ""
    if decision.grant is not None:
        return f", with grant {decision.grant} for this tool"
    if decision.rule is not None and decision.by != SYSTEM:
        return f", and {'allowed' if decision.approved else 'denied'} from now on by rule {decision.rule}"
    return ""


def _because(reason: str | None) -> Rich:
    return rich.join((rich.text("Reason: "), rich.code(brief(reason, LINE)))) if reason else ()


def _pending(call: Call, hour: Hour, result: str | None) -> list[Rich]:
    return [rich.bold("🔔 Approval needed")]


def _requested(call: Call, hour: Hour, result: str | None) -> list[Rich]:
    return [rich.bold("Requested")]


def _queued(call: Call, hour: Hour, result: str | None) -> list[Rich]:
    return [rich.bold("⏳ Approved, waiting to run"), _approved(call, hour)]


def _executing(call: Call, hour: Hour, result: str | None) -> list[Rich]:
    since = f" since {hour.clock(call.started_at)}" if call.started_at is not None else ""
    if call.questions:
        asked = ", ".join(dict.fromkeys(question.method for question in call.questions))
        waits = rich.join((rich.text("It waits for its client to answer: "), rich.code(brief(asked, LINE))))
        return [rich.bold(f"💬 Running{since}"), _approved(call, hour), waits]
    return [rich.bold(f"⚙️ Running{since}"), _approved(call, hour)]


def _completed(call: Call, hour: Hour, result: str | None) -> list[Rich]:
    if call.resolution is Resolution.HAPPENED:
        return _settled(call, hour, "It happened")
    took = span(call.duration_ms)
    if call.asks:
        head = rich.bold(f"💬 Asked its client for more after {took}")
        by = call.dialogue.continued_by if call.dialogue is not None else None
        then = f"The client has answered, and it went on as {by}." if by else "It goes on when the client has answered."
        return [head, _approved(call, hour), rich.text(then)]
    words = f"⚠️ The tool reported an error after {took}" if call.is_error else f"✅ Done in {took}"
    return [rich.bold(words), _approved(call, hour), outcome_line(call, result)]


def _failed(call: Call, hour: Hour, result: str | None) -> list[Rich]:
    if call.resolution is Resolution.NOT_HAPPENED:
        return _settled(call, hour, "It did not happen")
    words = f"❌ Failed after {span(call.duration_ms)}"
    return [rich.bold(words), _approved(call, hour), outcome_line(call, result)]


def _settled(call: Call, hour: Hour, words: str) -> list[Rich]:
    said = f"{words}, says {who(call.resolved_by)}{hour.at(call.resolved_at)}"
    return [rich.bold("☑️ Settled by hand"), _approved(call, hour), rich.text(said)]


def _denied(call: Call, hour: Hour, result: str | None) -> list[Rich]:
    if call.decision is None:
        return [rich.bold("⛔ Denied by policy")]
    head = f"⛔ Denied by {who(call.decided_by)}{hour.at(call.decided_at)}{_more(call)}"
    return [rich.bold(head), _because(call.denied_reason)]


def _expired(call: Call, hour: Hour, result: str | None) -> list[Rich]:
    why = "It could not run in time" if call.approved_by else "Nobody decided in time"
    return [
        rich.bold(f"⌛ Expired{hour.at(call.ended_at)}"),
        _approved(call, hour),
        rich.text(f"{why}; it was not run."),
    ]


def _cancelled(call: Call, hour: Hour, result: str | None) -> list[Rich]:
    head = f"🚫 Cancelled by {who(call.decided_by)}{hour.at(call.decided_at)}"
    late = rich.text("An answer came after that.") if call.late else ()
    return [rich.bold(head), _because(call.cancel_reason), late]


def _unknown(call: Call, hour: Hour, result: str | None) -> list[Rich]:
    doubt = rich.text("It was sent and its answer is lost: it may have happened. Look, then say what is true.")
    return [rich.bold("❓ Outcome unknown"), _approved(call, hour), doubt, _because(call.unknown_reason)]


_LINES: Final[dict[Status, Callable[[Call, Hour, str | None], list[Rich]]]] = {
    Status.REQUESTED: _requested,
    Status.PENDING: _pending,
    Status.QUEUED: _queued,
    Status.EXECUTING: _executing,
    Status.COMPLETED: _completed,
    Status.ERROR: _failed,
    Status.DENIED: _denied,
    Status.EXPIRED: _expired,
    Status.CANCELLED: _cancelled,
    Status.UNKNOWN: _unknown,
}
