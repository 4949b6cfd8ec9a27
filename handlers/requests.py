"""A client's request, from policy to answer: replaced, decided and on the log before one byte reaches the upstream."""

import hashlib
from collections.abc import Awaitable, Callable
from functools import partial

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from handlers.asking import capabilities_of, letters_of
from handlers.bridging import Channel
from handlers.core import NO_BLOBS, Core, new_call_id
from handlers.outcomes import Done, Execution, Failed
from handlers.repeats import refuse_repeats
from handlers.running import Runner
from handlers.unsent import Unsent
from portero.domain import call as calls
from portero.domain.commands import Continue, RequestCall
from portero.domain.digest import call_digest
from portero.domain.events import CallContinued, GrantUsed
from portero.domain.ids import CallId, ClientId, Millis, Seq, call_aggregate, grant_aggregate
from portero.domain.patterns import policy_name
from portero.domain.policy import Verdict
from portero.domain.values import SYSTEM, Action, Actor, Kind, Reason, ToolFacts
from portero.errors import AlreadyDecided, Invalid, LogUncertain, PolicyMoved, VersionConflict
from portero.log import Appended, Write

BLOB_BYTES = 32_768
"""Arguments above this are kept beside the log, so that views stay small."""

STARTED_VERSION = 3
"""A call that is allowed at once stands here after its first append: requested, decided, started."""

BLOB_GRACE_SECONDS = 7 * 86_400
"""How long a blob outlives the approval it waits for."""


class Continued(Struct, frozen=True):
    """The call whose questions this one answers, at the version at which it ended: it goes on under its decision."""

    call: CallId
    version: int


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
    continued: Continued | None = None


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


class _Stored(Struct, frozen=True):
    """The request as it may be kept: fakes only."""

    request: CallRequest
    policy_name: str
    name: str
    arguments: bytes
    extra: bytes | None


class Requests:
    """Takes calls from clients. One instance per process."""

    def __init__(self, core: Core, runner: Runner) -> None:
        self._core = core
        self._runner = runner
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
        while True:
            now = core.clock()
            policy_version = core.view.policy_version
            verdict = core.decide_policy(stored.policy_name, request.client, now)
            if request.continued is not None:
                verdict = _gone_on(verdict, request.continued)
            if verdict.action is Action.ASK:
                refuse_repeats(request.arguments)
            command = self._command(stored, call, verdict, policy_version, now)
            try:
                appended = await self._append(call, by, command, stored, now)
                break
            except (PolicyMoved, VersionConflict) as conflict:
                await core.catch_up()
                if isinstance(conflict, VersionConflict):
                    self._refuse_forgotten(request)
            except LogUncertain:
                self._unsent.settle(call, SYSTEM, "the log was away, and the client was told that nothing was sent")
                raise
        if verdict.action is Action.ALLOW:
            if request.channel is not None:
                request.channel.call = call
            return await self._runner.run(
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

    def _gone_on_with(self, continued: Continued, call: CallId, now: Millis) -> Write:
        """The first call is gone on with once. Raises Invalid when it has been."""
        first = self._core.view.calls.get(continued.call)
        try:
            events = tuple(calls.decide(first, Continue(call), now)) if first is not None else (CallContinued(call),)
        except AlreadyDecided as used:
            raise Invalid(USED) from used
        version = first.version if first is not None else continued.version
        return Write(call_aggregate(continued.call), version, events, ends=True)

    def _refuse_forgotten(self, request: CallRequest) -> None:
        """A call that is not held any more can have moved on in one way only. Raises Invalid."""
        if request.continued is not None and self._core.view.calls.get(request.continued.call) is None:
            raise Invalid(USED)

    def _stored(self, request: CallRequest) -> _Stored:
        replacer = self._core.replacer
        name = request.name
        if request.kind is Kind.RESOURCE:  # its URI is the client's own text, and may hold what must not be kept
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
        text = stored.arguments.decode()
        extra = stored.extra.decode() if stored.extra is not None else None
        large = len(stored.arguments) > BLOB_BYTES
        digest, askable, as_task = "", None, False
        if verdict.action is Action.ASK:
            if request.channel is not None:
                askable, as_task = capabilities_of(letters_of(request.channel.capabilities)), request.channel.as_task
            digest = call_digest(stored.policy_name, text, extra, facts.definition, core.replacer.digest)
        return RequestCall(
            client=request.client,
            kind=request.kind,
            upstream=request.upstream,
            name=stored.name,
            arguments="" if large else text,
            arguments_blob=f"{call}.arguments" if large else None,
            arguments_bytes=len(stored.arguments),
            extra=extra,
            action=verdict.action,
            reason=verdict.reason,
            policy_version=policy_version,
            facts=facts,
            digest=digest,
            approval_expires_at=Millis(now + core.approval_ms),
            replica=core.log.replica,
            lease_until=Millis(now + core.lease_ms),
            retry_safe=core.retry_lost and bool(facts.read_only or facts.idempotent),
            arguments_digest=hashlib.sha256(stored.arguments).hexdigest() if large else None,
            capabilities=askable.decode() if askable is not None else None,
            as_task=as_task,
        )

    def _append(
        self, call: CallId, by: Actor, command: RequestCall, stored: _Stored, now: Millis
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
            writes = (write, Write(grant_aggregate(grant), None, (GrantUsed(call),)))
        if stored.request.continued is not None:
            writes = (*writes, self._gone_on_with(stored.request.continued, call, now))
        return core.log.append(
            *writes,
            actor=by,
            now=now,
            policy_version=command.policy_version,
            trace=stored.request.trace,
            blobs={command.arguments_blob: stored.arguments} if command.arguments_blob else NO_BLOBS,
            blob_ttl=core.approval_ms // 1000 + BLOB_GRACE_SECONDS,
            orphaned=partial(self._unsent.orphaned, call, by),
        )


USED = "These answers have been used already. Begin the call again."


def _gone_on(verdict: Verdict, continued: Continued) -> Verdict:
    """What was decided at first holds, unless it is denied by now."""
    if verdict.action is Action.DENY:
        return verdict
    reason = replace(verdict.reason, grant=None, continues=continued.call)
    return Verdict(Action.ALLOW, reason)


def _due(command: RequestCall) -> Millis | None:
    """When the new call first needs a Wake: its lease ends, or its approval expires."""
    if command.action is Action.ALLOW:
        return command.lease_until
    return command.approval_expires_at if command.action is Action.ASK else None
