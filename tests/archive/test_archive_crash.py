"""The archivist is killed between any two of its steps; the next one goes on, and nothing is missing or there twice."""

import asyncio
import signal
import subprocess
import sys
from pathlib import Path

from tests.archive.shelf import judged, on_stream, shelf, story
from tests.stores import Place

ROOT = Path(__file__).parents[2]


def die(process: "subprocess.Popen[str]", step: int) -> int:
    """Lets one archivist die at this step; its exit code, which is 0 where it has no so many."""
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(f"{step}\n")
    process.stdin.flush()
    return int(process.stdout.readline())


async def test_killed_at_every_step(valkey: Place, tmp_path: Path) -> None:
    """Each turn some events come, an archivist dies one step later than the one before it, and another finishes."""
    command = [sys.executable, "-m", "tests.archive.doomed", valkey.url, valkey.name, str(tmp_path)]
    with subprocess.Popen(  # noqa: ASYNC220 - it is there before the loop has work
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        async with shelf(valkey, tmp_path) as one:
            step = written = 0
            code = -signal.SIGKILL
            while code == -signal.SIGKILL:
                step += 1
                await one.fill(23)
                written += 23
                code = await asyncio.to_thread(die, process, step)
                valkey.redis.delete(valkey.key("lease:archivist"))  # ten seconds later
                await one.core.catch_up()
                await one.work()
                audit = await judged(one)
                assert audit.faults == [], f"after a death at step {step}"
                assert audit.events > written - 10
            assert code == 0
            assert step > 20
            whole = await story(one.log)
            assert [event.seq for event in whole] == list(range(1, one.core.view.seq + 1))
            assert sum(event.aggregate == "session/a" for event in whole) == written
            assert on_stream(valkey)[0] > 1
            assert one.core.view.archived is not None
            assert one.core.view.archived.version == len(await one.archive.firsts())
