"""How long is looked: a little and always the same in the suite, and ever on with ``make fuzz``."""

import os

from hypothesis import HealthCheck, settings

TIMES = int(os.environ.get("FUZZ_TIMES", "1"))
"""Of the examples that the suite tries."""


def effort(examples: int, **more: int) -> settings:
    return settings(
        max_examples=examples * TIMES,
        derandomize=TIMES == 1,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        **more,
    )
