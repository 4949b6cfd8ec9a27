"""Fuzzes real processes until the time is over or something is found: ``python -m tests.fuzz.endless SECONDS``.

What is found is printed as the smallest example of it; it belongs into ``tests/fuzz/found.py``.
"""

import os
import signal
import subprocess
import sys
import time
from types import FrameType
from typing import Final, NoReturn

TIMES: Final = "5"
"""Of what the suite tries, in one round: each begins with processes of its own and with another chance."""
SHORTEST: Final = 15
"""Seconds that a round takes before it tries anything, about."""
TESTS: Final = ("tests/fuzz/test_wire.py", "tests/fuzz/test_upstreams.py", "tests/fuzz/test_machine.py")


def main() -> None:
    end = time.time() + int(sys.argv[1])
    signal.signal(signal.SIGTERM, _ended)
    rounds = 0
    while rounds == 0 or time.time() + SHORTEST < end:
        rounds += 1
        seed = f"--hypothesis-seed={time.time_ns()}"
        command = [sys.executable, "-m", "pytest", "-q", "-n0", "-pno:randomly", "--timeout=0", seed, *TESTS]
        code = ended_of(subprocess.Popen(command, env={**os.environ, "FUZZ_TIMES": TIMES, "FUZZ_UNTIL": str(end)}))
        if code:
            sys.exit(f"something was found: see above ({seed}, round {rounds})")
    sys.stdout.write(f"{rounds} rounds, nothing found\n")


def ended_of(process: "subprocess.Popen[bytes]") -> int:
    """Its exit code. If this process is told to end, that one takes down what it has started before it ends."""
    try:
        return process.wait()
    except BaseException:
        process.send_signal(signal.SIGINT)
        process.wait(60)
        raise


def _ended(number: int, frame: FrameType | None) -> NoReturn:
    sys.exit("ended from outside")


if __name__ == "__main__":
    main()
