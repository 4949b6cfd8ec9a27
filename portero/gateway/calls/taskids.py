"""Task ids as clients see them: the call's id and, after a dash, the position on the log to have reached."""

import re
from typing import Final

from portero.domain.ids import CallId, Seq

_ID: Final = re.compile(r"([0-9a-z]{16})(?:-([0-9a-z]{1,13}))?")
_DIGITS: Final = "0123456789abcdefghijklmnopqrstuvwxyz"


def task_id(call: CallId, seq: Seq) -> str:
    """``<call id>-<sequence in base 36>``."""
    digits = ""
    rest = int(seq)
    while rest:
        rest, digit = divmod(rest, 36)
        digits = _DIGITS[digit] + digits
    return f"{call}-{digits or '0'}"


def parse_task_id(text: str) -> tuple[CallId, Seq] | None:
    """The call and the position (0: none was given); None when it is no task id. A call's own id is one too."""
    match = _ID.fullmatch(text.strip().lower())
    if match is None:
        return None
    return CallId(match[1]), Seq(int(match[2], 36) if match[2] else 0)
