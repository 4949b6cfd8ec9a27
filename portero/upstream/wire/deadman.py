"""A dead man's switch: a process of its own that ends a process group unless it is told, again and again, to wait.

For a server of which there must be one instance. Its owner may be killed, and then leaves the server running; or it may
be stopped or starved, while another replica starts the server anew: the old one must be gone by then.

The program reads lines: ``until SECONDS`` (of ``clock``), ``watch GROUP``, ``release``. When that time comes, or when
nobody can write to it any more, it kills the group. It needs the standard library only, so that it starts at once.
"""

import os
import select
import signal
import sys
import time

CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
"""The same as the lease's own: it goes on while the machine sleeps."""


def main() -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # it ends with its owner, and not before
    until, group, waiting = float("inf"), 0, b""
    while True:
        left = until - time.clock_gettime(CLOCK)
        ready = left > 0 and select.select([0], [], [], min(left, 3600.0))[0]
        if left <= 0:
            break
        if ready:
            data = os.read(0, 65536)
            if not data:
                break
            *lines, waiting = (waiting + data).split(b"\n")
            for line in lines:
                word, _, value = line.partition(b" ")
                if word == b"until":
                    until = float(value)
                else:
                    group = int(value or 0)
    if group:
        try:
            os.killpg(group, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):
            sys.exit()


if __name__ == "__main__":
    main()
