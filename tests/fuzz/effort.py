"""How long is looked: a little and always the same in the suite, and until a time is over with ``make fuzz``."""

import os
import time
import unittest
from collections import Counter
from typing import Final

from hypothesis import HealthCheck, settings

TIMES: Final = int(os.environ.get("FUZZ_TIMES", "1"))
"""Of the examples that the suite tries."""
UNTIL: Final = float(os.environ.get("FUZZ_UNTIL", "inf"))
"""The time, in seconds since 1970, at which nothing more is tried."""
tried: Final[Counter[str]] = Counter()


def effort(examples: int, **more: int) -> settings:
    return settings(
        max_examples=examples * TIMES,
        derandomize=TIMES == 1,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        **more,
    )


def once_more(what: str) -> None:
    """To be said before each try: counts it, and ends the test when the time is over."""
    if time.time() > UNTIL:
        raise unittest.SkipTest("the time is over")  # hypothesis lets it through: it is no find
    tried[what] += 1
