"""Why the store could not be reached, in words that may be shown to anybody: no addresses, paths or secrets."""

import os

from portero.errors import StoreError
from portero.log.wire import ServerError


def reason(error: BaseException) -> str:
    """The full text belongs into our own log."""
    if isinstance(error, TimeoutError):
        return "its store did not answer in time"
    if isinstance(error, ServerError):
        return f"its store answered {error.code}"
    if isinstance(error, StoreError):
        return "its store cannot be used"
    if isinstance(error, OSError) and error.errno:
        return f"its store cannot be reached: {os.strerror(error.errno).lower()}"
    return "the connection to its store was lost"
