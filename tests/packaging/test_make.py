"""The first of the two commands, in a fresh copy of the checkout: from nothing to the first answered call."""

import re
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from tests.packaging.tools import ROOT, free_port, list_folder, serving


def clone(folder: Path) -> None:
    """What git knows of the checkout or would add to it: no environment, no data."""
    listing = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    for name in subprocess.run(listing, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines():
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)


@pytest.mark.timeout(360)
def test_one_command_leads_to_the_first_answered_call(tmp_path: Path) -> None:
    clone(tmp_path)
    port = free_port()
    with serving(["make", "run"], tmp_path, port, seconds=300) as output:
        told = output.read_text()
        token = re.search(r"Its token, .*: (\S+)\n", told)
        assert token, told
        assert f"claude mcp add --transport http portero http://127.0.0.1:{port}/mcp" in told
        assert "'github' is skipped: GITHUB_TOKEN is not set" in told
        assert list_folder(port, token[1])

    began = time.monotonic()
    with serving(["make", "run"], tmp_path, port) as output:
        took = time.monotonic() - began
        assert "Installing" not in output.read_text(), "nothing is installed a second time"
        assert took < 15
        assert list_folder(port, token[1]), "the token is still the same"
