"""What ``--json`` prints: the field names of the virtual tools, and the same style for everything they do not have."""

from typing import Any

from portero.cli.times import iso
from portero.domain.call import Call
from portero.domain.grant import Grant
from portero.domain.ids import Seq
from portero.domain.rule import Rule
from portero.domain.values import Actor, Reason, Status
from portero.gateway.calls.taskids import task_id
from portero.gateway.texts import error_message
from projections.activity import Entry

Shape = dict[str, Any]


def task(call: Call) -> Shape:
    """As ``portero/list_tasks`` shows it, and ``client``."""
    shape: Shape = {
        "task_id": task_id(call.id, Seq(call.last_seq)),
        "toolName": call.tool,
        "status": call.status.value,
        "createdAt": iso(call.requested_at),
        "client": call.client,
    }
    for name, at in (("approvedAt", call.approved_at), ("executedAt", call.started_at), ("checkedAt", call.read_at)):
        if at is not None:
            shape[name] = iso(at)
    shape["hasResult"] = call.status is Status.COMPLETED and call.result_blob is not None
    if call.questions:
        shape["asksItsClient"] = [question.method for question in call.questions]
    if call.status in {Status.ERROR, Status.UNKNOWN}:
        shape["error"] = error_message(call)
    return shape


def waiting(call: Call, arguments: str) -> Shape:
    """A task that waits; ``argumentsText`` is the JSON text that will be sent, value for value."""
    shape = task(call) | {"argumentsText": arguments, "policy": reason(call.reason)}
    if call.expires_at is not None:
        shape["expiresAt"] = iso(call.expires_at)
    return shape


def reason(given: Reason | None) -> Shape | None:
    if given is None:
        return None
    shape: Shape = {"tier": given.tier.value}
    for name, value in (("pattern", given.pattern), ("rule", given.rule), ("grant", given.grant)):
        if value is not None:
            shape[name] = value
    return shape


def actor(given: Actor) -> Shape:
    return {"kind": given.kind, "id": given.id, "name": str(given)}


def grant(given: Grant) -> Shape:
    shape: Shape = {
        "grant_id": given.id,
        "pattern": given.pattern,
        "literal": given.literal,
        "expiresAt": iso(given.expires_at),
        "by": actor(given.by),
    }
    for name, value in (("client", given.client), ("usesLeft", given.uses_left)):
        if value is not None:
            shape[name] = value
    return shape


def rule(given: Rule) -> Shape:
    return {
        "rule_id": given.id,
        "pattern": given.pattern,
        "literal": given.literal,
        "policy": given.action.value if given.action else None,
        "by": actor(given.by),
        "setAt": iso(given.at),
    }


def entry(given: Entry) -> Shape:
    """A line of ``portero logs``."""
    kind, _, identity = given.aggregate.partition("/")
    shape: Shape = {
        "seq": given.seq,
        "at": iso(given.at),
        "type": given.type,
        "subject": given.subject,
        "by": actor(given.actor),
    }
    optional = {
        "task_id": identity if kind == "call" else None,
        "client": given.client,
        "policy": given.action.value if given.action else None,
        "detail": given.detail,
        "durationMs": given.duration_ms,
    }
    shape |= {name: value for name, value in optional.items() if value is not None}
    if given.is_error:
        shape["isError"] = True
    return shape
