"""What has come of a call, as an error for its client and as a number for the operator."""

from typing import Any, Final

from msgspec import Raw

from handlers.calls.outcomes import Done, Failed
from handlers.calls.requests import Answer, Pending, Refused
from portero.errors import (
    HEADER_MISMATCH,
    INTERNAL_ERROR,
    INVALID_PARAMS,
    OUTCOME_UNKNOWN,
    RESOURCE_NOT_FOUND,
    UNSUPPORTED_VERSION,
    CallError,
    RpcError,
)
from portero.telemetry import count_call

MODERN_CODES: Final = {
    RESOURCE_NOT_FOUND: INVALID_PARAMS,
    -32042: INTERNAL_ERROR,  # of 2025-11-25 only
    HEADER_MISMATCH: INTERNAL_ERROR,  # what goes wrong between Portero and an upstream is not between us and the client
    UNSUPPORTED_VERSION: INTERNAL_ERROR,
}
"""Codes of upstreams that would tell a modern client something else."""


def failure(answer: Failed, *, modern: bool) -> RpcError:
    code = answer.code
    if modern:
        code = MODERN_CODES.get(code, code)
    data: Any = Raw(answer.data) if answer.data is not None else None
    if data is None and code == OUTCOME_UNKNOWN:
        data = {"task_id": answer.call}
    return CallError(code, answer.message, data)


def count(server: str, answer: Answer) -> None:
    if isinstance(answer, Done):
        count_call(server, "allow", "ok")
    elif isinstance(answer, Pending):
        count_call(server, "require-approval", "pending")
    elif isinstance(answer, Refused):
        count_call(server, "deny", "refused")
    else:
        count_call(server, "allow", "unknown" if answer.code == OUTCOME_UNKNOWN else "error")
