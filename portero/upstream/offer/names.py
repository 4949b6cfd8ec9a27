"""Names of tools as clients see them: ``server/tool``, and ``server__tool`` where only ``[A-Za-z0-9_-]`` is allowed."""

import re
import unicodedata
from enum import StrEnum
from typing import Final

from portero.domain.addresses import LONGEST
from portero.domain.patterns import completion_name
from portero.domain.values import Kind

LONGEST_SHOWN: Final = 128
"""Claude Code drops a tool whose ``mcp__<server>__<name>`` is longer."""
_SHOWN_PREFIX: Final = "mcp__portero__"
_UNSAFE: Final = re.compile(r"[^A-Za-z0-9_-]")
_OTHER_KINDS: Final = tuple(completion_name(kind, "") for kind in (Kind.RESOURCE, Kind.PROMPT))
_FORGING: Final = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
"""Unicode categories of characters that are not seen, or that move or break what stands around them."""


class Spelling(StrEnum):
    """How names are offered; both are always understood."""

    SLASH = "slash"
    SAFE = "safe"


def canonical(server: str, name: str) -> str:
    return f"{server}/{name}"


def safe(server: str, name: str) -> str:
    """Two tools may come out alike; the catalogue refuses the second."""
    return _UNSAFE.sub("_", f"{server}__{name}")


def refusal(name: str) -> str | None:
    """Why a name is not taken at all: what a person approves must look like what it is."""
    if not name or name != name.strip():
        return "its name is empty, or has spaces around it"
    if not unicodedata.is_normalized("NFC", name):
        return "its letters are put together from parts, so that a policy written with the same letters would miss it"
    if any(unicodedata.category(character) in _FORGING for character in name):
        return "its name holds characters that cannot be seen"
    return None


def refusal_of_tool(name: str) -> str | None:
    """Why a tool is not taken under a name. Policies know resources and prompts under such names."""
    if name.startswith(_OTHER_KINDS):
        return "policies would take it for a resource or a prompt"
    return refusal(name)


def refusal_of_address(uri: str) -> str | None:
    """Why a resource is not taken under an address: nobody could read it."""
    return f"its address is longer than {LONGEST:,} characters" if len(uri) > LONGEST else None


def too_long(spelled: str) -> bool:
    """Whether Claude Code would drop it, when Portero is registered there under its own name."""
    return len(_SHOWN_PREFIX) + len(spelled) > LONGEST_SHOWN
