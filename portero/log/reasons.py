"""Why the store could not be reached, in words that may be shown to anybody: no addresses, paths or secrets."""

import os
from typing import Final

from portero.errors import StoreError
from portero.log.wire import ServerError

ANSWERS: Final = {
    "READONLY": "its store is a read-only replica",
    "MASTERDOWN": "its store is a replica that has lost its primary",
    "LOADING": "its store is loading its data",
    "CLUSTERDOWN": "its cluster is down",
    "MOVED": "its slot has moved in the cluster",
    "NOAUTH": "its store wants a password",
    "OOM": "its store's memory is full",
}


def reason(error: BaseException) -> str:
    """The full text belongs into our own log."""
    if isinstance(error, TimeoutError):
        return "its store did not answer in time"
    if isinstance(error, ServerError):
        return ANSWERS.get(error.code, f"its store answered {error.code}")
    if isinstance(error, StoreError):
        return "its store cannot be used"
    if isinstance(error, OSError) and error.errno:
        return f"its store cannot be reached: {os.strerror(error.errno).lower()}"
    return "the connection to its store was lost"
