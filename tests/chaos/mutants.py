"""Copies of Portero from which one safeguard is taken out, for seeing that the checker finds what follows."""

import shutil
from pathlib import Path

import attrs

from tests.system.place import ROOT


@attrs.frozen
class Mutant:
    """``changes``: in a file, what is replaced by what; each text must stand there once."""

    name: str
    changes: tuple[tuple[str, str, str], ...]

    def made(self, folder: Path) -> Path:
        """A copy of the code with the changes; what a process needs on its PYTHONPATH."""
        here = folder / self.name
        for package in ("portero", "handlers", "projections"):
            shutil.copytree(ROOT / package, here / package)  # with what is compiled already: it starts in half the time
        for name, old, new in self.changes:
            file = here / name
            text = file.read_text()
            assert text.count(old) == 1, f"{name} has {text.count(old)} times {old!r}: this mutant is out of date"
            file.write_text(text.replace(old, new))
        return here


VERSION = Mutant(
    "version-check",
    (("portero/log/append.lua", "if code == 1 and expected and expected ~= version then", "if false then"),),
)
POLICY = Mutant(
    "policy-version-check",
    (("portero/log/append.lua", "if code == 1 and wanted and wanted ~= policy then", "if false then"),),
)
LEASE = Mutant(
    "execution-lease",
    (("handlers/calls/requests.py", "        return command.lease_until\n", "        return None\n"),),
)
FENCE = Mutant(
    "fence",
    (
        (
            "handlers/calls/recording.py",
            "                execution.version,\n                (event,),\n",
            "                None,\n                (event,),\n",
        ),
    ),
)
OWNER = Mutant(
    "owner-fence",
    (
        (
            "portero/log/append.lua",
            "if code == 1 and expected and expected ~= version then",
            "if code == 1 and expected and events > 0 and expected ~= version then",
        ),
    ),
)
ATTEMPT = Mutant(
    "attempt",
    (
        (
            "portero/domain/call.py",
            "return state.status is Status.EXECUTING and attempt == state.attempt",
            "return state.status is Status.EXECUTING",
        ),
    ),
)
