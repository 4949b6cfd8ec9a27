"""Our side of a dead man's switch: it is told until when the server may run, and which processes are the server's."""

import asyncio
import sys
from pathlib import Path
from typing import Final

from portero.upstream.wire import deadman

PROGRAM: Final = Path(deadman.__file__)
STOP_SECONDS: Final = 2.0


class Switch:
    """``start`` it, tell it, ``stop`` it. Times are seconds of the machine's own clock, as ``Lease`` counts them."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self.ended = asyncio.create_task(process.wait(), name="dead man's switch")
        """Done once it has gone off, or was ended by somebody: from then on nothing guards the server."""

    @classmethod
    async def start(cls, until: float) -> "Switch":
        """Raises OSError."""
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-I", "-S", str(PROGRAM)),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
            env={},
            start_new_session=True,  # what stops our process group must not stop it
        )
        switch = cls(process)
        switch.keep(until)
        return switch

    def keep(self, until: float) -> None:
        """The server may run until then."""
        self._tell(b"until %.3f\n" % until)

    def watch(self, group: int) -> None:
        """This process group is the server's."""
        self._tell(b"watch %d\n" % group)

    def release(self) -> None:
        """Nothing is left of the server."""
        self._tell(b"release\n")

    async def stop(self) -> None:
        """Ends it; what it still watches ends with it."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        _, late = await asyncio.wait([self.ended], timeout=STOP_SECONDS)
        if late:
            self._process.kill()
            await asyncio.wait(late)

    def _tell(self, line: bytes) -> None:
        if self._process.stdin is not None and not self.ended.done():
            self._process.stdin.write(line)
