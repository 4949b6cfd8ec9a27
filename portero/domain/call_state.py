"""A call as it stands: a few values from its events, and one flat face for those who read it."""

from msgspec import Struct

from portero.domain.call_parts import Approval, Decision, Execution, Notice, Origin, Outcome, Queued, Told
from portero.domain.events import PolicyDecided
from portero.domain.ids import CallId, ClientId, GrantId, Millis, ReplicaId, RuleId
from portero.domain.patterns import policy_name
from portero.domain.values import TERMINAL, Action, Actor, Kind, Reason, Resolution, Status, ToolFacts


class Call(Struct, frozen=True):
    """One fold of a call, made of a few values, so that the next state shares what did not change."""

    origin: Origin
    version: int
    last_seq: int
    status: Status
    policy: PolicyDecided | None = None
    approval: Approval | None = None
    queued: Queued | None = None
    execution: Execution | None = None
    outcome: Outcome | None = None
    told: Told | None = None
    stopped: Decision | None = None
    """A cancellation, or a refusal after the approval."""
    ended_at: Millis | None = None
    foreign: bool = False
    """A newer release wrote on it something that this one cannot read, so this one decides nothing on it."""

    # --- what was asked for -------------------------------------------------------------------------------------------

    @property
    def id(self) -> CallId:
        return self.origin.id

    @property
    def client(self) -> ClientId:
        return self.origin.request.client

    @property
    def kind(self) -> Kind:
        return self.origin.request.kind

    @property
    def upstream(self) -> str:
        return self.origin.request.upstream

    @property
    def name(self) -> str:
        """The upstream's own name of the tool or prompt, or the resource's URI."""
        return self.origin.request.name

    @property
    def tool(self) -> str:
        """The name that policies know: ``server/tool``."""
        request = self.origin.request
        return policy_name(request.kind, request.upstream, request.name)

    @property
    def arguments(self) -> str:
        """JSON text, fakes only; empty when kept as ``arguments_blob``."""
        return self.origin.request.arguments

    @property
    def arguments_blob(self) -> str | None:
        return self.origin.request.arguments_blob

    @property
    def arguments_bytes(self) -> int:
        return self.origin.request.arguments_bytes

    @property
    def extra(self) -> str | None:
        return self.origin.request.extra

    @property
    def requested_at(self) -> Millis:
        return self.origin.at

    @property
    def requested_seq(self) -> int:
        return self.origin.seq

    @property
    def trace(self) -> str | None:
        return self.origin.trace

    # --- what was decided ---------------------------------------------------------------------------------------------

    @property
    def action(self) -> Action | None:
        return self.policy.action if self.policy else None

    @property
    def reason(self) -> Reason | None:
        return self.policy.reason if self.policy else None

    @property
    def asked(self) -> bool:
        """A person was asked: the client has a task."""
        return self.approval is not None

    @property
    def facts(self) -> ToolFacts:
        told = self.approval or (self.queued.event if self.queued else None)
        return told.facts if told else ToolFacts()

    @property
    def digest(self) -> str:
        """Of what was approved, or asked for; empty for a call that was started as soon as it came."""
        told = self.approval or (self.queued.event if self.queued else None)
        return told.digest if told else ""

    @property
    def expires_at(self) -> Millis | None:
        return self.approval.expires_at if self.approval else None

    @property
    def decision(self) -> Decision | None:
        """The one that holds: the last word of a person or of time."""
        return self.stopped or (self.approval.decision if self.approval else None)

    @property
    def decided_at(self) -> Millis | None:
        return self.decision.at if self.decision else None

    @property
    def decided_by(self) -> Actor | None:
        return self.decision.by if self.decision else None

    @property
    def approved_at(self) -> Millis | None:
        decision = self.approval.decision if self.approval else None
        return decision.at if decision and decision.approved else None

    @property
    def approved_by(self) -> Actor | None:
        decision = self.approval.decision if self.approval else None
        return decision.by if decision and decision.approved else None

    @property
    def denied_reason(self) -> str | None:
        return self.decision.reason if self.decision and self.status is Status.DENIED else None

    @property
    def cancel_reason(self) -> str | None:
        return self.decision.reason if self.decision and self.status is Status.CANCELLED else None

    @property
    def grant(self) -> GrantId | None:
        """The grant that its approval issued."""
        return self.decision.grant if self.decision else None

    @property
    def rule(self) -> RuleId | None:
        """The rule that its approval or denial set, or that denied it after its approval."""
        return self.decision.rule if self.decision else None

    @property
    def queued_at(self) -> Millis | None:
        """Since when it waits to start."""
        if self.status is not Status.QUEUED:
            return None
        again = self.outcome.resolved_at if self.outcome else None
        return again or self.approved_at or (self.queued.at if self.queued else None)

    @property
    def start_by(self) -> Millis | None:
        """When it ends if it cannot start: an approval holds for as long as it could be given."""
        since = self.queued_at
        if since is None:
            return None
        if self.approval is not None:
            return Millis(since + self.approval.expires_at - self.approval.asked_at)
        return Millis(since + self.queued.event.wait_ms) if self.queued else None

    @property
    def waited_for_until(self) -> Millis | None:
        """When it does not start any more unless the replica whose client waits for it is heard of before."""
        since = self.queued_at
        return Millis(since + self.queued.event.lease_ms) if since is not None and self.queued else None

    # --- telling people -----------------------------------------------------------------------------------------------

    @property
    def notified(self) -> tuple[Notice, ...]:
        return self.told.notices if self.told else ()

    def ref(self, channel: str) -> str | None:
        """The newest message about it in a channel."""
        return next((notice.ref for notice in reversed(self.notified) if notice.channel == channel), None)

    @property
    def notify_failures(self) -> int:
        return self.told.failures if self.told else 0

    @property
    def notify_error(self) -> str | None:
        return self.told.error if self.told else None

    @property
    def notify_retry_at(self) -> Millis | None:
        return self.told.retry_at if self.told else None

    def notify_due(self, now: Millis) -> bool:
        """The last attempt to tell a person failed, and it is time for the next."""
        return self.notify_retry_at is not None and now >= self.notify_retry_at

    # --- running ------------------------------------------------------------------------------------------------------

    @property
    def attempt(self) -> int:
        """0 before the first."""
        return self.execution.attempt if self.execution else 0

    @property
    def started_at(self) -> Millis | None:
        return self.execution.started_at if self.execution else None

    @property
    def lease_until(self) -> Millis | None:
        return self.execution.lease_until if self.execution else None

    @property
    def replica(self) -> ReplicaId | None:
        return self.execution.replica if self.execution else None

    @property
    def retry_safe(self) -> bool:
        """The tool is declared read-only or idempotent."""
        if self.execution is not None:
            return self.execution.retry_safe
        return bool(self.facts.read_only or self.facts.idempotent)

    @property
    def late(self) -> bool:
        """An answer came too late."""
        return bool(self.execution and self.execution.late)

    # --- what came of it ----------------------------------------------------------------------------------------------

    @property
    def finished(self) -> bool:
        return self.status in TERMINAL

    @property
    def is_error(self) -> bool:
        """The result is a tool's own error."""
        return self.outcome.is_error if self.outcome else False

    @property
    def result_blob(self) -> str | None:
        """Where its result is kept for a time; None when there is none, or none that anybody fetches later."""
        return self.outcome.result_blob if self.outcome else None

    @property
    def result_bytes(self) -> int:
        return self.outcome.result_bytes if self.outcome else 0

    @property
    def result_digest(self) -> str | None:
        """SHA-256, hex, of the result that is or was kept."""
        return self.outcome.result_digest if self.outcome else None

    @property
    def error(self) -> str | None:
        """JSON object {code, message, data?}."""
        return self.outcome.error if self.outcome else None

    @property
    def duration_ms(self) -> int:
        return self.outcome.duration_ms if self.outcome else 0

    @property
    def unknown_reason(self) -> str | None:
        return self.outcome.unknown_reason if self.outcome else None

    @property
    def resolution(self) -> Resolution | None:
        return self.outcome.resolution if self.outcome else None

    @property
    def resolved_by(self) -> Actor | None:
        return self.outcome.resolved_by if self.outcome else None

    @property
    def resolved_at(self) -> Millis | None:
        return self.outcome.resolved_at if self.outcome else None

    @property
    def read_at(self) -> Millis | None:
        return self.approval.read_at if self.approval else None
