"""Session ids of the older era: what a client can be asked, in the id itself, so that every replica can read it.

Only a client that can be asked something gets one. There is nothing behind it: it grants nothing (the bearer token does
that), and forging one lets a client only claim what it can.
"""

import re
import secrets
from typing import Any, Final

import msgspec

SESSION: Final = b"mcp-session-id"
_ID: Final = re.compile(rb"([frstu]+)-[0-9a-f]{32}")

ELICIT_FORM, ELICIT_URL, ROOTS, SAMPLE, SAMPLE_TOOLS = "f", "u", "r", "s", "t"


class _Capabilities(msgspec.Struct):
    elicitation: dict[str, Any] | None = None
    sampling: dict[str, Any] | None = None
    roots: dict[str, Any] | None = None


def new_session(capabilities: Any) -> str | None:
    """The id for a client that declares these at ``initialize``; None when it can be asked nothing."""
    try:
        declared = msgspec.convert(capabilities or {}, _Capabilities)
    except msgspec.ValidationError:
        return None
    letters = ""
    if declared.elicitation is not None:
        modes = declared.elicitation
        letters += ELICIT_FORM if "form" in modes or not modes else ""
        letters += ELICIT_URL if "url" in modes else ""
    if declared.sampling is not None:
        letters += SAMPLE + (SAMPLE_TOOLS if "tools" in declared.sampling else "")
    if declared.roots is not None:
        letters += ROOTS
    return f"{letters}-{secrets.token_hex(16)}" if letters else None


def letters_of(session: bytes | None) -> str:
    """What the client can be asked, a letter each."""
    match = _ID.fullmatch(session) if session is not None else None
    return match[1].decode() if match is not None else ""


def capabilities_of(letters: str) -> bytes | None:
    """The same in the protocol's words, for a server of the newer era; None when there is nothing."""
    if not letters:
        return None
    declared: dict[str, Any] = {}
    named = ((ELICIT_FORM, "form"), (ELICIT_URL, "url"))
    modes: dict[str, Any] = {mode: {} for letter, mode in named if letter in letters}
    if modes:
        declared["elicitation"] = modes
    if SAMPLE in letters:
        declared["sampling"] = {"tools": {}} if SAMPLE_TOOLS in letters else {}
    if ROOTS in letters:
        declared["roots"] = {}
    return msgspec.json.encode(declared)
