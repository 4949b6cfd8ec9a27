"""Shell completion: the scripts, and what is offered while somebody types."""

import subprocess

import pytest

from portero.domain.events import CatalogueTool
from portero.domain.values import ToolFacts
from tests.cli.home import Home


def complete(home: Home, *words: str) -> list[str]:
    """What bash would be offered for the last word."""
    environment = {
        "_PORTERO_COMPLETE": "bash_complete",
        "COMP_WORDS": " ".join(["portero", *words]),
        "COMP_CWORD": str(len(words)),
    }
    ran = home.run(environment=environment)
    assert ran.err == ""
    return [line.partition(",")[2] for line in ran.out.splitlines() if line]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_for_each_shell(own: Home, shell: str) -> None:
    ran = own.run("completion", shell)
    assert ran.code == 0
    assert "_PORTERO_COMPLETE" in ran.out


def test_bash_takes_the_script(own: Home) -> None:
    script = own.run("completion", "bash").out
    done = subprocess.run(["bash", "-n"], input=script, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_commands_options_and_words_are_completed(own: Home) -> None:
    assert complete(own, "ap") == ["approve"]
    assert "--grant" in complete(own, "approve", "--")
    assert complete(own, "resolve", "abcd", "h") == ["happened"]


def test_what_is_on_the_log_is_completed(home: Home) -> None:
    waiting, decided = home.ask(), home.ask()
    home.run("reject", decided)
    rule = home.run("deny", "disk/*", "--json").json["rule_id"]
    grant = home.run("grant", "mail/*", "1h", "--json").json["grant_id"]
    home.on_log(
        lambda scribe: scribe.offer("disk", CatalogueTool("read", ToolFacts()), CatalogueTool("$(boom)", ToolFacts()))
    )
    assert complete(home, "approve", "") == [waiting]
    assert sorted(complete(home, "show", "")) == sorted([waiting, decided])
    assert complete(home, "unrule", "r") == [rule]
    assert complete(home, "revoke", "g") == [grant]
    assert complete(home, "explain", "disk/") == ["disk/read"]  # a name that a shell would run is not offered


def test_where_nothing_runs_nothing_is_offered_and_nothing_started(own: Home) -> None:
    assert complete(own, "approve", "") == []
    own.ask()
    assert complete(own, "approve", "") == []
    assert not own.store_runs()
    assert [path.name for path in own.folder.iterdir()] == ["data"]
