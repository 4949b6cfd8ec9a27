"""What can be asked of the domain: imperative values, decided against a state at a given time."""

import attrs

from portero.domain.ids import CallId, ClientId, GrantId, Millis, ReplicaId, RuleId
from portero.domain.values import Action, Actor, Kind, Reason, Resolution, ToolFacts


@attrs.frozen
class RequestCall:
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


@attrs.frozen
class Approve:
    by: Actor
    grant: GrantId | None = None
    rule: RuleId | None = None


@attrs.frozen
class Deny:
    by: Actor
    reason: str | None = None
    rule: RuleId | None = None


@attrs.frozen
class Cancel:
    by: Actor
    reason: str | None = None


@attrs.frozen
class RecordNotified:
    channel: str
    ref: str


@attrs.frozen
class RecordNotifyFailed:
    channel: str
    error: str
    retry_at: Millis | None


@attrs.frozen
class StartExecution:
    replica: ReplicaId
    lease_until: Millis
    retry_safe: bool


@attrs.frozen
class RecordSuccess:
    """``attempt`` is the fence: an outcome of an attempt that is no longer the current one is recorded as late."""

    attempt: int
    is_error: bool
    result_blob: str | None
    result_bytes: int
    result_digest: str | None
    duration_ms: int


@attrs.frozen
class RecordFailure:
    attempt: int
    error: str
    sent: bool
    duration_ms: int


@attrs.frozen
class RecordUnknown:
    attempt: int
    reason: str
    duration_ms: int


@attrs.frozen
class ResolveOutcome:
    by: Actor
    resolution: Resolution


@attrs.frozen
class MarkRead:
    pass


@attrs.frozen
class Wake:
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
    | Wake
)


@attrs.frozen
class IssueGrant:
    pattern: str
    literal: bool
    expires_at: Millis
    by: Actor
    uses: int | None = None
    client: ClientId | None = None
    call: CallId | None = None


@attrs.frozen
class UseGrant:
    call: CallId


@attrs.frozen
class RevokeGrant:
    by: Actor


GrantCommand = IssueGrant | UseGrant | RevokeGrant | Wake


@attrs.frozen
class SetRule:
    pattern: str
    literal: bool
    action: Action
    by: Actor
    call: CallId | None = None


@attrs.frozen
class RemoveRule:
    by: Actor


RuleCommand = SetRule | RemoveRule
