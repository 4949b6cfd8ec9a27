"""What the doctor finds: one line about one thing, and what to do about it."""

from enum import StrEnum

import attrs


class Grade(StrEnum):
    OK = "ok"
    WARN = "warn"
    """It works, but not as well or as safely as it should."""
    FAIL = "fail"
    """Something does not work."""


@attrs.frozen
class Finding:
    """``todo`` says what to do; empty where all is well, or where ``text`` says it already."""

    about: str
    grade: Grade
    text: str
    todo: str = ""


def ok(about: str, text: str) -> Finding:
    return Finding(about, Grade.OK, text)


def warn(about: str, text: str, todo: str) -> Finding:
    return Finding(about, Grade.WARN, text, todo)


def fail(about: str, text: str, todo: str) -> Finding:
    return Finding(about, Grade.FAIL, text, todo)
