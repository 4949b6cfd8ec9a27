"""How this very program is called by somebody who copies a line that it printed."""

import shlex
import shutil
import sys
from pathlib import Path
from typing import Final

TELLS_NOTHING: Final = frozenset({".venv/bin/portero", "venv/bin/portero"})


def invocation() -> str:
    """``portero`` where a shell finds this program under that name; else the way to it from this directory."""
    program = Path(sys.argv[0])
    if program.name == "__main__.py":
        return f"{shlex.quote(sys.executable)} -m portero"
    here, found = program.resolve(), shutil.which("portero")
    if found is not None and Path(found).resolve() == here:
        return "portero"
    return shlex.quote(str(here.relative_to(Path.cwd()) if here.is_relative_to(Path.cwd()) else here))


def invocation_for_models() -> str:
    """The same where a model reads it, which must not learn the folders of this machine: a person's name is in them."""
    found = invocation()
    return found if found in TELLS_NOTHING else "portero"
