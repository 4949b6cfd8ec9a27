"""What a client was told, in a word: the same few outcomes, whatever the era and however it was said."""

import json
from collections.abc import Mapping
from typing import Any

import attrs

LOG_UNAVAILABLE, UPSTREAM_UNAVAILABLE, OUTCOME_UNKNOWN = 4503, 4502, 4504
CANCELLED, INTERNAL, INVALID = -32800, -32603, -32602


@attrs.frozen
class Told:
    """``kind`` of the answer to a call:

    done (with the tool's own result), pending (a person is asked; ``task``), refused (by policy), unsent (nothing was
    executed), unknown (it may have happened), failed (an error in between), cancelled, broken (Portero itself failed).
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
        return Told("unknown" if "The call was sent" in message else "unsent", text=message)
    if code == UPSTREAM_UNAVAILABLE:
        return Told("unsent" if "nothing was sent" in message else "failed", text=message)
    if code == OUTCOME_UNKNOWN:
        return Told("unknown", text=message)
    if code == CANCELLED:
        return Told("cancelled", text=message)
    return Told("unsent" if code == INVALID else "failed", text=message)


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
