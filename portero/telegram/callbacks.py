"""What a button says when it is tapped: a verb and an id, short and opaque, and read back with suspicion."""

import re
from enum import StrEnum
from typing import Final

import attrs

LIMIT: Final = 64
"""Bytes that Telegram takes. Source: Bot API, InlineKeyboardButton.callback_data."""


class Verb(StrEnum):
    """What a tap asks for. Never given a second meaning: old messages keep their buttons."""

    APPROVE = "a"
    GRANT_10M = "a10"
    GRANT_1H = "a60"
    ALWAYS_ALLOW = "aa"
    DENY = "d"
    ALWAYS_DENY = "dd"
    REVEAL = "v"
    HAPPENED = "oh"
    NOT_HAPPENED = "on"
    RUN_AGAIN = "or"
    SHOW_TASK = "t"
    REVOKE = "g"
    UNRULE = "u"
    TOOL_ASK = "ta"
    TOOL_DENY = "td"
    CONFIRM = "y"
    DISMISS = "n"
    PAGE = "p"


@attrs.frozen
class Tap:
    """``about`` is an id of a call, grant, rule, tool or list; ``page`` a number where the verb has one."""

    verb: Verb
    about: str = ""
    page: int = 0


_FORM: Final = re.compile(r"([a-z0-9]{1,3}):([A-Za-z0-9_.,=-]{0,48})(?::(\d{1,4}))?")
_VERBS: Final = {verb.value: verb for verb in Verb}


def data(verb: Verb, about: str = "", page: int = 0) -> str:
    text = f"{verb.value}:{about}" + (f":{page}" if page else "")
    if len(text) > LIMIT or _FORM.fullmatch(text) is None:
        raise ValueError(f"{text!r} is no callback data")
    return text


def parse(text: str | None) -> Tap | None:
    """None for anything that this release did not write."""
    found = _FORM.fullmatch(text or "")
    verb = _VERBS.get(found[1]) if found else None
    if found is None or verb is None:
        return None
    return Tap(verb, found[2], int(found[3] or 0))
