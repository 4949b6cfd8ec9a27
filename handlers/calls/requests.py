"""A client's request, from policy to answer: replaced, decided and on the log before one byte reaches the upstream."""

from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from types import MappingProxyType
from typing import Final, Protocol

import msgspec
from msgspec import Struct

from handlers.calls.asking import capabilities_of, letters_of
from handlers.calls.bridging import Channel
from handlers.calls.continued import Precedent
from handlers.calls.kept import Params, blob_seconds, blobs, kept
from handlers.calls.outcomes import Done, Execution, Failed
from handlers.calls.repeats import refuse_repeats
from handlers.calls.running import Runner
from handlers.calls.unsent import Unsent
from handlers.calls.using import use
from handlers.core import Core, new_call_id
from portero.domain import call as calls
from portero.domain.commands import RequestCall
from portero.domain.ids import CallId, ClientId, Millis, Seq, call_aggregate
from portero.domain.patterns import holds_uri, policy_name
from portero.domain.policy import Verdict
from portero.domain.values import SYSTEM, Action, Actor, Kind, Reason, ToolFacts
from portero.errors import (
    LogError,
    LogUnavailable,
    LogUncertain,
    PolicyMoved,
    VersionConflict,
)
from portero.log import Appended, Write

STARTED_VERSION = 3
"""A call that is allowed at once stands here after its first append: requested, decided, started."""


class CallRequest(Struct, frozen=True):
    """One request of a client, as the gateway understood it.

    ``name`` is the upstream's own name (or a resource's URI), ``arguments`` the JSON bytes as the client sent them
    (fakes), ``extra`` a JSON object with other members of the params that the upstream must get. ``on_progress`` gets
    the raw params of the upstream's progress notifications; ``channel`` is the way to ask and tell the client more.
    """

    client: ClientId
    kind: Kind
    upstream: str
    name: str
    arguments: bytes
    facts: ToolFacts
    extra: bytes | None = None
    trace: str | None = None
    on_progress: Callable[[bytes], None] | None = None
    channel: Channel | None = None
    precedent: Precedent | None = None


class Pending(Struct, frozen=True):
    """A person is asked; ``seq`` lets any replica answer for the call."""

    call: CallId
    seq: Seq
    requested_at: Millis
    expires_at: Millis


class Refused(Struct, frozen=True):
    """The policy denies it; nothing was sent."""

    call: CallId
    reason: Reason


Answer = Done | Failed | Pending | Refused


class Turn(Protocol):
    """How one allowed call is carried out on a server of which there is one instance."""

    command: RequestCall
    fences: tuple[Write, ...]
    """What its first append rests on."""

    async def run(self, execution: Execution) -> Answer:
        """As ``Runner.run``. Whatever happens, it has been left then."""

    def leave(self) -> None:
        """It is not carried out, not this time."""


Place = Callable[[CallId, CallRequest, RequestCall], Turn]
NOWHERE: Final[Mapping[str, Place]] = MappingProxyType({})
NOT_KNOWN: Final = (
    "It is not known whether the call was taken. Look at task {} later, once the log is back; do not repeat it blindly."
)


class _Stored(Struct, frozen=True):
    """The request as it may be kept: fakes only."""

    request: CallRequest
    policy_name: str
    name: str
    arguments: bytes
    extra: bytes | None


class Requests:
    """Takes calls from clients. One instance per process."""

    def __init__(self, core: Core, runner: Runner, places: Mapping[str, Place] = NOWHERE) -> None:
        """``places``: by the name of a server of which there is one instance, who knows where it runs."""
        self._core = core
        self._runner = runner
        self._places = places
        self._unsent = Unsent(core)

    async def call(self, request: CallRequest) -> Answer:
        """Decides, records and, where allowed, runs one call.

        Raises Invalid where a person would be asked and what is asked means two things, and LogError when the log could
        not take the request: then nothing was sent, and should it stand on the log all the same, that is settled there.
        Cancelling it before the call is sent settles it too; cancelling it while
        the upstream works cancels the call there and records that.
        """
        core = self._core
        stored = self._stored(request)
        call = new_call_id()
        by = Actor("client", request.client)
        place = self._places.get(request.upstream)
        while True:
            now = core.clock()
            policy_version = core.view.policy_version
            verdict = core.decide_policy(stored.policy_name, request.client, now)
            if request.precedent is not None:
                verdict = request.precedent.decided(verdict)
            if verdict.action is Action.ASK:
                refuse_repeats(request.arguments)
            command = self._command(stored, call, verdict, policy_version, now)
            turn = place(call, request, command) if place is not None and verdict.action is Action.ALLOW else None
            if turn is not None:
                command = turn.command
            try:
                appended = await self._append(call, by, command, stored, now, turn=turn)
                break
            except LogError as error:
                _leave(turn)
                await self._moved(request, call, command, error)
            except BaseException:
                _leave(turn)
                raise
        if verdict.action is Action.ALLOW:
            if request.channel is not None:
                request.channel.call = call
            run = self._runner.run if turn is None else turn.run
            return await run(
                Execution(
                    call,
                    request.kind,
                    request.upstream,
                    stored.name,
                    stored.arguments,
                    stored.extra,
                    version=STARTED_VERSION,
                    attempt=1,
                    retry_safe=command.retry_safe,
                    asked=False,
                    cause=appended.last,
                    trace=request.trace,
                    on_progress=request.on_progress,
                    channel=request.channel,
                    requester=by,
                )
            )
        if verdict.action is Action.ASK:
            return Pending(call, appended.last, now, command.approval_expires_at)
        return Refused(call, verdict.reason)

    def give_task(self, call: CallId) -> Awaitable[bool]:
        """See ``Runner.give_task``."""
        return self._runner.give_task(call)

    async def _moved(self, request: CallRequest, call: CallId, command: RequestCall, error: LogError) -> None:
        """After an append that failed: raises what is to be raised, or returns where to decide anew."""
        if isinstance(error, LogUncertain):
            raise self._settled(call, command, error) from error
        if not isinstance(error, PolicyMoved | VersionConflict):
            raise error
        await self._core.catch_up()
        if request.precedent is not None and isinstance(error, VersionConflict):
            request.precedent.check_held(self._core, error)

    def _settled(self, call: CallId, command: RequestCall, error: LogUncertain) -> LogError:
        """What the client is told: nothing was sent, unless another replica may have found the call on the log."""
        self._unsent.settle(call, SYSTEM, "the log was away, and the client was told that nothing was sent")
        return error if command.queued is None else LogUnavailable(NOT_KNOWN.format(call))

    def _stored(self, request: CallRequest) -> _Stored:
        replacer = self._core.replacer
        name = request.name
        if holds_uri(request.kind, name):  # it is the client's own text, and may hold what must not be kept
            name = msgspec.json.decode(replacer.to_fake_stored(msgspec.json.encode(name)), type=str)
        return _Stored(
            request,
            policy_name(request.kind, request.upstream, name),
            name,
            replacer.to_fake_stored(request.arguments),
            replacer.to_fake_stored(request.extra) if request.extra else None,
        )

    def _command(
        self, stored: _Stored, call: CallId, verdict: Verdict, policy_version: int, now: Millis
    ) -> RequestCall:
        core = self._core
        request, facts = stored.request, stored.request.facts
        arguments, extra = kept(call, stored.arguments, stored.extra)
        digest, askable, as_task = "", None, False
        if verdict.action is Action.ASK:
            if request.channel is not None:
                askable, as_task = capabilities_of(letters_of(request.channel.capabilities)), request.channel.as_task
            sent = Params(stored.arguments, stored.extra)
            digest = sent.digest(stored.policy_name, facts.definition, core.replacer.digest)
        return RequestCall(
            client=request.client,
            kind=request.kind,
            upstream=request.upstream,
            name=stored.name,
            arguments=arguments.text or "",
            arguments_blob=arguments.blob,
            arguments_bytes=arguments.size,
            extra=extra.text,
            action=verdict.action,
            reason=verdict.reason,
            policy_version=policy_version,
            facts=facts,
            digest=digest,
            approval_expires_at=Millis(now + core.approval_ms),
            replica=core.log.replica,
            lease_until=Millis(now + core.lease_ms),
            retry_safe=core.retry_lost and bool(facts.read_only or facts.idempotent),
            arguments_digest=arguments.digest,
            extra_blob=extra.blob,
            extra_bytes=extra.size,
            extra_digest=extra.digest,
            capabilities=askable.decode() if askable is not None else None,
            as_task=as_task,
        )

    def _append(
        self, call: CallId, by: Actor, command: RequestCall, stored: _Stored, now: Millis, *, turn: Turn | None
    ) -> Awaitable[Appended]:
        core = self._core
        write = Write(
            call_aggregate(call),
            0,
            tuple(calls.decide(None, command, now)),
            timer=_due(command),
            work=("notification",) if command.action is Action.ASK else (),
            ends=command.action is Action.DENY,
        )
        writes: tuple[Write, ...] = (write,)
        grant = command.reason.grant
        if grant is not None and core.view.grants.limited(grant):
            writes = (write, use(core, grant, call))
        if stored.request.precedent is not None:
            writes = (*writes, *stored.request.precedent.writes(core, call, now))
        if turn is not None:
            writes += turn.fences
        return core.log.append(
            *writes,
            actor=by,
            now=now,
            policy_version=command.policy_version,
            trace=stored.request.trace,
            blobs=blobs(command, stored.arguments, stored.extra),
            blob_ttl=blob_seconds(command, core.approval_ms),
            orphaned=partial(self._unsent.orphaned, call, by),
        )


def _due(command: RequestCall) -> Millis | None:
    """When the new call first needs a Wake: its lease ends, or its approval expires."""
    if command.action is Action.ALLOW:
        return command.lease_until
    return command.approval_expires_at if command.action is Action.ASK else None


def _leave(turn: Turn | None) -> None:
    if turn is not None:
        turn.leave()
