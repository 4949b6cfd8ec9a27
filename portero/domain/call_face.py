"""What can be read of a call beside what was asked for and decided: who was told, how it runs, what came of it."""

from typing import TYPE_CHECKING

from portero.domain.ids import Millis, ReplicaId
from portero.domain.values import TERMINAL, Actor, Resolution

if TYPE_CHECKING:
    from portero.domain.call_parts import Approval, Execution, Notice, Outcome, Told
    from portero.domain.values import Status, ToolFacts


class CallFace:
    """Half of ``Call``, which has the fields."""

    __slots__ = ()

    if TYPE_CHECKING:
        status: Status
        approval: Approval | None
        execution: Execution | None
        outcome: Outcome | None
        told: Told | None

        @property
        def facts(self) -> ToolFacts:
            """What the catalogue said of the tool."""

    # --- telling people -----------------------------------------------------------------------------------------------

    @property
    def notified(self) -> "tuple[Notice, ...]":
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
    def asks(self) -> bool:
        """What came of it is no result yet: the upstream asks the client for more, and another call goes on."""
        return self.outcome.asks if self.outcome else False

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
