"""Lets atheris look for bytes that break a target: ``python -m tests.fuzz.guided SECONDS [TARGET…]``.

Each target has a process of its own, two at a time. What is found stays in ``build/fuzz``, and ends the run with 1.
"""

import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).parents[2]
FOUND = ROOT / "build" / "fuzz"
AT_ONCE = 2
LONGEST = 4096


def run_one(name: str, options: list[str]) -> None:
    """In a process of its own: instruments the product, then never returns."""
    import atheris

    with atheris.instrument_imports(include=["portero", "handlers"]):
        from tests.fuzz.targets import TARGETS
    atheris.Setup([name, *options], TARGETS[name].run)
    atheris.Fuzz()


def main() -> None:
    seconds, *chosen = sys.argv[1:]
    from tests.fuzz.targets import TARGETS

    waiting = [name for name in TARGETS if name in chosen or not chosen]
    share = max(5, int(seconds) * AT_ONCE // len(waiting))
    running: dict[str, subprocess.Popen[bytes]] = {}
    broken = []
    while waiting or running:
        while waiting and len(running) < AT_ONCE:
            name = waiting.pop(0)
            running[name] = start(name, share)
        for name, process in list(running.items()):
            if process.poll() is not None:
                del running[name]
                log = (FOUND / name / "log").read_text(errors="replace").splitlines()
                broken += [name] if process.returncode else []
                sys.stdout.write(f"{name}: {log[-1] if not process.returncode else chr(10).join(log[-25:])}\n")
                sys.stdout.flush()
        time.sleep(0.2)
    if broken:
        sys.exit(f"broken: {', '.join(broken)}. What breaks them is in {FOUND}; add it to the examples of the target.")


def start(name: str, seconds: int) -> "subprocess.Popen[bytes]":
    from tests.fuzz.targets import TARGETS

    folder = FOUND / name
    (folder / "corpus").mkdir(parents=True, exist_ok=True)
    for number, example in enumerate(TARGETS[name].examples):
        (folder / "corpus" / f"example-{number}").write_bytes(example)
    options = [f"-max_total_time={seconds}", f"-max_len={LONGEST}", f"-artifact_prefix={folder}/", "-timeout=20"]
    with (folder / "log").open("wb") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "tests.fuzz.guided", "--one", name, *options, str(folder / "corpus")],
            cwd=ROOT,
            stdout=log,
            stderr=log,
        )


if __name__ == "__main__":
    if sys.argv[1] == "--one":
        run_one(sys.argv[2], sys.argv[3:])
    else:
        main()
