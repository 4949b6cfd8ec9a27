"""Processes that live as long as a block, for the bench and for the cluster on this machine."""

import signal
import socket
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def running(
    command: list[str], folder: Path, environ: Mapping[str, str], *, name: str = "output", grace: float = 10
) -> Iterator[subprocess.Popen[bytes]]:
    """A process whose output goes to ``folder/name``, told to stop when the block ends, and killed ``grace`` s later.

    In a session of its own: Ctrl-C in the terminal is for us, who end things in their order.
    """
    with (folder / name).open("wb") as output:
        process = subprocess.Popen(
            command, env=environ, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True
        )
        try:
            yield process
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(grace)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
