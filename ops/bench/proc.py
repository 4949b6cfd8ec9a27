"""What a process has used so far, read from /proc."""

import os
from pathlib import Path

import attrs


@attrs.frozen
class Usage:
    """``cpu`` in seconds, user and system together, over all threads; ``rss`` in bytes."""

    cpu: float
    rss: int


def usage(pid: int) -> Usage:
    proc = Path("/proc") / str(pid)
    # schedstat counts nanoseconds where stat counts ticks of 10 ms
    cpu = sum(int((task / "schedstat").read_text().split()[0]) for task in (proc / "task").iterdir()) / 1e9
    rss = int((proc / "statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    return Usage(cpu, rss)
