"""What the command line's exit codes mean, and which error leads to which."""

from enum import IntEnum

from portero.errors import AlreadyDecided, NotFound


class Exit(IntEnum):
    """The contract with scripts: these numbers never change."""

    OK = 0
    """Done; for a decision: this very call made it."""
    FAILED = 1
    USAGE = 2
    ALREADY_DECIDED = 3
    """Somebody, or time, was first; who and when is printed."""
    NOT_FOUND = 4
    """No such task, grant or rule."""
    INTERRUPTED = 130


def exit_code(error: Exception) -> Exit:
    if isinstance(error, AlreadyDecided):
        return Exit.ALREADY_DECIDED
    if isinstance(error, NotFound):
        return Exit.NOT_FOUND
    return Exit.FAILED
