"""The calls that wait for a person, in the order they began to."""

from portero.domain.call import Call
from portero.domain.ids import CallId, Millis
from portero.domain.values import Status


class Approvals:
    """Kept by ``Calls``, from which it is rebuilt: it holds nothing of its own."""

    def __init__(self) -> None:
        self._pending: dict[CallId, Call] = {}

    def update(self, call: Call) -> None:
        """``call`` is a task as it stands now."""
        if call.status is Status.PENDING:
            self._pending[call.id] = call
        else:
            self._pending.pop(call.id, None)

    def pending(self) -> list[Call]:
        """Oldest first."""
        return list(self._pending.values())

    def next_expiry(self) -> Millis | None:
        return min((call.expires_at for call in self._pending.values() if call.expires_at is not None), default=None)

    def __len__(self) -> int:
        return len(self._pending)
