"""How long to wait before the next attempt: longer each time, and never in step with other replicas."""

import random


class Backoff:
    """Seconds between half and the whole of a pause that doubles from ``first`` to ``longest``."""

    def __init__(self, first: float, longest: float) -> None:
        self._first, self._longest = first, longest
        self._pause = first

    def next(self) -> float:
        pause = self._pause
        self._pause = min(self._longest, pause * 2)
        return pause * random.uniform(0.5, 1.0)  # noqa: S311  # spreads attempts, protects nothing

    def reset(self) -> None:
        self._pause = self._first
