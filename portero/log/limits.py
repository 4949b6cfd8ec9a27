"""How long the log waits for its store."""

import attrs


@attrs.frozen
class Limits:
    """Seconds."""

    connect: float = 2.0
    call: float = 2.0
    write: float = 2.0
    """After this an append's outcome counts as unknown; an idle connection is asked for a sign of life as often."""
    patience: float = 2.0
    """How long appends wait for a lost connection to come back before they are refused."""
    block: float = 2.0
    """Blocking reads never block longer, so that a connection that hangs is noticed within seconds."""

    @property
    def block_ms(self) -> int:
        return round(self.block * 1000)

    @property
    def blocked(self) -> float:
        """When a blocking read must have answered."""
        return self.block + self.call
