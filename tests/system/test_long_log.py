"""A log of 100,000 events: a start still takes seconds, memory stays small, and a rebuild gives the same state."""

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from tests.system.place import Place, wait_until

FILL = Path(__file__).parent / "fill.py"
EVENTS = 100_000
MEMORY_MIB = 400


def resident_mib(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS")) / 1024


def test_a_long_log_is_read_quickly_and_gives_the_same_state_with_and_without_a_snapshot(
    record_property: Callable[[str, object], None],
) -> None:
    with Place(PORTERO_FSYNC="everysec") as place:
        subprocess.run(
            [sys.executable, str(FILL), str(EVENTS)], cwd=place.folder, env=place.env, check=True, timeout=300
        )
        note = {}
        for how in ("from nothing", "from a snapshot"):  # a clean stop leaves a snapshot
            began = time.monotonic()
            gateway = place.start()
            note[how] = f"ready after {time.monotonic() - began:.1f} s, {resident_mib(gateway.pid):.0f} MiB"
            assert resident_mib(gateway.pid) < MEMORY_MIB
            assert "result" in place.client().tool("fx/do", id=how)
            replayed = place.command("replay", "--json")
            assert replayed.returncode == 0, replayed.stdout + replayed.stderr
            gateway.terminate()
            wait_until(lambda gateway=gateway: gateway.poll() is not None, "it stops")  # type: ignore[misc]
            assert gateway.returncode == 0, place.output()[-2000:]
        for how, text in note.items():
            record_property(how, text)
            sys.stdout.write(f"{EVENTS} events, {how}: {text}\n")
