"""status: everything at a glance, as it is now."""

import re
import socket
import subprocess
import sys

from tests.cli.home import Home


def test_status_shows_what_is_there(home: Home) -> None:
    home.ask()
    home.on_log(lambda scribe: scribe.lose())
    home.run("grant", "office/*", "1h")
    home.run("lock", "--reason", "fire drill")
    seen = home.on_terminal("status")
    assert "LOCKED by" in seen
    assert "(fire drill)" in seen
    assert "No gateway is running" in seen
    assert "1, the oldest since" in seen
    assert "portero tasks --status outcome-unknown" in seen
    told = home.run("status", "--json").json
    assert told["pending"] == 1
    assert told["locked"]["reason"] == "fire drill"
    assert told["store"]["eviction"] == "noeviction"
    assert told["log"]["lag"] == 0
    assert [grant["pattern"] for grant in told["grants"]] == ["office/*"]


def test_status_says_what_was_left_out_be_it_a_tool_or_a_resource(home: Home) -> None:
    home.on_log(lambda scribe: scribe.offer("office", dropped=("files://one: disk has it",)))
    assert "Left out of office: files://one: disk has it" in home.run("status").out.splitlines()


def test_status_says_where_servers_of_one_instance_run(home: Home) -> None:
    home.on_log(lambda scribe: scribe.own("files"))
    home.on_log(lambda scribe: scribe.own("ledger", gives_back=True))
    seen = home.run("status").out
    assert "files runs on seed for all gateways, for " in seen
    assert re.search(r"ledger runs nowhere, for .*: Portero stops\.", seen)
    owners = home.run("status", "--json").json["owners"]
    assert [(owner["server"], owner["gateway"], owner["reason"]) for owner in owners] == [
        ("files", "seed", None),
        ("ledger", None, "Portero stops"),
    ]


def test_servers_of_a_gateway_that_is_gone_are_not_told_of(home: Home) -> None:
    """The first of them ended without a word, the second cannot be asked from here."""
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    home.on_log(lambda scribe: scribe.starts("gone", host=socket.gethostname(), pid=ended.pid))
    home.on_log(lambda scribe: scribe.starts("far", host="elsewhere", pid=1))
    seen = home.run("status").out
    assert re.search(r"^gone\t.*\tgone: it ended without a word", seen, re.MULTILINE)
    assert re.search(r"^files\tconnected\t.*\tfar$", seen, re.MULTILINE)
    assert not re.search(r"^files\t.*\tgone$", seen, re.MULTILINE)
    told = home.run("status", "--json").json["servers"]
    assert [(server["name"], server["gateway"]) for server in told] == [("files", "far")]
    assert "on gone" not in home.run("doctor").out
