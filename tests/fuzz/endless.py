"""Fuzzes a real process until the time is over or something is found: ``python -m tests.fuzz.endless SECONDS``."""

import os
import subprocess
import sys
import time

TIMES = "20"


def main() -> None:
    end = time.monotonic() + int(sys.argv[1])
    rounds = 0
    while time.monotonic() < end:
        rounds += 1
        tests = ["tests/fuzz/test_wire.py", "tests/fuzz/test_machine.py"]
        command = [sys.executable, "-m", "pytest", "-q", "--timeout=0", f"--hypothesis-seed={time.time_ns()}", *tests]
        done = subprocess.run(command, env={**os.environ, "FUZZ_TIMES": TIMES}, check=False)
        if done.returncode:
            sys.exit(done.returncode)
    sys.stdout.write(f"{rounds} rounds, nothing found\n")


if __name__ == "__main__":
    main()
