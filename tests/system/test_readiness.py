"""When a replica says that it takes calls: not before it knows what its servers offer."""

import sys

import httpx

from tests.system.place import EFFECTS, Place, wait_until

WAITS = """
import os, sys, time
while not os.path.exists(sys.argv[1]):
    time.sleep(0.02)
os.execv(sys.argv[2], sys.argv[2:])
"""
"""A program that becomes another once a file is there: a server that takes long to start."""


def test_a_replica_is_not_ready_while_its_servers_start() -> None:
    with Place() as place:
        go = place.folder / "go"
        effects = [sys.executable, str(EFFECTS), str(place.effects)]
        slow = {"name": "fx", "command": sys.executable, "args": ["-c", WAITS, str(go), *effects]}
        place.configure("mcps", {"mcps": [slow, {"name": "broken", "command": "no-such-command"}]})
        place.start(ready=False)
        wait_until(lambda: answer(f"{place.url}/health") is not None, "it lives")
        wait_until(lambda: "fx." in reasons(place), "only the one that is slow is waited for")
        assert reasons(place) == "Its servers are being started: fx."
        go.touch()
        wait_until(lambda: not reasons(place), "it is ready")
        assert "result" in place.client().tool("fx/do", id="a"), "what it is asked first it can do"


def answer(url: str) -> httpx.Response | None:
    try:
        return httpx.get(url, timeout=2)
    except httpx.TransportError:
        return None


def reasons(place: Place) -> str:
    """What ``/ready`` says against it."""
    found = answer(f"{place.url}/ready")
    assert found is not None
    return " ".join(found.json().get("reasons", []))
