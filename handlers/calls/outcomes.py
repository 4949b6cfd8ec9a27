"""What comes of a call that was sent: the event for the log and the answer for the client, both after replacement."""

import hashlib
from collections.abc import Callable
from typing import Final

import msgspec
from msgspec import Struct

from handlers.calls.bridging import Channel
from handlers.calls.questions import asks
from portero.domain.call import Call
from portero.domain.call_unsent import as_before
from portero.domain.commands import Cancel, RecordFailure, RecordSuccess, RecordUnknown
from portero.domain.events import CallCancelled, ExecutionFailed, ExecutionOutcomeUnknown, ExecutionSucceeded
from portero.domain.ids import CallId
from portero.domain.replacement import Replacer
from portero.domain.values import SYSTEM, Actor, Kind
from portero.errors import (
    INTERNAL_ERROR,
    OUTCOME_UNKNOWN,
    UPSTREAM_UNAVAILABLE,
    OutcomeLost,
    UpstreamError,
    UpstreamRefused,
    UpstreamUnavailable,
)

FETCHED_SECONDS: Final = 300
"""How long a result is kept for another replica, which fetches it at once."""

ERROR_BYTES: Final = 32_768
"""An error above this is not for the log, which keeps it for good: its beginning, size and hash are."""
MESSAGE_CHARACTERS: Final = 4_000
"""So much of such an error's message, and of any reason, is its beginning."""

ABOUT_TASKS: Final = frozenset({Kind.TASK_UPDATE, Kind.TASK_CANCEL})
"""Kinds of calls that say something to a task of the upstream's."""
METHODS: Final = {
    Kind.TOOL: "tools/call",
    Kind.RESOURCE: "resources/read",
    Kind.PROMPT: "prompts/get",
    Kind.COMPLETION: "completion/complete",
    Kind.TASK_UPDATE: "tasks/update",
    Kind.TASK_CANCEL: "tasks/cancel",
}


class Done(Struct, frozen=True):
    """The upstream's result, JSON bytes after replacement, on the log as ``call``."""

    call: CallId
    result: bytes


class Failed(Struct, frozen=True):
    """The call ended with an error, or in doubt. ``data`` is JSON or None; all of it after replacement."""

    call: CallId
    code: int
    message: str
    data: bytes | None = None


class Execution(Struct, frozen=True):
    """One attempt at one call, already started on the log at ``version``; ``arguments`` and ``extra`` hold fakes."""

    call: CallId
    kind: Kind
    upstream: str
    name: str
    arguments: bytes
    extra: bytes | None
    version: int
    attempt: int
    retry_safe: bool
    asked: bool
    """A person was asked: the result is kept for ``check_task``, and the outcome is announced."""
    cause: int
    trace: str | None = None
    on_progress: Callable[[bytes], None] | None = None
    channel: Channel | None = None
    """The client that waits, where one does."""
    requester: Actor = SYSTEM
    fetched: bool = False
    """Another replica, or another part of this one, waits for it and fetches the result soon."""

    @property
    def kept(self) -> bool:
        """Whether its result is needed later."""
        return self.asked or self.fetched or self._is_task

    @property
    def kept_briefly(self) -> bool:
        """Whether it is needed but once, at once."""
        return self.fetched and not self._is_task

    @property
    def _is_task(self) -> bool:
        return self.channel is not None and self.channel.kept


OutcomeEvent = ExecutionSucceeded | ExecutionFailed | ExecutionOutcomeUnknown | CallCancelled


class Outcome(Struct, frozen=True):
    """How one attempt ended. ``result`` holds the bytes of the blob that the event refers to, if it does."""

    event: OutcomeEvent
    answer: Done | Failed
    result: bytes = b""

    def command(self, attempt: int) -> RecordSuccess | RecordFailure | RecordUnknown | Cancel:
        """The same as a command, for when the call has moved on and must be decided about anew."""
        event = self.event
        if isinstance(event, ExecutionSucceeded):
            kept = (event.result_blob, event.result_bytes, event.result_digest)
            return RecordSuccess(attempt, event.is_error, *kept, event.duration_ms, event.asks)
        if isinstance(event, ExecutionFailed):
            values = (event.error, event.sent, event.duration_ms, event.error_bytes, event.error_digest)
            return RecordFailure(attempt, *values)
        if isinstance(event, ExecutionOutcomeUnknown):
            return RecordUnknown(attempt, event.reason, event.duration_ms)
        return Cancel(event.by, event.reason)


class _ResultHead(msgspec.Struct):
    isError: bool = False  # noqa: N815 - the protocol's name


class _Error(msgspec.Struct):
    code: int = INTERNAL_ERROR
    message: str = "unknown error"
    data: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


_result_head = msgspec.json.Decoder(_ResultHead)
_error = msgspec.json.Decoder(_Error)


def upstream_params(kind: Kind, name: str, arguments: bytes, extra: bytes | None) -> bytes:
    """The params for the upstream's tool, prompt or resource of this name, as JSON bytes; reals in all of it.

    ``arguments`` and ``extra`` are JSON objects or empty.
    """
    parts = [b'{"uri":' if kind is Kind.RESOURCE else b'{"name":', msgspec.json.encode(name)]
    if arguments and kind is not Kind.RESOURCE:
        parts += [b',"arguments":', arguments]
    if extra is not None and (members := extra.strip()[1:-1].strip()):
        parts += [b",", members]
    parts.append(b"}")
    return b"".join(parts)


def is_error(result: bytes) -> bool:
    """Whether a tool result says ``isError``; the decode is spared where the word does not even stand in it."""
    if b'"isError"' not in result:
        return False
    try:
        return _result_head.decode(result).isError
    except msgspec.ValidationError:  # a server may put anything there; what is not plainly fine is an error
        return True


def error_text(code: int, message: str, data: bytes | None = None) -> str:
    """The JSON of an ExecutionFailed event's ``error``."""
    return msgspec.json.encode(_Error(code, message, msgspec.UNSET if data is None else msgspec.Raw(data))).decode()


def failure_of(call: Call) -> Failed:
    """What the log says of a call that has ended with an error."""
    error = _error.decode(call.error or "{}")
    return Failed(call.id, error.code, error.message, None if error.data is msgspec.UNSET else bytes(error.data))


def kept_error(error: str) -> tuple[str, int, str | None]:
    """What the log keeps of an ExecutionFailed event's ``error``, with size and hash where that is not all."""
    whole = error.encode()
    if len(whole) <= ERROR_BYTES:
        return error, 0, None
    shown = _error.decode(whole)
    beginning = error_text(shown.code, f"{_beginning(shown.message)} (of {len(whole)} bytes, the rest is not kept)")
    return beginning, len(whole), hashlib.sha256(whole).hexdigest()


def _beginning(text: str) -> str:
    return text if len(text) <= MESSAGE_CHARACTERS else f"{text[:MESSAGE_CHARACTERS]}…"


def succeeded(execution: Execution, raw: bytes, replacer: Replacer, duration_ms: int) -> Outcome:
    """``raw`` is the upstream's result as it came. What a client gets at once is not kept; what it fetches later is.

    The log has the hash of either, which costs 0.4 µs for a result of 300 bytes and 5 µs for one of 10,000.
    """
    result = replacer.to_fake_result(raw)
    kept = execution.kept
    event = ExecutionSucceeded(
        is_error=is_error(result),
        result_blob=f"{execution.call}.result.{execution.attempt}" if kept else None,
        result_bytes=len(result),
        result_digest=hashlib.sha256(result).hexdigest(),
        duration_ms=duration_ms,
        asks=asks(result),
    )
    return Outcome(event, Done(execution.call, result), result if kept else b"")


def failed(execution: Execution, error: UpstreamError, replacer: Replacer, duration_ms: int) -> Outcome:
    """A lost outcome is an error where the client itself may repeat the call without harm; otherwise nobody knows."""
    message = replacer.mask_text(str(error))
    if isinstance(error, OutcomeLost) and (execution.asked or not execution.retry_safe):
        text = f"{message.rstrip('.')}. It is not known whether the call took effect, and it is not tried again."
        lost = ExecutionOutcomeUnknown(_beginning(message), duration_ms)
        return Outcome(lost, Failed(execution.call, OUTCOME_UNKNOWN, text))
    if isinstance(error, UpstreamUnavailable) and execution.attempt > 1:
        reason = as_before(_beginning(message))
        return Outcome(ExecutionOutcomeUnknown(reason, duration_ms), Failed(execution.call, OUTCOME_UNKNOWN, reason))
    code, data = UPSTREAM_UNAVAILABLE, None
    if isinstance(error, UpstreamRefused):
        code, message = error.code, replacer.mask_text(error.message)
        data = replacer.to_fake_result(error.data) if error.data is not None else None
    kept, size, digest = kept_error(error_text(code, message, data))
    event = ExecutionFailed(kept, not isinstance(error, UpstreamUnavailable), duration_ms, size, digest)
    return Outcome(event, Failed(execution.call, code, message, data))


def cancelled(execution: Execution) -> Outcome:
    """Its requester went away, or called it off, while the upstream worked."""
    return Outcome(CallCancelled(execution.requester, "the client cancelled it"), called_off(execution))


def stopped(execution: Execution) -> Outcome:
    """Portero stops, and the upstream has not answered in the time that was left."""
    reason = "Portero stopped before the upstream answered"
    text = f"{reason}. It is not known whether the call took effect, and it is not tried again."
    return Outcome(ExecutionOutcomeUnknown(reason, 0), Failed(execution.call, OUTCOME_UNKNOWN, text))


def called_off(execution: Execution) -> Failed:
    text = "The call was cancelled after it had started, so it may have taken effect. Do not repeat it blindly."
    return Failed(execution.call, OUTCOME_UNKNOWN, text)
