"""A call as it stands: a few values from its events, and one flat face for those who read it."""

from msgspec import Struct

from portero.domain.call_face import CallFace
from portero.domain.call_parts import Approval, Decision, Dialogue, Execution, Origin, Outcome, Question, Queued, Told
from portero.domain.events import PolicyDecided
from portero.domain.ids import CallId, ClientId, GrantId, Millis, RuleId
from portero.domain.patterns import policy_name
from portero.domain.values import Action, Actor, Kind, Reason, Status, ToolFacts


class Call(Struct, CallFace, frozen=True):
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
    dialogue: Dialogue | None = None
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
        """JSON text of the other members of the params, fakes only; None also when kept as ``extra_blob``."""
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
    def is_task(self) -> bool:
        """The client has a task, from the beginning or since the call took long."""
        return self.approval is not None or (self.dialogue is not None and self.dialogue.task)

    @property
    def questions(self) -> tuple[Question, ...]:
        """What the upstream asks the client, and waits for."""
        return self.dialogue.questions if self.dialogue and self.status is Status.EXECUTING else ()

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

    @property
    def waits_elsewhere(self) -> bool:
        """A client waits for what another replica makes of it, and it has not ended."""
        return self.queued is not None and self.status in {Status.QUEUED, Status.EXECUTING}
