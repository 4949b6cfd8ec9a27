"""Programs that the packaging tests run, and waiting without sleeping longer than needed."""

import shutil
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")
ROOT = Path(__file__).parent.parent.parent


def program(name: str) -> str:
    """The path of a program, from the PATH or from where ``make test`` unpacks it."""
    found = shutil.which(name) or shutil.which(name, path=ROOT / ".tools" / "prometheus" / "usr" / "bin")
    assert found, f"{name} is missing; `make test` gets it"
    return found


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_until(condition: Callable[[], T], description: str, seconds: float = 20) -> T:
    """The condition's first true value; fails with the description when there is none in time."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if value := condition():
            return value
        time.sleep(0.02)
    raise AssertionError(f"waited {seconds} s in vain: {description}")
