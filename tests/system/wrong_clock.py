"""``wrong_clock.py FILE ARGUMENTS…``: ``portero ARGUMENTS…`` on a machine whose clock is wrong by the seconds in FILE.

The file is read each time that somebody asks what time it is, so the clock can be made to jump.
"""

import runpy
import sys
import time
from pathlib import Path

offset = Path(sys.argv[1])
right = time.time_ns


def time_ns() -> int:
    return right() + int(offset.read_text() or 0) * 1_000_000_000


time.time_ns = time_ns
time.time = lambda: time_ns() / 1e9
sys.argv[1:] = sys.argv[2:]
runpy.run_module("portero", run_name="__main__", alter_sys=True)
