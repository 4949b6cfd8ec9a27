"""The error tree, and the one table of JSON-RPC codes.

An error's text is for the person or client that sees it: it says what is wrong and what to do, and holds no real value.
"""

from typing import Any, Final


class PorteroError(Exception):
    """Everything that Portero itself says is wrong."""


# --- starting ------------------------------------------------------------------------------------------------------


class ConfigError(PorteroError):
    """The configuration or the environment cannot be used. ``problems`` holds one sentence each."""

    def __init__(self, *problems: str) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


class StoreError(PorteroError):
    """The store cannot be started or used as a log."""


class DataFolderInUse(StoreError):
    """Something else holds the data folder's lock and does not answer on its socket."""


class SnapshotUnreadable(StoreError):
    """A snapshot of another format, or a damaged one. Nothing rests on it: the view is built from the log instead."""


# --- the log -------------------------------------------------------------------------------------------------------


class LogError(PorteroError):
    """An append did not take place, or it is not known whether it did."""


class LogUnavailable(LogError):
    """The store cannot be reached. Nothing was written, or it is not known and could not be found out."""


class LogUncertain(LogUnavailable):
    """The store cannot be reached, and it could not be found out whether the append was written."""


class LogFull(LogError):
    """The store refuses writes because its memory is full; nothing was written."""


class VersionConflict(LogError):
    """Another write came first on this aggregate; nothing was written. ``version`` is the one that stands."""

    def __init__(self, aggregate: str, expected: int, version: int) -> None:
        super().__init__(f"{aggregate} is at version {version}, not at {expected}")
        self.aggregate, self.expected, self.version = aggregate, expected, version


class PolicyMoved(LogError):
    """A rule, grant, lock or configuration changed after the decision; nothing was written. Decide again."""

    def __init__(self, expected: int, version: int) -> None:
        super().__init__(f"the policy is at version {version}, not at {expected}")
        self.expected, self.version = expected, version


class LogDivergence(LogError):
    """The log is not the one that was followed: a gap, a step back, another id. Nothing more is decided on it."""


class LogTrimmed(LogError):
    """What is asked for is no longer on the stream, and the archive that has it is not at hand."""


class ArchiveError(LogError):
    """The archive cannot be reached, read or written."""


class ArchiveConflict(ArchiveError):
    """The archive holds something else than what belongs there. Nothing of it is overwritten; a person must look."""


class SegmentDamaged(ArchiveError):
    """A segment is not what was written. ``kind`` says in a word or two what is wrong with it."""

    def __init__(self, segment: str, kind: str, text: str) -> None:
        super().__init__(f"segment {segment}: {text}")
        self.segment, self.kind, self.text = segment, kind, text


# --- decisions -----------------------------------------------------------------------------------------------------


class DecisionError(PorteroError):
    """A command that the state does not allow."""


class AlreadyDecided(DecisionError):
    """Somebody decided first. ``status`` is where the call stands; ``by`` and ``at`` (ms): who and when, if known."""

    def __init__(self, status: str, by: str | None, at: int | None) -> None:
        super().__init__(f"already {status}" + (f", decided by {by}" if by else ""))
        self.status, self.by, self.at = status, by, at


class NotFound(DecisionError):
    """No such call, grant or rule."""


class Invalid(DecisionError):
    """The command's own values are wrong, such as a pattern or duration that cannot be read."""


# --- upstreams -----------------------------------------------------------------------------------------------------


class UpstreamError(PorteroError):
    """An upstream could not do what was asked."""


class UpstreamUnavailable(UpstreamError):
    """It is not connected; not one byte of the call was sent."""


class OutcomeLost(UpstreamError):
    """The call was sent, at least in part, and its answer will not come: crash, time-out, cut connection."""


class UpstreamRefused(UpstreamError):
    """The upstream answered with a JSON-RPC error: ``code``, ``message`` and ``data`` (JSON bytes or None)."""

    def __init__(self, code: int, message: str, data: bytes | None = None) -> None:
        super().__init__(f"{code}: {message}")
        self.code, self.message, self.data = code, message, data


# --- the client's requests ------------------------------------------------------------------------------------------


class RpcError(PorteroError):
    """What a client gets as a JSON-RPC error. ``code`` from the table below."""

    def __init__(self, code: int, message: str, data: Any = None) -> None:
        super().__init__(message)
        self.code, self.message, self.data = code, message, data


class CallError(RpcError):
    """What an upstream, or the way to it, made of a call: the request itself was in order."""


PARSE_ERROR: Final = -32700
INVALID_REQUEST: Final = -32600
METHOD_NOT_FOUND: Final = -32601
INVALID_PARAMS: Final = -32602
INTERNAL_ERROR: Final = -32603
RESOURCE_NOT_FOUND: Final = -32002
"""Of the older era; the newer one calls it a wrong parameter."""
HEADER_MISMATCH: Final = -32020
MISSING_CAPABILITY: Final = -32021
UNSUPPORTED_VERSION: Final = -32022

# Portero's own, outside of the range that JSON-RPC keeps for itself (-32768 … -32000).
UNAUTHORIZED: Final = 4401
FORBIDDEN: Final = 4403
TOO_LARGE: Final = 4413
LOG_UNAVAILABLE: Final = 4503
UPSTREAM_UNAVAILABLE: Final = 4502
OUTCOME_UNKNOWN: Final = 4504
DENIED: Final = 4003
PENDING_APPROVAL: Final = 4202
"""A resource, prompt or completion waits for a person. Tools have a result to say so with; these have none."""

HTTP_STATUS: Final[dict[int, int]] = {
    PARSE_ERROR: 400,
    INVALID_REQUEST: 400,
    INVALID_PARAMS: 400,
    METHOD_NOT_FOUND: 404,
    HEADER_MISMATCH: 400,
    MISSING_CAPABILITY: 400,
    UNSUPPORTED_VERSION: 400,
    UNAUTHORIZED: 401,
    FORBIDDEN: 403,
    TOO_LARGE: 413,
    LOG_UNAVAILABLE: 503,
}
"""HTTP status of a modern answer that is an error; whatever is not here is 200: the call went through."""
