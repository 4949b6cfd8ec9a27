"""The Lua scripts that lie beside this module, with the digests they are called by."""

import hashlib
from importlib import resources
from typing import Final

import attrs


@attrs.frozen
class Script:
    """A script's source and its SHA1, which EVALSHA wants."""

    source: str
    sha: str


def _load(name: str) -> Script:
    return _script(resources.files(__package__).joinpath(f"{name}.lua").read_text())


def _script(source: str) -> Script:
    return Script(source, hashlib.sha1(source.encode(), usedforsecurity=False).hexdigest())


def _variant(script: Script, flags: str) -> Script:
    return _script(script.source.replace("#!lua\n", f"#!lua flags={flags}\n", 1))


APPEND: Final = _load("append")
APPEND_THOUGH_FULL: Final = _variant(APPEND, "allow-oom")
"""The same for what was begun and must be ended, also when memory is full."""
OPEN: Final = _load("open")
VOID: Final = _load("void")
DUE: Final = _load("due")
SETTLE: Final = _load("settle")
PROLONG: Final = _load("prolong")
LEASE: Final = _load("lease")
DISMISS: Final = _load("dismiss")
SNAPSHOT: Final = _load("snapshot")
TRIM: Final = _load("trim")
RESTORE: Final = _load("restore")
