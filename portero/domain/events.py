"""Everything that can happen, as values. JSON texts inside are the fake side: real values never enter an event."""

from typing import Generic, TypeVar, get_args

from msgspec import Struct

from portero.domain.ids import CallId, ClientId, GrantId, Millis, ReplicaId, RuleId
from portero.domain.values import Action, Actor, Kind, Reason, Resolution, ToolFacts, Watched

NO_FACTS = ToolFacts()

# --- call ---------------------------------------------------------------------------------------------------------


class ToolCallRequested(Struct, frozen=True):
    """A client asked for something that lives on an upstream."""

    client: ClientId
    kind: Kind
    upstream: str
    name: str
    """The upstream's own name of the tool or prompt, or the resource's URI."""
    arguments: str
    """JSON text of the arguments, fakes only; empty when ``arguments_blob`` is set."""
    arguments_blob: str | None = None
    arguments_bytes: int = 0
    extra: str | None = None
    """JSON object with other members of the request's params that must reach the upstream, fakes only; None also when
    ``extra_blob`` is set."""
    arguments_digest: str | None = None
    """SHA-256, hex, of arguments that are kept as a blob: what remains of them once their time is over."""
    extra_blob: str | None = None
    extra_bytes: int = 0
    extra_digest: str | None = None
    """The same of the other members."""


class PolicyDecided(Struct, frozen=True):
    action: Action
    reason: Reason
    policy_version: int


class ApprovalRequested(Struct, frozen=True):
    """The call waits for a person until ``expires_at``."""

    digest: str
    """Over tool, stored arguments, tool definition and replacement table; execution recomputes it."""
    expires_at: Millis
    facts: ToolFacts = NO_FACTS
    capabilities: str | None = None
    """What the client can be asked by the upstream, as JSON in the protocol's words."""
    as_task: bool = False
    """The client follows the call as a task, and answers there what it is asked."""


class ApprovalNotified(Struct, frozen=True):
    """A person was told. ``ref`` is the channel's own reference, such as ``chat:message``."""

    channel: str
    ref: str


class ApprovalNotifyFailed(Struct, frozen=True):
    channel: str
    error: str
    attempt: int
    retry_at: Millis | None


class CallApproved(Struct, frozen=True):
    by: Actor
    grant: GrantId | None = None
    """Set when the approval also issued a grant."""
    rule: RuleId | None = None
    """Set when the approval also set a rule."""


class CallDenied(Struct, frozen=True):
    by: Actor
    reason: str | None = None
    rule: RuleId | None = None


class ApprovalExpired(Struct, frozen=True):
    pass


class CallCancelled(Struct, frozen=True):
    by: Actor
    reason: str | None = None


class ExecutionQueued(Struct, frozen=True):
    """It is allowed, and waits to be started by the replica that runs its server.

    ``replica`` is the one whose client waits for it: what that client can be asked and told stands here.
    """

    replica: ReplicaId
    digest: str
    """As in ``ApprovalRequested``."""
    wait_ms: int
    """It starts within this time, or not at all."""
    lease_ms: int
    """Nor does it once nothing was heard for so long of the replica that waits for it."""
    facts: ToolFacts = NO_FACTS
    capabilities: str | None = None
    """What the client can be asked, as JSON in the protocol's words."""
    log_level: str | None = None
    pushes: bool = False
    progress: bool = False


class ExecutionStarted(Struct, frozen=True):
    """The fence: exactly one append of this event wins, and only its author may call the upstream."""

    replica: ReplicaId
    attempt: int
    lease_until: Millis
    retry_safe: bool = False
    """The tool is declared read-only or idempotent, so a lost outcome may be retried."""


class ExecutionSucceeded(Struct, frozen=True):
    """The upstream answered with a result (``is_error``: a tool error, which is a result too)."""

    is_error: bool
    result_blob: str | None = None
    """Where the result after replacement is kept, for a time, beside the log; None: nobody fetches it later."""
    result_bytes: int = 0
    result_digest: str | None = None
    """SHA-256, hex, of the result as the client gets it, whether it is kept or not."""
    duration_ms: int = 0
    asks: bool = False
    """It is no result yet: the upstream asks the client for more, and is called again with the answers."""


class ExecutionFailed(Struct, frozen=True):
    """The call ended without a result and without doubt: refused by the upstream, or never sent."""

    error: str
    """JSON object {code, message, data?} after replacement; the beginning, where the next two measure all of it."""
    sent: bool
    duration_ms: int = 0
    error_bytes: int = 0
    error_digest: str | None = None


class ExecutionOutcomeUnknown(Struct, frozen=True):
    """The call was sent and its outcome is lost; it may have happened. ``reason`` is for people."""

    reason: str
    duration_ms: int = 0


class LateOutcomeRecorded(Struct, frozen=True):
    """An answer came after its attempt had already ended as unknown or cancelled."""

    is_error: bool
    result_blob: str | None = None
    result_bytes: int = 0
    result_digest: str | None = None
    error: str | None = None
    """JSON object {code, message, data?} when it was no result; if too long, as in ExecutionFailed, measured above."""
    attempt: int = 0
    """Which attempt it answers; 0: the only one."""


class InputRequested(Struct, frozen=True):
    """The upstream asks the client something in the middle of the call, such as to elicit or to sample."""

    key: str
    """Tells the questions of one call apart."""
    method: str
    until: Millis
    """Nobody waits for the answer longer."""
    blob: str
    """Where its params, fakes only, are kept for a time beside the log."""
    digest: str
    """SHA-256, hex, of the params: what remains of them."""


class InputGiven(Struct, frozen=True):
    """The client has answered. ``refused``: with an error."""

    key: str
    blob: str
    """Where the JSON of the result or error, fakes only, is kept for a time beside the log."""
    digest: str
    refused: bool = False


class InputWithdrawn(Struct, frozen=True):
    """The answer is not waited for any more."""

    key: str
    reason: str


class TaskGiven(Struct, frozen=True):
    """The client does not wait for the call any more: it has a task instead, and fetches what comes of it."""


class UpstreamTaskShown(Struct, frozen=True):
    """The upstream had answered with a task of its own, and its client was told something new of that."""

    status: str
    """The protocol's word: input_required, completed, failed or cancelled."""
    digest: str
    """SHA-256, hex, of its questions, result or error as the client gets them, fakes only; those are not kept."""
    size: int
    """Bytes of them."""


class CallContinued(Struct, frozen=True):
    """The upstream had answered with questions, and another call goes on with the client's answers; once only."""

    by: CallId


class OutcomeResolved(Struct, frozen=True):
    by: Actor
    resolution: Resolution


class ResultRead(Struct, frozen=True):
    """The client fetched the result of a task for the first time."""


# --- grant --------------------------------------------------------------------------------------------------------


class GrantIssued(Struct, frozen=True):
    """Lifts ``require-approval`` (never ``deny``) for matching tools until ``expires_at``."""

    pattern: str
    literal: bool
    """True: ``pattern`` is one tool's name, and ``*`` in it is a character like any other."""
    expires_at: Millis
    by: Actor
    uses: int | None = None
    client: ClientId | None = None
    """Only for this client's calls; None: for every client's."""
    call: CallId | None = None
    """The call whose approval issued it."""


class GrantUsed(Struct, frozen=True):
    """Appended only for grants with a use limit."""

    call: CallId


class GrantRevoked(Struct, frozen=True):
    by: Actor


class GrantExpired(Struct, frozen=True):
    pass


# --- rule ---------------------------------------------------------------------------------------------------------


class RuleSet(Struct, frozen=True):
    pattern: str
    literal: bool
    action: Action
    by: Actor
    call: CallId | None = None


class RuleRemoved(Struct, frozen=True):
    by: Actor


# --- admin --------------------------------------------------------------------------------------------------------


class AdminPaired(Struct, frozen=True):
    user: int
    name: str
    chat: int


class AdminRemoved(Struct, frozen=True):
    by: Actor
    user: int | None = None
    """None: the aggregate says who (releases before 0.1.0)."""


# --- upstream -----------------------------------------------------------------------------------------------------


class UpstreamConnected(Struct, frozen=True):
    replica: ReplicaId
    server: str
    version: str
    protocol: str
    tools: int


class UpstreamLost(Struct, frozen=True):
    """``retry_at`` is None when it will not be tried again (disabled, or the replica stops)."""

    replica: ReplicaId
    reason: str
    failures: int
    crash_loop: bool
    retry_at: Millis | None


class CatalogueTool(Struct, frozen=True):
    """One tool, as other processes need to know it."""

    name: str
    facts: ToolFacts


class CatalogueChanged(Struct, frozen=True):
    """The tools of one upstream, as this replica sees them now."""

    replica: ReplicaId
    digest: str
    tools: tuple[CatalogueTool, ...]
    dropped: tuple[str, ...] = ()
    """Tools that were refused, each with the reason: ``name: reason``."""
    lists: str | None = None
    """Where all its lists are kept beside the log, for replicas that do not run it themselves."""


# --- the owner of an upstream of which there is one instance ---------------------------------------------------


class OwnershipTaken(Struct, frozen=True):
    """From here on this replica runs the server, and no other may start a call on it."""

    replica: ReplicaId
    epoch: int
    """Of the lease that it holds."""


class OwnershipEnded(Struct, frozen=True):
    """It has given the server back: nothing runs on it until somebody takes it over."""

    replica: ReplicaId
    epoch: int
    reason: str


class ResourceUpdated(Struct, frozen=True):
    """An upstream said that a resource has changed which somebody subscribed to; ``uri`` is the fake side."""

    uri: str


# --- session ------------------------------------------------------------------------------------------------------


class StreamOpened(Struct, frozen=True):
    """A client holds a stream of notices open. Of several of one session, only the newest is written to."""

    client: ClientId
    replica: ReplicaId
    stream: str


class ResourcesSubscribed(Struct, frozen=True):
    client: ClientId
    resources: tuple[Watched, ...]


class ResourcesUnsubscribed(Struct, frozen=True):
    """``reason``: why, where it was not the client who said so."""

    resources: tuple[Watched, ...]
    reason: str | None = None


class LogLevelSet(Struct, frozen=True):
    client: ClientId
    level: str


class RequestCancelled(Struct, frozen=True):
    """A client of the older era calls off a request that some other replica holds."""

    client: ClientId
    request: str
    """SHA-256, hex, of the JSON-RPC id: what a client writes into it is its own."""


class SessionEnded(Struct, frozen=True):
    client: ClientId


# --- system -------------------------------------------------------------------------------------------------------


class ReplicaStarted(Struct, frozen=True):
    replica: ReplicaId
    version: str
    pid: int
    host: str
    endpoint: str = ""


class ReplicaStopped(Struct, frozen=True):
    replica: ReplicaId
    reason: str


class ConfigLoaded(Struct, frozen=True):
    """Digests of the configuration a replica decides with; never its contents."""

    replica: ReplicaId
    policies: str
    replacements: str
    upstreams: str
    default: Action
    upstream_names: tuple[str, ...] = ()
    skipped: tuple[str, ...] = ()
    """What was left out, each with the reason."""
    singles: tuple[str, ...] = ()
    """Of the upstreams, those of which there is one instance for all replicas."""


class AccessLocked(Struct, frozen=True):
    """Everything is denied and approvals are frozen until unlocked."""

    by: Actor
    reason: str | None = None


class AccessUnlocked(Struct, frozen=True):
    by: Actor


class HandlerGaveUp(Struct, frozen=True):
    """A piece of work was tried too often; ``about`` is the aggregate it was for."""

    group: str
    about: str
    deliveries: int
    error: str


class SegmentArchived(Struct, frozen=True):
    """The events from ``first`` to ``last`` are in the archive, in a segment whose hash is ``digest``."""

    first: int
    last: int
    digest: str
    previous: str
    """The digest of the segment before; empty for the first."""
    location: str
    """The segment's name in the archive, wherever that is."""
    size: int
    """Bytes."""
    last_entry: str = ""
    """The entry id of the last event on the stream."""


class SegmentsRemoved(Struct, frozen=True):
    """Segments older than the operator wants to keep are gone, or will be: those with events below ``before``."""

    before: int
    digest: str
    """Of the last one of them, which the first that is kept names as its previous."""


class LogDiverged(Struct, frozen=True):
    """Written to the log only where that is still possible; see the log's own error of the same name."""

    replica: ReplicaId
    expected: int
    found: int
    detail: str


CallEvent = (
    ToolCallRequested
    | PolicyDecided
    | ApprovalRequested
    | ApprovalNotified
    | ApprovalNotifyFailed
    | CallApproved
    | CallDenied
    | ApprovalExpired
    | CallCancelled
    | ExecutionQueued
    | ExecutionStarted
    | ExecutionSucceeded
    | ExecutionFailed
    | ExecutionOutcomeUnknown
    | LateOutcomeRecorded
    | InputRequested
    | InputGiven
    | InputWithdrawn
    | TaskGiven
    | UpstreamTaskShown
    | CallContinued
    | OutcomeResolved
    | ResultRead
)
GrantEvent = GrantIssued | GrantUsed | GrantRevoked | GrantExpired
RuleEvent = RuleSet | RuleRemoved
AdminEvent = AdminPaired | AdminRemoved
UpstreamEvent = UpstreamConnected | UpstreamLost | CatalogueChanged
OwnerEvent = OwnershipTaken | OwnershipEnded
SessionEvent = (
    StreamOpened | ResourcesSubscribed | ResourcesUnsubscribed | LogLevelSet | RequestCancelled | SessionEnded
)
SystemEvent = (
    ReplicaStarted
    | ReplicaStopped
    | ConfigLoaded
    | AccessLocked
    | AccessUnlocked
    | HandlerGaveUp
    | SegmentArchived
    | SegmentsRemoved
    | LogDiverged
)
Event = (
    CallEvent
    | GrantEvent
    | RuleEvent
    | AdminEvent
    | UpstreamEvent
    | OwnerEvent
    | ResourceUpdated
    | SessionEvent
    | SystemEvent
)

EVENT_TYPES: dict[str, type[Event]] = {cls.__name__: cls for cls in get_args(Event)}
"""Event classes by the name that stands in the log."""

POLICY_EVENTS: frozenset[type[Event]] = frozenset(
    {*get_args(GrantEvent), *get_args(RuleEvent), ConfigLoaded, AccessLocked, AccessUnlocked}
)
"""Events that move the policy version: a decision made before one of them is made again after it."""


class Meta(Struct, frozen=True):
    """What every event of one append shares. Source: the ``m`` field of a log entry."""

    at: Millis
    actor: Actor
    replica: ReplicaId
    write: str
    """The write id: a repeated append with the same id is recognised and not written twice."""
    cause: int | None = None
    """Sequence of the event that led to this one."""
    trace: str | None = None
    """W3C traceparent."""
    schema: int = 1


E_co = TypeVar("E_co", bound="Event | None", covariant=True)


class Recorded(Struct, Generic[E_co], frozen=True):
    """An event as it stands on the log.

    ``seq`` is the dense position from 1, ``version`` the aggregate's version after it (from 1), ``entry`` the stream's
    id.
    ``event`` is None for a type this release does not know (``type`` still names it).
    """

    seq: int
    entry: str
    aggregate: str
    version: int
    type: str
    event: E_co
    meta: Meta
