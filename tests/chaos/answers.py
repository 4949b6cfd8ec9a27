"""What a client was told, in a word: the same few outcomes, whatever the era and however it was said."""

import json
from collections.abc import Mapping
from typing import Any

import attrs

LOG_UNAVAILABLE, OUTCOME_UNKNOWN = 4503, 4504
CANCELLED, INTERNAL, INVALID = -32800, -32603, -32602


@attrs.frozen
class Told:
    """``kind`` of the answer to a call:

    done (with the tool's own result), pending (a person is asked; ``task``), refused (by policy), unsent (nothing was
    executed), unsaid (it may not even have been taken), unknown (it may have happened), failed (an error in between),
    cancelled, broken (Portero itself failed).
    """

    kind: str
    task: str = ""
    text: str = ""


def of_call(answer: Mapping[str, Any]) -> Told:
    """The JSON-RPC answer to ``tools/call``."""
    error = answer.get("error")
    if error is not None:
        return _of_error(error["code"], error["message"])
    result = answer["result"]
    if result.get("resultType") == "task":
        return Told("pending", result["taskId"])
    text = result["content"][0]["text"]
    if result.get("isError") and "was not run" in text:
        return Told("refused", text=text)
    shown = _object(text)
    if shown.get("status") == "pending-approval":
        return Told("pending", shown["task_id"], text)
    return Told("done", text=text)


def _of_error(code: int, message: str) -> Told:
    if code == 0 or "failed on this request" in message:
        return Told("broken", text=message)
    if code == LOG_UNAVAILABLE:
        kind = next((kind for words, kind in LOG_AWAY.items() if words in message), "unsent")
    elif code == OUTCOME_UNKNOWN:
        kind = "unknown"
    elif "nothing was sent" in message or "was not run" in message:
        kind = "unsent"
    else:
        kind = {CANCELLED: "cancelled", INVALID: "unsent"}.get(code, "failed")
    return Told(kind, text=message)


LOG_AWAY = {"not known whether the call was taken": "unsaid", "The call was sent": "unknown"}


ENDED_TASKS = {"cancelled": "cancelled", "failed": "error"}


def status_of_task(answer: Mapping[str, Any]) -> str | None:
    """Where a poll says that a task stands, in the words of ``check_task``; None when it was not said.

    ``working`` of the tasks extension is any of the open statuses; "unknown-task" and "broken" are of our own.
    """
    error = answer.get("error")
    if error is not None:
        if _of_error(error["code"], error["message"]).kind == "broken":
            return "broken"
        return "unknown-task" if "no such task" in error["message"] else None
    result = answer["result"]
    if "taskId" in result:
        return _of_extension(result)
    shown = _object(result["content"][0]["text"])
    if "task_id" in shown and "status" in shown:
        return str(shown["status"])
    return "completed"


def _of_extension(result: Mapping[str, Any]) -> str:
    status = result["status"]
    if status != "completed":
        return str(ENDED_TASKS.get(status, status))
    text = str(result["result"]["content"][0]["text"])
    for beginning, meant in TEXTS.items():
        if text.startswith(beginning):
            return meant
    return "completed"


TEXTS = {
    "A person denied it": "denied",
    "Nobody approved it": "expired",
    "It was approved, but could not run": "expired",
    "It is not known": "outcome-unknown",
}
"""A denial, an expiry and a lost outcome are completed tasks, whose result says so."""


def _object(text: str) -> Mapping[str, Any]:
    try:
        found = json.loads(text)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
