"""The values that a call is made of. A view makes new ones for every event of every call."""

from msgspec import Struct

from portero.domain.events import ExecutionQueued, ToolCallRequested, UpstreamTaskShown
from portero.domain.ids import CallId, GrantId, Millis, ReplicaId, RuleId
from portero.domain.values import Actor, Resolution, ToolFacts


class Origin(Struct, frozen=True):
    """How it began."""

    id: CallId
    seq: int
    at: Millis
    request: ToolCallRequested
    trace: str | None = None


class Decision(Struct, frozen=True):
    """What a person said, or time: ``by`` None when it expired."""

    at: Millis
    by: Actor | None
    approved: bool
    reason: str | None = None
    grant: GrantId | None = None
    rule: RuleId | None = None


class Notice(Struct, frozen=True):
    """A message that shows the call to a person."""

    channel: str
    ref: str


class Told(Struct, frozen=True):
    """How far people know of it. ``retry_at``: the last message could not be sent, and is tried again then."""

    notices: tuple[Notice, ...] = ()
    failures: int = 0
    error: str | None = None
    retry_at: Millis | None = None


class Approval(Struct, frozen=True):
    """What a call that must be asked for carries beyond the others."""

    digest: str
    expires_at: Millis
    facts: ToolFacts
    asked_at: Millis
    capabilities: str | None
    as_task: bool
    decision: Decision | None = None
    read_at: Millis | None = None
    """When the client fetched the result for the first time."""


class Queued(Struct, frozen=True):
    """It is allowed and waits, or waited, for the replica that runs its server."""

    at: Millis
    event: ExecutionQueued


class Question(Struct, frozen=True):
    """What the upstream asks the client, and nobody has answered yet. ``blob``: where its params are kept."""

    key: str
    method: str
    until: Millis
    blob: str


class Dialogue(Struct, frozen=True):
    """What passed between upstream and client beside the call itself. ``task``: the client has one in its place."""

    questions: tuple[Question, ...] = ()
    asked: int = 0
    """How often the client was asked."""
    task: bool = False
    continued_by: CallId | None = None
    shown: UpstreamTaskShown | None = None
    """What the client was told last of a task that the upstream made of the call."""


class Execution(Struct, frozen=True):
    """The attempt that counts. ``late``: the attempts whose answers came too late."""

    replica: ReplicaId
    attempt: int
    started_at: Millis
    lease_until: Millis
    retry_safe: bool
    late: tuple[int, ...] = ()


class Outcome(Struct, frozen=True):
    """What came of the execution."""

    is_error: bool = False
    result_blob: str | None = None
    result_bytes: int = 0
    result_digest: str | None = None
    duration_ms: int = 0
    asks: bool = False
    error: str | None = None
    unknown_reason: str | None = None
    resolution: Resolution | None = None
    resolved_by: Actor | None = None
    resolved_at: Millis | None = None
