"""What is looked at once more before a call starts that has waited: is it still what it was, and still wanted?"""

from handlers.calls.continued import denies
from handlers.calls.kept import Params
from handlers.calls.outcomes import error_text
from handlers.core import Core
from portero.domain.call import Call
from portero.domain.commands import Deny, RecordFailure
from portero.domain.grant import GrantEnd
from portero.domain.ids import Millis
from portero.domain.patterns import policy_name
from portero.domain.policy import Verdict
from portero.domain.values import SYSTEM, Action, Kind
from portero.errors import UPSTREAM_UNAVAILABLE
from portero.upstream import Catalogue


def refusal(core: Core, catalogue: Catalogue, state: Call, params: Params, now: Millis) -> Deny | RecordFailure | None:
    """Why a call that was approved, or allowed and had to wait, must not run after all; None: it may."""
    since = "approved" if state.asked else "requested"
    if params.gone is not None:
        return Deny(SYSTEM, f"{params.gone} Ask again.")
    name = policy_name(state.kind, state.upstream, state.name)
    verdict = core.decide_policy(name, state.client, now)
    if denies(verdict, state.kind):
        return Deny(SYSTEM, f"Denied by policy since it was {since}.", verdict.reason.rule)
    if verdict.action is Action.ASK and not _was_permitted(core, state, verdict, now):
        return Deny(SYSTEM, "It needs a person's approval since it was requested. Call it again to ask for that.")
    definition = ""
    if state.kind is Kind.TOOL:
        tool = catalogue.resolve(name)
        if tool is None:
            message = f"{state.upstream} is not connected or no longer has {state.name}; nothing was sent."
            return unsent(state, UPSTREAM_UNAVAILABLE, message)
        definition = tool.facts.definition
    if state.digest not in {"", params.digest(name, definition, core.replacer.digest)}:
        return Deny(SYSTEM, f"The tool or the replacements changed since it was {since}. Ask again.")
    return None


def _was_permitted(core: Core, state: Call, verdict: Verdict, now: Millis) -> bool:
    """By a person, also before it asked something, or by a grant of which it was the last use: that use is its own."""
    reason = state.reason
    if state.asked or let_run_by_a_person(state) or (reason is not None and reason.continues is not None):
        return True
    lifted = reason.grant if reason is not None else None
    grant = core.view.grants.get(lifted) if lifted is not None else None
    return grant is not None and grant.end is GrantEnd.USED_UP and now < grant.expires_at


def let_run_by_a_person(state: Call) -> bool:
    """Its outcome was lost, and a person said that it shall run again."""
    return state.resolved_by not in {None, SYSTEM}


def is_waited_for(state: Call) -> bool:
    """Its client waits for the end where it was asked for; what a person let run has all the time in the world."""
    return state.queued is not None and not let_run_by_a_person(state)


def unsent(state: Call, code: int, message: str) -> RecordFailure:
    return RecordFailure(state.attempt, error_text(code, message), sent=False, duration_ms=0)
