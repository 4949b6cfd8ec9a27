"""How Portero's own tools present themselves to models."""

from typing import Any, Final

from portero.domain.values import Status
from portero.gateway.calls.tasks import MAX_WAIT_SECONDS

MAX_TASKS: Final = 100
SHOWN_STATUSES: Final = tuple(status.value for status in Status if status is not Status.REQUESTED)


def _schema(properties: dict[str, Any], *required: str) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "object", "properties": properties, "additionalProperties": False}
    if required:
        schema["required"] = list(required)
    return schema


_READS: Final = {"readOnlyHint": True, "openWorldHint": False}

SEARCH_TOOLS: Final = {
    "title": "Search tools",
    "description": (
        "Find tools of all connected servers, also those that are not listed, with their input schema and policy "
        "(allow: runs at once; require-approval: a person is asked first; deny: is not run). Call what you find by its "
        "name, or through portero/call."
    ),
    "inputSchema": _schema(
        {
            "query": {"type": "string", "description": "Words to look for in names and descriptions."},
            "category": {
                "type": "string",
                "description": (
                    "filesystem, google, gmail, calendar, drive, email, stripe, or any other word: that is looked for."
                ),
            },
        }
    ),
    "annotations": _READS,
}

CALL: Final = {
    "title": "Call a tool",
    "description": "Call any tool by its name, also one that is not listed. Same as calling it directly.",
    "inputSchema": _schema(
        {
            "tool": {"type": "string", "description": "Name as in portero/search_tools, such as github/create_issue."},
            "args": {"type": "object", "description": "The tool's own arguments."},
        },
        "tool",
    ),
}

CHECK_TASK: Final = {
    "title": "Check a task",
    "description": (
        "See how a call stands that had to be approved by a person, and get its result when it has run. "
        "wait_seconds waits for the end."
    ),
    "inputSchema": _schema(
        {
            "task_id": {"type": "string", "description": "The task_id of the pending answer."},
            "wait_seconds": {
                "type": "number",
                "minimum": 0,
                "maximum": MAX_WAIT_SECONDS,
                "description": "How long to wait for the outcome.",
            },
        },
        "task_id",
    ),
    "annotations": _READS,
}

LIST_TASKS: Final = {
    "title": "List tasks",
    "description": "The calls that had to be approved by a person, newest first.",
    "inputSchema": _schema(
        {
            "status": {"type": "string", "enum": list(SHOWN_STATUSES)},
            "limit": {"type": "integer", "minimum": 1, "maximum": MAX_TASKS, "default": 20},
        }
    ),
    "annotations": _READS,
}
