"""Everything that is seen during a run, a line of JSON each, written as it happens."""

import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs

from tests.chaos.history import Seen


def now() -> int:
    """The time in ms, by the clock that the replicas go by."""
    return time.time_ns() // 1_000_000


class Journal:
    def __init__(self, file: Path) -> None:
        self._file = file.open("a", buffering=1)
        self.seen: list[Seen] = []

    def note(
        self,
        op: str,
        where: str,
        about: str,
        sent: int,
        answer: Mapping[str, Any] | None = None,
        *,
        done: int | None = None,
        tool: str = "",
    ) -> None:
        """``answer`` None: none came."""
        seen = Seen(op, where, about, sent, now() if answer is not None and done is None else done, answer, tool)
        self.seen.append(seen)
        self._file.write(json.dumps(attrs.asdict(seen)) + "\n")

    def close(self) -> None:
        self._file.close()
