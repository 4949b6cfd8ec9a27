"""What the README says, taken apart: its blocks by their marks, and the commands that stand anywhere in it."""

import re
import shlex
from collections.abc import Iterator

from tests.packaging.tools import ROOT

README = (ROOT / "README.md").read_text()


def block(mark: str) -> str:
    """The fenced block after ``<!-- mark -->``."""
    found = re.search(rf"<!-- {re.escape(mark)} -->\n```\w*\n(.*?)```", README, re.DOTALL)
    assert found, f"README has no block marked {mark}"
    return found[1]


def table(mark: str) -> list[list[str]]:
    """The rows of the table after ``<!-- table: mark -->``, without its head."""
    found = re.search(rf"<!-- table: {mark} -->\n((?:\|.*\n)+)", README)
    assert found, f"README has no table marked {mark}"
    return [[cell.strip() for cell in line.strip("|\n ").split("|")] for line in found[1].splitlines()[2:]]


def quoted(text: str) -> list[str]:
    """What stands in back quotes."""
    return re.findall(r"`([^`]+)`", text)


def commands(program: str) -> Iterator[list[str]]:
    """The arguments of every mention of a program, in blocks and in running text."""
    fenced = [line for code in re.findall(r"```sh\n(.*?)```", README, re.DOTALL) for line in code.splitlines()]
    inline = quoted(re.sub(r"```.*?```", "", README, flags=re.DOTALL))
    for text in [*fenced, *inline]:
        if re.match(rf"(\S*/)?{program} ", text):
            yield shlex.split(text)[1:]
