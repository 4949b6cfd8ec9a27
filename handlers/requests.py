"""A client's request, from policy to answer: replaced, decided and on the log before one byte reaches the upstream."""

from collections.abc import Callable

import attrs

from handlers.core import Core, new_call_id
from handlers.running import Done, Execution, Failed, Runner
from portero.domain import call as calls
from portero.domain.commands import RequestCall
from portero.domain.digest import call_digest
from portero.domain.events import GrantUsed
from portero.domain.ids import CallId, ClientId, Millis, Seq, call_aggregate, grant_aggregate
from portero.domain.patterns import policy_name
from portero.domain.policy import Verdict
from portero.domain.values import Action, Actor, Kind, Reason, ToolFacts
from portero.errors import PolicyMoved, VersionConflict
from portero.log import Appended, Write

BLOB_BYTES = 32_768
"""Arguments and results above this are kept beside the log, so that views stay small."""

STARTED_VERSION = 3
"""A call that is allowed at once stands here after its first append: requested, decided, started."""

BLOB_GRACE_SECONDS = 7 * 86_400
"""How long a blob outlives the approval it waits for."""


@attrs.frozen
class CallRequest:
    """One request of a client, as the gateway understood it.

    ``name`` is the upstream's own name (or a resource's URI), ``arguments`` the JSON bytes as the client sent them (fakes),
    ``extra`` a JSON object with other members of the params that the upstream must get. ``on_progress`` gets the raw params
    of the upstream's progress notifications.
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


@attrs.frozen
class Pending:
    """A person is asked; ``seq`` lets any replica answer for the call."""

    call: CallId
    seq: Seq
    requested_at: Millis
    expires_at: Millis


@attrs.frozen
class Refused:
    """The policy denies it; nothing was sent."""

    call: CallId
    reason: Reason


Answer = Done | Failed | Pending | Refused


class Requests:
    """Takes calls from clients. One instance per process."""

    def __init__(self, core: Core, runner: Runner) -> None:
        self._core = core
        self._runner = runner

    async def call(self, request: CallRequest) -> Answer:
        """Decides, records and, where allowed, runs one call.

        Raises LogError when the log could not take the request: then nothing was sent. Cancelling it while the upstream
        works cancels the call there and records that.
        """
        core = self._core
        stored = core.replacer.to_fake_stored(request.arguments)
        extra = core.replacer.to_fake_stored(request.extra) if request.extra else None
        call_id = new_call_id()
        while True:
            now = core.clock()
            policy_version = core.view.policy_version
            verdict = core.decide_policy(
                policy_name(request.kind, request.upstream, request.name), request.client, now
            )
            command = self._command(request, stored, extra, verdict, policy_version, now)
            try:
                appended = await self._append(call_id, command, stored, request.trace, now)
                break
            except (PolicyMoved, VersionConflict):
                await core.catch_up()
        if verdict.action is Action.ALLOW:
            return await self._runner.run(
                Execution(
                    call_id,
                    request.kind,
                    request.upstream,
                    request.name,
                    stored,
                    extra,
                    version=STARTED_VERSION,
                    attempt=1,
                    retry_safe=command.retry_safe,
                    asked=False,
                    cause=appended.last,
                    trace=request.trace,
                    on_progress=request.on_progress,
                    requester=Actor("client", request.client),
                )
            )
        if verdict.action is Action.ASK:
            return Pending(call_id, appended.last, now, command.approval_expires_at)
        return Refused(call_id, verdict.reason)

    def _command(
        self, request: CallRequest, stored: bytes, extra: bytes | None, verdict: Verdict, policy_version: int, now: Millis
    ) -> RequestCall:
        core = self._core
        asked = verdict.action is Action.ASK
        large = len(stored) > BLOB_BYTES
        facts = request.facts
        text = stored.decode()
        extra_text = extra.decode() if extra else None
        return RequestCall(
            client=request.client,
            kind=request.kind,
            upstream=request.upstream,
            name=request.name,
            arguments="" if large else text,
            arguments_blob=None,
            arguments_bytes=len(stored),
            extra=extra_text,
            action=verdict.action,
            reason=verdict.reason,
            policy_version=policy_version,
            facts=facts,
            digest=call_digest(
                policy_name(request.kind, request.upstream, request.name), text, extra_text, facts.definition,
                core.replacer.digest,
            )
            if asked
            else "",
            approval_expires_at=Millis(now + core.approval_ms),
            replica=core.log.replica,
            lease_until=Millis(now + core.lease_ms),
            retry_safe=bool(facts.read_only or facts.idempotent),
        )

    async def _append(
        self, call_id: CallId, command: RequestCall, stored: bytes, trace: str | None, now: Millis
    ) -> Appended:
        core = self._core
        blobs: dict[str, bytes] = {}
        ttl = core.approval_ms // 1000 + BLOB_GRACE_SECONDS
        if len(stored) > BLOB_BYTES:
            key = f"{call_id}.arguments"
            blobs[key] = stored
            command = attrs.evolve(command, arguments_blob=key)
        events = tuple(calls.decide(None, command, now))
        action = command.action
        write = Write(
            call_aggregate(call_id),
            0,
            events,
            timer=command.lease_until if action is Action.ALLOW else command.approval_expires_at if action is Action.ASK else None,
            work=("notification",) if action is Action.ASK else (),
            ends=action is Action.DENY,
        )
        writes = (write,)
        grant = command.reason.grant
        if grant is not None and core.view.grants.limited(grant):
            writes = (write, Write(grant_aggregate(grant), None, (GrantUsed(call_id),)))
        return await core.log.append(
            *writes,
            actor=Actor("client", command.client),
            now=now,
            policy_version=command.policy_version,
            trace=trace,
            blobs=blobs,
            blob_ttl=ttl,
        )
