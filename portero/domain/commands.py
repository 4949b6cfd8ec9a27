"""What can be asked of the domain: imperative values, decided against a state at a given time."""

from msgspec import Struct

from portero.domain.events import ExecutionQueued
from portero.domain.ids import CallId, ClientId, GrantId, Millis, ReplicaId, RuleId
from portero.domain.values import Action, Actor, Kind, Reason, Resolution, ToolFacts, Watched


class RequestCall(Struct, frozen=True):
    """A new call with the policy decision it was given.

    ``approval_expires_at`` and ``digest`` matter where ``action`` asks, ``lease_until`` where it allows.
    """

    client: ClientId
    kind: Kind
    upstream: str
    name: str
    arguments: str
    arguments_blob: str | None
    arguments_bytes: int
    extra: str | None
    action: Action
    reason: Reason
    policy_version: int
    facts: ToolFacts
    digest: str
    approval_expires_at: Millis
    replica: ReplicaId
    lease_until: Millis
    retry_safe: bool
    arguments_digest: str | None = None
    extra_blob: str | None = None
    extra_bytes: int = 0
    extra_digest: str | None = None
    queued: ExecutionQueued | None = None
    """Where it is allowed: another replica starts it, and this event says so instead of that it has started."""
    capabilities: str | None = None
    as_task: bool = False
    """These two as in ``ApprovalRequested``."""


class Approve(Struct, frozen=True):
    by: Actor
    grant: GrantId | None = None
    rule: RuleId | None = None


class Deny(Struct, frozen=True):
    by: Actor
    reason: str | None = None
    rule: RuleId | None = None


class Cancel(Struct, frozen=True):
    by: Actor
    reason: str | None = None


class RecordNotified(Struct, frozen=True):
    channel: str
    ref: str


class RecordNotifyFailed(Struct, frozen=True):
    channel: str
    error: str
    retry_at: Millis | None


class StartExecution(Struct, frozen=True):
    replica: ReplicaId
    lease_until: Millis
    retry_safe: bool


class RecordSuccess(Struct, frozen=True):
    """``attempt`` is the fence: an outcome of an attempt that is no longer the current one is recorded as late."""

    attempt: int
    is_error: bool
    result_blob: str | None
    result_bytes: int
    result_digest: str | None
    duration_ms: int
    asks: bool = False


class RecordFailure(Struct, frozen=True):
    attempt: int
    error: str
    sent: bool
    duration_ms: int
    error_bytes: int = 0
    error_digest: str | None = None
    """These two as in ``ExecutionFailed``."""


class RecordUnknown(Struct, frozen=True):
    attempt: int
    reason: str
    duration_ms: int


class ResolveOutcome(Struct, frozen=True):
    by: Actor
    resolution: Resolution


class MarkRead(Struct, frozen=True):
    pass


class RequestInput(Struct, frozen=True):
    """See ``InputRequested``."""

    key: str
    method: str
    until: Millis
    blob: str
    digest: str


class Answer(Struct, frozen=True):
    """See ``InputGiven``."""

    key: str
    blob: str
    digest: str
    refused: bool = False


class GiveInput(Struct, frozen=True):
    answers: tuple[Answer, ...]


class WithdrawInput(Struct, frozen=True):
    key: str
    reason: str


class GiveTask(Struct, frozen=True):
    pass


class Continue(Struct, frozen=True):
    """``by``: the call that goes on from here."""

    by: CallId


class ShowUpstreamTask(Struct, frozen=True):
    """The client is about to be told how a task of the upstream's stands. As in ``UpstreamTaskShown``."""

    status: str
    digest: str
    size: int


class Wake(Struct, frozen=True):
    """A timer rang: expire what has expired, declare lost what lost its lease, do nothing otherwise."""


CallCommand = (
    RequestCall
    | Approve
    | Deny
    | Cancel
    | RecordNotified
    | RecordNotifyFailed
    | StartExecution
    | RecordSuccess
    | RecordFailure
    | RecordUnknown
    | ResolveOutcome
    | MarkRead
    | RequestInput
    | GiveInput
    | WithdrawInput
    | GiveTask
    | Continue
    | ShowUpstreamTask
    | Wake
)


class IssueGrant(Struct, frozen=True):
    pattern: str
    literal: bool
    expires_at: Millis
    by: Actor
    uses: int | None = None
    client: ClientId | None = None
    call: CallId | None = None


class UseGrant(Struct, frozen=True):
    call: CallId


class RevokeGrant(Struct, frozen=True):
    by: Actor


GrantCommand = IssueGrant | UseGrant | RevokeGrant | Wake


class SetRule(Struct, frozen=True):
    pattern: str
    literal: bool
    action: Action
    by: Actor
    call: CallId | None = None


class RemoveRule(Struct, frozen=True):
    by: Actor


RuleCommand = SetRule | RemoveRule


class TakeOwnership(Struct, frozen=True):
    """``epoch`` is that of the lease which the replica holds."""

    replica: ReplicaId
    epoch: int


class EndOwnership(Struct, frozen=True):
    replica: ReplicaId
    epoch: int
    reason: str


OwnerCommand = TakeOwnership | EndOwnership


class OpenStream(Struct, frozen=True):
    client: ClientId
    replica: ReplicaId
    stream: str


class Subscribe(Struct, frozen=True):
    client: ClientId
    resources: tuple[Watched, ...]


class Unsubscribe(Struct, frozen=True):
    """``resources`` None: all that there are."""

    resources: tuple[Watched, ...] | None = None
    reason: str | None = None


class SetLevel(Struct, frozen=True):
    client: ClientId
    level: str


class EndSession(Struct, frozen=True):
    client: ClientId


SessionCommand = OpenStream | Subscribe | Unsubscribe | SetLevel | EndSession
