"""Lets atheris look for bytes that break a target: ``python -m tests.fuzz.guided SECONDS [TARGET…]``.

Each target has a process of its own, two at a time, made when the product has been instrumented once. All end in time.
What is found stays in ``build/fuzz``, is tried first the next time, and ends the run with 1. To see one find again:
``python -m tests.fuzz.guided --one TARGET FILE``.
"""

import contextlib
import ctypes
import io
import math
import os
import re
import shutil
import signal
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn

from tests.fuzz.target import Target

ROOT = Path(__file__).parents[2]
FOUND = ROOT / "build" / "fuzz"
AT_ONCE = 2
LONGEST = 4096
ONE_INPUT_SECONDS = 20
LEAST_SECONDS = 2
END_SECONDS = 1
"""How much longer than it is told one takes, about."""
DONE = re.compile(r"^#(\d+)\s+DONE\s+(?:cov: (\d+) ft: (\d+) )?corp: (\d+)/(\S+)", re.MULTILINE)


def instrumented() -> Mapping[str, Target]:
    import atheris

    quiet = contextlib.redirect_stderr(io.StringIO())  # it names each module
    with quiet, atheris.instrument_imports(include=["portero", "handlers"]):
        from tests.fuzz.targets import TARGETS

        for target in TARGETS.values():
            target.run(target.examples[0])  # some import what they try
    return TARGETS


def fuzz(name: str, target: Target, options: list[str]) -> NoReturn:
    import atheris

    atheris.Setup([name, *options], target.run)
    atheris.Fuzz()
    sys.exit(0)


class Run:
    """One target in a process of its own, with its corpus, its log and its finds in a folder."""

    def __init__(self, name: str, target: Target, seconds: int) -> None:
        self.name, self.folder = name, FOUND / name
        self.log = self.folder / "log"
        corpus = self.folder / "corpus"
        corpus.mkdir(parents=True, exist_ok=True)
        for number, example in enumerate(target.examples):
            (corpus / f"example-{number}").write_bytes(example)
        for find in self.finds():
            shutil.move(find, corpus / find.name)
        self.latest = time.monotonic() + seconds + 2 * ONE_INPUT_SECONDS
        """It has ended by then, or hangs where nothing can end it."""
        self.pid = os.fork()
        if self.pid == 0:
            self._fuzz(target, [f"-max_total_time={seconds}", str(corpus)])

    def _fuzz(self, target: Target, options: list[str]) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        with self.log.open("wb") as log:
            os.dup2(log.fileno(), 1)
            os.dup2(log.fileno(), 2)
        prefix, timeout = f"-artifact_prefix={self.folder}/", f"-timeout={ONE_INPUT_SECONDS}"
        code: Any = 1
        try:
            fuzz(self.name, target, [f"-max_len={LONGEST}", prefix, timeout, *options])
        except SystemExit as ending:
            code = ending.code
        finally:
            sys.stderr.flush()
            ctypes.CDLL(None).exit(code)  # not Python's: the fuzzer keeps what broke it as the process ends

    def finds(self) -> list[Path]:
        return sorted(path for kind in ("crash-*", "timeout-*", "oom-*") for path in self.folder.glob(kind))

    def ended(self) -> bool | None:
        """Whether it ended well; None while it goes on."""
        if time.monotonic() > self.latest:
            self.kill()
            return False
        pid, status = os.waitpid(self.pid, os.WNOHANG)
        return None if pid == 0 else status == 0

    def kill(self) -> None:
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)

    def said(self, well: bool) -> str:
        log = self.log.read_text(errors="replace")
        done = DONE.search(log)
        if well and done is not None:
            runs, edges, features, inputs, size = done.groups("no")
            return f"{int(runs):,} executions, {edges} edges and {features} features, a corpus of {inputs} in {size}"
        finds = "\n".join(f"found: {path}" for path in self.finds())
        return "\n".join(["broken", *log.splitlines()[-40:], finds])


def main() -> None:
    seconds, *chosen = sys.argv[1:]
    end = time.monotonic() + int(seconds)
    targets = instrumented()
    waiting = [name for name in targets if name in chosen or not chosen]
    running: list[Run] = []
    broken = []
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended from outside"))
    try:
        while waiting or running:
            while waiting and len(running) < AT_ONCE:
                rounds = math.ceil((len(waiting) + len(running)) / AT_ONCE)
                share = int((end - time.monotonic()) / rounds - END_SECONDS)
                name = waiting.pop(0)
                running.append(Run(name, targets[name], max(LEAST_SECONDS, share)))
            for run in list(running):
                if (well := run.ended()) is not None:
                    running.remove(run)
                    broken += [] if well else [run.name]
                    sys.stdout.write(f"{run.name}: {run.said(well)}\n")
                    sys.stdout.flush()
            time.sleep(0.1)
    finally:
        for run in running:
            run.kill()
    if broken:
        sys.exit(f"broken: {', '.join(broken)}. What breaks them is in {FOUND}; add it to the examples of the target.")


if __name__ == "__main__":
    if sys.argv[1] == "--one":
        fuzz(sys.argv[2], instrumented()[sys.argv[2]], sys.argv[3:])
    else:
        main()
