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
    source = resources.files(__package__).joinpath(f"{name}.lua").read_text()
    return Script(source, hashlib.sha1(source.encode(), usedforsecurity=False).hexdigest())


APPEND: Final = _load("append")
OPEN: Final = _load("open")
VOID: Final = _load("void")
DUE: Final = _load("due")
SETTLE: Final = _load("settle")
LEASE: Final = _load("lease")
DISMISS: Final = _load("dismiss")
SNAPSHOT: Final = _load("snapshot")
