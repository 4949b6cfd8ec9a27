"""``python -m ops.bench``: measure, print a table and the targets, and fail only when an answer was wrong."""

import argparse
import json
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

import attrs

from ops.bench import proc, report, subjects

LEVELS = (1, 8, 32)


def compare(arguments: argparse.Namespace, folder: Path) -> int:
    """Every subject in turn, several rounds, so that what else the machine does falls on all alike."""
    began = time.perf_counter()
    samples: report.Samples = {}
    with ExitStack() as stack:
        found = [subjects.raw()]
        if arguments.fastmcp:
            found.append(stack.enter_context(subjects.fastmcp(folder / "fastmcp", arguments.fastmcp)))
        found += [stack.enter_context(subjects.portero(folder / fsync, fsync)) for fsync in ("everysec", "always")]
        for inflight in LEVELS:
            for _ in range(arguments.rounds):
                for subject in found:
                    sample = subjects.measure(subject, inflight, arguments.seconds)
                    samples.setdefault((subject.name, inflight), []).append(sample)
        starts = {subject.name: subject.start for subject in found if subject.start}
    rows = report.rows(samples)
    goals = list(report.targets(rows, starts["Portero, always"]))
    loads = [(name, sample.load) for (name, _), runs in samples.items() for sample in runs]
    wrong = [f"{name}: {text}" for name, load in loads for text in load.wrong]
    print(report.table(rows), *goals, sep="\n")
    print(
        f"{sum(load.calls for _, load in loads)} answers checked, callers sharing JSON-RPC ids; {len(wrong)} were wrong"
    )
    keep(arguments.json, rows=rows, targets=goals, start=starts, seconds=time.perf_counter() - began)
    print(*wrong, sep="\n", file=sys.stderr)
    return 1 if wrong else 0


def memory(arguments: argparse.Namespace, folder: Path) -> int:
    """The gateway's resident memory over many calls; flat is less than 20 bytes a call once the windows are full.

    They are in the second half: what is kept for a while, and the archivist's first segments, come before that.
    """
    seen: list[tuple[int, int]] = []
    wrong: list[str] = []
    with subjects.portero(folder / "memory", "everysec") as subject:
        calls = 0
        while calls < arguments.calls or len(seen) < 4:
            sample = subjects.measure(subject, 32, arguments.seconds, warmup=0)
            calls += sample.load.calls
            wrong += sample.load.wrong
            seen.append((calls, proc.usage(subject.pids["gateway"]).rss))
            print(f"{calls:>9} calls   {seen[-1][1] / 1e6:7.1f} MB", flush=True)
    full = next(point for point in seen if point[0] >= calls / 2)
    per_call = (seen[-1][1] - full[1]) / (seen[-1][0] - full[0])
    goal = report.Target("bytes of memory per call in the second half", per_call, 20)
    print(goal, *wrong, sep="\n")
    keep(arguments.json, samples=seen, targets=[goal])
    return 1 if wrong else 0


def keep(path: Path | None, **found: object) -> None:
    if path:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(found, default=plain, indent=1))
        print(f"The numbers are in {path}")


def plain(value: object) -> object:
    if isinstance(value, report.Target):
        return {**attrs.asdict(value), "reached": value.reached}
    assert isinstance(value, report.Row)
    return attrs.asdict(value)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m ops.bench", description=__doc__)
    parser.add_argument("--fastmcp", metavar="PYTHON", help="the Python of an environment that has fastmcp")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=2)
    parser.add_argument("--memory", action="store_true", help="watch the memory over many calls instead")
    parser.add_argument("--calls", type=int, default=200_000)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="portero-bench-") as folder:
        return (memory if arguments.memory else compare)(arguments, Path(folder))


if __name__ == "__main__":
    sys.exit(main())
