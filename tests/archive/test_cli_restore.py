"""portero audit restore: the log comes back into an empty store, and nothing that was open goes on."""

import json

import pytest

from tests.archive.homes import archived, segments
from tests.archive.shelf import on_stream
from tests.cli.home import Home


@pytest.fixture
def lost(home: Home) -> Home:
    """A log with rules and open calls, archived, whose store was then flushed."""
    home.run("deny", "disk/*")
    home.run("grant", "mail/*", "30d")
    archived(home)
    assert home.place is not None
    home.place.clear()
    return home


def test_an_empty_store_is_filled_from_the_archive_and_everything_is_locked(lost: Home) -> None:
    ran = lost.run("status")
    assert ran.code == 1
    assert "portero audit restore" in ran.err
    ran = lost.run("audit", "restore", "--json")
    assert ran.code == 0, ran.err
    assert (ran.json["events"], ran.json["ended"], ran.json["locked"]) == (40, 1, True)
    status = lost.run("status", "--json").json
    assert "restored" in status["locked"]["reason"]
    rules = lost.run("rules", "--json").json
    assert "disk/*" in json.dumps(rules)
    assert "mail/*" in json.dumps(rules)
    [task] = lost.run("tasks", "--json").json["tasks"]
    assert task["status"] == "cancelled"
    assert lost.run("replay", "--json").json["equal"]
    assert lost.run("audit", "verify").code == 0
    assert lost.run("unlock").code == 0
    assert lost.run("pending", "--json").code == 0
    again = lost.run("audit", "restore")
    assert again.code == 1
    assert "Nothing is restored over it" in again.err


def test_versions_go_on_where_they_were(lost: Home) -> None:
    """So of what was decided on before, nothing can look like what is decided on after."""
    assert lost.run("audit", "restore").code == 0
    assert lost.run("deny", "disk/*").code == 0
    assert lost.run("unlock").code == 0
    assert lost.run("revoke").code == 0
    versions: dict[str, int] = {}
    for line in lost.run("audit", "export").out.splitlines():
        row = json.loads(line)
        begins = row["aggregate"] not in versions
        next_one = {1, row["seq"]} if begins else {versions[row["aggregate"]] + 1}
        assert row["version"] in next_one, row["aggregate"]
        versions[row["aggregate"]] = row["version"]
    kinds = {aggregate.partition("/")[0] for aggregate in versions}
    assert {"rule", "grant", "call", "system"} <= kinds


def test_an_archive_with_a_fault_restores_nothing(lost: Home) -> None:
    segments(lost)[1].unlink()
    ran = lost.run("audit", "restore")
    assert ran.code == 1
    assert "is not whole" in ran.err
    assert lost.place is not None
    assert on_stream(lost.place) == []
