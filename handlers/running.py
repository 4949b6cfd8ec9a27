"""Carrying out a call that has started on the log: send, wait, record what came of it, and only then answer."""

import asyncio
import time
from collections.abc import Callable
from typing import Any, Final

import attrs
import msgspec
import structlog

from handlers.core import Core
from portero.domain import call as calls
from portero.domain.commands import Cancel, RecordFailure, RecordSuccess, RecordUnknown
from portero.domain.events import (
    CallCancelled,
    CallEvent,
    ExecutionFailed,
    ExecutionOutcomeUnknown,
    ExecutionSucceeded,
    Recorded,
)
from portero.domain.ids import Aggregate, CallId, Millis, call_aggregate
from portero.domain.values import SYSTEM, Actor, Kind, Status
from portero.errors import (
    OUTCOME_UNKNOWN,
    UPSTREAM_UNAVAILABLE,
    LogError,
    LogUnavailable,
    OutcomeLost,
    UpstreamError,
    UpstreamRefused,
    UpstreamUnavailable,
    VersionConflict,
)
from portero.log import Write
from portero.upstream import Upstreams

logger = structlog.get_logger()

INLINE_RESULT_BYTES: Final = 8_192
"""Results of asked calls above this are kept as a blob; the log and the views hold a reference."""

RESULT_SECONDS: Final = 7 * 86_400
"""How long the result of an asked call can be fetched."""

ANSWER_SECONDS: Final = 5.0
"""How long a client waits for its outcome to reach a log that is away, before it is told so."""

METHODS: Final = {
    Kind.TOOL: "tools/call",
    Kind.RESOURCE: "resources/read",
    Kind.PROMPT: "prompts/get",
    Kind.COMPLETION: "completion/complete",
}

Outcome = ExecutionSucceeded | ExecutionFailed | ExecutionOutcomeUnknown | CallCancelled


@attrs.frozen
class Done:
    """The upstream's result, JSON bytes after replacement, on the log as ``call``."""

    call: CallId
    result: bytes


@attrs.frozen
class Failed:
    """The call ended with an error and without doubt. ``data`` is JSON or None; all of it after replacement."""

    call: CallId
    code: int
    message: str
    data: bytes | None = None


class _ResultHead(msgspec.Struct):
    isError: bool = False  # noqa: N815 - the protocol's name


class _ErrorText(msgspec.Struct, omit_defaults=True):
    code: int
    message: str
    data: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


_result_head = msgspec.json.Decoder(_ResultHead)
_error_text = msgspec.json.Decoder(_ErrorText)


def is_error(result: bytes) -> bool:
    """Whether a tool result says ``isError``; the decode is spared where the word does not even stand in it."""
    return b'"isError"' in result and _result_head.decode(result).isError


def upstream_params(kind: Kind, name: str, arguments: bytes, extra: bytes | None) -> bytes:
    """The params for the upstream, as JSON bytes. ``arguments`` and ``extra`` are JSON objects or empty."""
    if kind is Kind.COMPLETION:
        return arguments
    parts = [b'{"uri":' if kind is Kind.RESOURCE else b'{"name":', msgspec.json.encode(name)]
    if arguments and kind is not Kind.RESOURCE:
        parts += [b',"arguments":', arguments]
    if extra is not None and (members := extra.strip()[1:-1].strip()):
        parts += [b",", members]
    parts.append(b"}")
    return b"".join(parts)


def failure_answer(call: CallId, error: str) -> Failed:
    """The client's view of an ExecutionFailed event."""
    text = _error_text.decode(error)
    return Failed(call, text.code, text.message, bytes(text.data) if text.data is not msgspec.UNSET else None)


@attrs.frozen
class Execution:
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
    requester: Actor = SYSTEM


class Runner:
    """Sends started calls to their upstreams and records the outcomes. One instance per process."""

    def __init__(self, core: Core, upstreams: Upstreams) -> None:
        self._core = core
        self._upstreams = upstreams
        self._running: dict[Aggregate, asyncio.Task[Any]] = {}
        self._called_off: set[Aggregate] = set()
        """Calls under way of which the log says that they are cancelled."""
        self._recording: set[asyncio.Task[None]] = set()

    async def run(self, execution: Execution) -> Done | Failed:
        """Sends the call, records its outcome, and returns what the client may be told.

        Raises LogUnavailable when the outcome could not be recorded in time; recording goes on in the background.
        When cancelled, the upstream is told, the cancellation recorded, and CancelledError raised.
        """
        aggregate = call_aggregate(execution.call)
        self._running[aggregate] = asyncio.current_task()  # type: ignore[assignment] # a coroutine runs in a task
        try:
            return await self._send_and_record(execution, aggregate)
        finally:
            self._running.pop(aggregate, None)
            self._called_off.discard(aggregate)

    def seen(self, recorded: Recorded[Any]) -> None:
        """To be told of every event: a call that somebody cancels, on whatever replica, stops where it runs."""
        if type(recorded.event) is CallCancelled and (task := self._running.get(recorded.aggregate)) is not None:
            self._called_off.add(recorded.aggregate)
            task.cancel()

    async def _send_and_record(self, execution: Execution, aggregate: Aggregate) -> Done | Failed:
        replacer = self._core.replacer
        params = upstream_params(
            execution.kind,
            execution.name,
            replacer.to_real(execution.arguments),
            replacer.to_real(execution.extra) if execution.extra else None,
        )
        started = time.perf_counter()
        outcome: Outcome
        answer: Done | Failed
        try:
            raw = await self._upstreams.request(
                execution.upstream,
                METHODS[execution.kind],
                params,
                on_progress=self._progress(execution.on_progress),
                on_late=lambda late: self._late(execution, late),
            )
        except asyncio.CancelledError:
            task = self._running.pop(aggregate)
            if aggregate in self._called_off:
                task.uncancel()
                return _called_off(execution)
            await asyncio.shield(
                self._spawn(execution, CallCancelled(execution.requester, "the client cancelled it"), b"")
            )
            raise
        except UpstreamError as error:
            outcome, answer = self._failure(execution, error, _elapsed_ms(started))
            result = b""
        else:
            result = replacer.to_fake_result(raw)
            outcome = self._success(execution, result, _elapsed_ms(started))
            answer = Done(execution.call, result)
        if await self._record(execution, outcome, result):
            return answer
        return self._as_it_stands(execution, answer)

    def _success(self, execution: Execution, result: bytes, duration_ms: int) -> ExecutionSucceeded:
        keep = execution.asked and len(result) <= INLINE_RESULT_BYTES
        blob = execution.asked and not keep
        return ExecutionSucceeded(
            is_error=is_error(result),
            result=result.decode() if keep else None,
            result_blob=f"{execution.call}.result" if blob else None,
            result_bytes=len(result),
            duration_ms=duration_ms,
        )

    def _failure(self, execution: Execution, error: UpstreamError, duration_ms: int) -> tuple[Outcome, Failed]:
        replacer = self._core.replacer
        message = replacer.mask_text(str(error))
        if isinstance(error, OutcomeLost) and not execution.retry_safe:
            text = f"{message} It is not known whether the call took effect, and it is not tried again."
            return (
                ExecutionOutcomeUnknown(message, duration_ms),
                Failed(execution.call, OUTCOME_UNKNOWN, text),
            )
        if isinstance(error, UpstreamRefused):
            data = replacer.to_fake_result(error.data) if error.data is not None else None
            shown = _ErrorText(
                error.code, replacer.mask_text(error.message), msgspec.Raw(data) if data else msgspec.UNSET
            )
        else:
            shown = _ErrorText(UPSTREAM_UNAVAILABLE, message)
        text = msgspec.json.encode(shown).decode()
        sent = not isinstance(error, UpstreamUnavailable)
        return ExecutionFailed(text, sent, duration_ms), failure_answer(execution.call, text)

    def _progress(self, on_progress: Callable[[bytes], None] | None) -> Callable[[bytes], None] | None:
        if on_progress is None:
            return None
        replacer = self._core.replacer
        return lambda params: on_progress(replacer.to_fake_result(params))

    # --- recording --------------------------------------------------------------------------------------------------

    async def _record(self, execution: Execution, outcome: Outcome, result: bytes) -> bool:
        """Appends the outcome at the fence; whether it is the one that stands. A log that is away is waited for a while."""
        try:
            await self._append(execution, outcome, result)
        except VersionConflict:
            await self._record_after_conflict(execution, outcome, result)
            return False
        except LogUnavailable:
            recording = self._spawn(execution, outcome, result)
            try:
                await asyncio.wait_for(asyncio.shield(recording), ANSWER_SECONDS)
            except TimeoutError as late:
                raise LogUnavailable(
                    "The call was sent, but its outcome could not be written to the audit log, so it is not given out. "
                    f"Look at task {execution.call} later; do not repeat the call blindly."
                ) from late
            await self._core.catch_up()
            return False
        return True

    def _as_it_stands(self, execution: Execution, answer: Done | Failed) -> Done | Failed:
        """The answer, unless the log says something else of the call: then nobody is told what the log denies."""
        state = self._core.view.calls.get(execution.call)
        if state is None or state.status in {Status.COMPLETED, Status.ERROR}:
            return answer
        if state.status is Status.CANCELLED:
            return _called_off(execution)
        return Failed(
            execution.call,
            OUTCOME_UNKNOWN,
            "The outcome came too late: the call had been given up as unknown. A person can look at it and settle it.",
        )

    async def _append(self, execution: Execution, outcome: Outcome, result: bytes) -> None:
        core = self._core
        unknown = isinstance(outcome, ExecutionOutcomeUnknown)
        blobs = {}
        if isinstance(outcome, ExecutionSucceeded) and outcome.result_blob is not None:
            blobs[outcome.result_blob] = result
        await core.log.append(
            Write(
                call_aggregate(execution.call),
                execution.version,
                (outcome,),
                timer=None,
                work=("notification",) if execution.asked or unknown else (),
                ends=not (execution.asked or unknown),
            ),
            actor=SYSTEM,
            now=core.clock(),
            cause=execution.cause,
            trace=execution.trace,
            blobs=blobs,
            blob_ttl=RESULT_SECONDS,
        )

    async def _record_after_conflict(self, execution: Execution, outcome: Outcome, result: bytes) -> None:
        """Somebody wrote first: a cancellation, or a lease that was given up. The outcome is recorded as a late one."""
        core = self._core
        command = _command(execution, outcome, result)

        def build(now: Millis) -> tuple[Write, ...]:
            state = core.view.calls.get(execution.call)
            events: tuple[CallEvent, ...] = tuple(calls.decide(state, command, now))
            if not events or state is None:
                return ()
            return (Write(call_aggregate(execution.call), state.version, events, timer=None, work=("notification",)),)

        await core.catch_up()
        await core.commit(build, actor=SYSTEM, cause=execution.cause, trace=execution.trace)

    def _spawn(self, execution: Execution, outcome: Outcome, result: bytes) -> asyncio.Task[None]:
        task = asyncio.create_task(self._record_until_written(execution, outcome, result))
        self._recording.add(task)
        task.add_done_callback(self._recording.discard)
        return task

    async def _record_until_written(self, execution: Execution, outcome: Outcome, result: bytes) -> None:
        pause = 0.05
        first = True
        while True:
            try:
                if first:
                    return await self._append(execution, outcome, result)
                # the attempt before may have been written after all: the view knows
                return await self._record_after_conflict(execution, outcome, result)
            except VersionConflict:
                first = False
            except LogError as error:
                logger.warning("outcome not recorded yet", call=execution.call, error=str(error))
                await asyncio.sleep(pause)
                pause = min(pause * 2, 5.0)

    def _late(self, execution: Execution, late: bytes | UpstreamError) -> None:
        """What came after the call was given up: on the log it goes, as a late outcome."""
        if isinstance(late, UpstreamError):
            self._spawn(execution, self._failure(execution, late, 0)[0], b"")
            return
        result = self._core.replacer.to_fake_result(late)
        self._spawn(execution, self._success(execution, result, 0), result)

    # --- life -------------------------------------------------------------------------------------------------------

    async def heartbeat(self) -> None:
        """Prolongs the leases of the calls under way, for ever; one whose lease ends is given up by whoever notices."""
        core = self._core
        while True:
            await asyncio.sleep(core.lease_ms / 3000)
            if self._running:
                due = Millis(core.clock() + core.lease_ms)
                try:
                    await core.log.prolong(dict.fromkeys(self._running, due))
                except LogError as error:
                    logger.warning("leases not prolonged", calls=len(self._running), error=str(error))

    async def drain(self, timeout: float) -> int:
        """Waits until nothing is under way any more; returns how many calls were still running when time was up."""
        deadline = time.monotonic() + timeout
        while (self._running or self._recording) and time.monotonic() < deadline:  # noqa: ASYNC110 - calls pay for no event
            await asyncio.sleep(0.02)
        return len(self._running)


def _called_off(execution: Execution) -> Failed:
    text = "The call was cancelled after it had started, so it may have taken effect. Do not repeat it blindly."
    return Failed(execution.call, OUTCOME_UNKNOWN, text)


def _elapsed_ms(started: float) -> int:
    return round((time.perf_counter() - started) * 1000)


def _command(
    execution: Execution, outcome: Outcome, result: bytes
) -> RecordSuccess | RecordFailure | RecordUnknown | Cancel:
    if isinstance(outcome, ExecutionSucceeded):
        small = result.decode() if len(result) <= INLINE_RESULT_BYTES else None
        return RecordSuccess(execution.attempt, outcome.is_error, small, None, len(result), outcome.duration_ms)
    if isinstance(outcome, ExecutionFailed):
        return RecordFailure(execution.attempt, outcome.error, outcome.sent, outcome.duration_ms)
    if isinstance(outcome, ExecutionOutcomeUnknown):
        return RecordUnknown(execution.attempt, outcome.reason, outcome.duration_ms)
    return Cancel(outcome.by, outcome.reason)
