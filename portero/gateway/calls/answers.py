"""What has come of a call, as an error for its client and as a number for the operator."""

from typing import Any, Final

from msgspec import Raw

from handlers.calls.outcomes import Done, Failed
from handlers.calls.requests import Answer, Pending, Refused
from portero.domain.ids import CallId
from portero.domain.values import Kind
from portero.errors import (
    HEADER_MISMATCH,
    INTERNAL_ERROR,
    INVALID_PARAMS,
    INVALID_REQUEST,
    METHOD_NOT_FOUND,
    OUTCOME_UNKNOWN,
    PARSE_ERROR,
    RESOURCE_NOT_FOUND,
    UNSUPPORTED_VERSION,
    CallError,
    RpcError,
)
from portero.telemetry import count_call

_BETWEEN_US: Final = (PARSE_ERROR, INVALID_REQUEST, METHOD_NOT_FOUND, HEADER_MISMATCH, UNSUPPORTED_VERSION)
"""What goes wrong between Portero and an upstream is not between us and the client, who would fall back to the older
era where it hears that our method does not exist."""
MODERN_CODES: Final = {
    RESOURCE_NOT_FOUND: INVALID_PARAMS,
    -32042: INTERNAL_ERROR,  # of 2025-11-25 only
    **dict.fromkeys(_BETWEEN_US, INTERNAL_ERROR),
}
"""Codes of upstreams that would tell a modern client something else."""
NO_SUGGESTIONS: Final = b'{"completion":{"values":[]}}'


def failure(answer: Failed, *, modern: bool) -> RpcError:
    if modern:
        return modern_error(answer.code, answer.message, answer.data, answer.call)
    return _error(answer.code, answer.message, answer.data, answer.call)


def modern_error(code: int, message: str, data: bytes | None, call: CallId | None = None) -> RpcError:
    """An upstream's error for a client of the newer era. ``data``: JSON bytes; where there is none, it has the code
    that the upstream said if the client cannot be told that.
    """
    told = MODERN_CODES.get(code, code)
    if data is None and told == INTERNAL_ERROR != code:
        data = b'{"upstreamCode":%d}' % code
    return _error(told, message, data, call)


def _error(code: int, message: str, data: bytes | None, call: CallId | None) -> RpcError:
    given: Any = Raw(data) if data is not None else None
    if given is None and code == OUTCOME_UNKNOWN and call is not None:
        given = {"task_id": call}
    return CallError(code, message, given)


def completes_nothing(kind: Kind, answer: Failed) -> bool:
    """Whether what was to be completed is an upstream's that has no completion: then there are no suggestions.

    We say that we complete, because some upstreams do; whose a name is, a client cannot know.
    """
    return kind is Kind.COMPLETION and answer.code == METHOD_NOT_FOUND


def count(server: str, answer: Answer) -> None:
    if isinstance(answer, Done):
        count_call(server, "allow", "ok")
    elif isinstance(answer, Pending):
        count_call(server, "require-approval", "pending")
    elif isinstance(answer, Refused):
        count_call(server, "deny", "refused")
    else:
        count_call(server, "allow", "unknown" if answer.code == OUTCOME_UNKNOWN else "error")
