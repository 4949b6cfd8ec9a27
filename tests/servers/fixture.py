"""A made-up MCP server for the tests: small tools that misbehave on request, in both eras, over any transport.

It speaks JSON-RPC by hand and imports little, so that a child is ready in a few hundredths of a second.
"""

import argparse
import json
import os
import signal
import sys
import time
from collections.abc import Callable
from typing import Any

from tools import DEFINITIONS, TOOLS, Call, tool

MODERN = "2026-07-28"
LEGACY = ("2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25")
META = "io.modelcontextprotocol/"
TASKS = "io.modelcontextprotocol/tasks"

Send = Callable[[dict[str, Any]], None]


def options(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("--era", choices=["legacy", "modern", "both"], default="legacy")
    parser.add_argument("--name", default="fixture")
    parser.add_argument("--definitions", help="a JSON file with tools to list instead of the own ones")
    parser.add_argument("--page", type=int, default=0, help="tools per page; the first cursor is the empty text")
    parser.add_argument("--pages", help="a JSON file: cursors, as JSON texts, to names of tools and the next cursor")
    parser.add_argument("--endless", action="store_true", help="lists never end")
    parser.add_argument("--on-discover", choices=["answer", "exit", "silent"], default="answer")
    parser.add_argument("--start-after", help="a file to wait for before anything is read")
    parser.add_argument("--starts", help="a file that gets a line per start")
    parser.add_argument("--fail-starts", type=int, default=0, help="how many starts end at once")
    parser.add_argument("--effects", help="a file that gets a line per effect")
    parser.add_argument("--stubborn", action="store_true", help="outlive a closed standard input and SIGTERM")
    parser.add_argument("--child", help="start a child of its own and write its process id to this file")
    parser.add_argument("--no-tools", action="store_true", help="offer nothing")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--json", action="store_true", help="HTTP: answer with a body instead of an event stream")
    parser.add_argument("--no-push", action="store_true", help="HTTP: no stream for what belongs to no call")
    parser.add_argument("--session", help="HTTP: the id of the first session")
    parser.add_argument("--statuses", type=int, nargs="*", default=[], help="HTTP: what the first messages get")
    parser.add_argument("--moved", action="store_true", help="HTTP: /mcp has moved to /mcp/")
    parser.add_argument("--cut", action="store_true", help="HTTP: a call's stream breaks and must be taken up again")
    return parser.parse_args(arguments)


class Fixture:
    """Takes messages in, sends messages out; calls that take time have a thread each."""

    def __init__(self, given: argparse.Namespace) -> None:
        self.given = given
        self.tools = [] if given.no_tools else list(DEFINITIONS)
        if given.definitions:
            with open(given.definitions) as file:  # noqa: PTH123 - pathlib takes 10 ms to import
                self.tools = json.load(file)
        self.received: list[dict[str, Any]] = []
        self.listeners: dict[Any, Send] = {}
        self.push: Send | None = None
        self.latest: Send = lambda message: None
        """Where the newest message came from."""
        self.answers: dict[Any, Callable[[dict[str, Any]], None]] = {}
        self.cancelled: set[Any] = set()

    def handle(self, message: dict[str, Any], send: Send) -> None:
        self.received.append(message)
        self.latest = send
        method = message.get("method")
        if method is None:
            self.answers.pop(message["id"])(message)
        elif method == "notifications/cancelled":
            self.cancelled.add(message["params"]["requestId"])
        elif "id" in message:
            self.request(message, send)

    # --- requests --------------------------------------------------------------------------------------------------

    def request(self, message: dict[str, Any], send: Send) -> None:
        method, params = message["method"], message.get("params") or {}

        def answer(result: dict[str, Any]) -> None:
            send({"jsonrpc": "2.0", "id": message["id"], "result": result})

        def refuse(code: int, text: str, data: Any = None) -> None:
            error = {"code": code, "message": text} | ({} if data is None else {"data": data})
            send({"jsonrpc": "2.0", "id": message["id"], "error": error})

        if method in {"server/discover", "initialize"}:
            (self.discover if method == "server/discover" else self.initialize)(params, answer, refuse)
        elif self.given.era == "modern" and META + "protocolVersion" not in params.get("_meta", {}):
            refuse(-32602, "the envelope of a modern request is missing")
        elif method == "subscriptions/listen":
            self.listen(message["id"], params, send)
        elif method.endswith("/list"):
            self.list(method, params, answer, refuse)
        elif method == "tools/call" and params["name"] in TOOLS:
            TOOLS[params["name"]](Call(self, message, send, answer, refuse))
        elif method in {"tasks/get", "tasks/update", "tasks/cancel"}:
            self.task(method, params, answer, refuse)
        elif method in (simple := self.simple(params)):
            answer(simple[method])
        else:
            refuse(-32601, f"no method {method}, or no tool of that name")

    def simple(self, params: dict[str, Any]) -> dict[str, dict[str, Any]]:
        uri, name = params.get("uri"), params.get("name")
        taken = {"resources/subscribe": {}, "resources/unsubscribe": {}} if uri != "made://up/nobody" else {}
        return {
            **taken,
            "ping": {},
            "resources/read": {"contents": [{"uri": uri, "text": f"what is in {uri}"}]},
            "prompts/get": {"messages": [{"role": "user", "content": {"type": "text", "text": name}}]},
        }

    def task(self, method: str, params: dict[str, Any], answer: Any, refuse: Any) -> None:
        """There is a task of every id; what is said to it is an effect."""
        declared = params.get("_meta", {}).get(META + "clientCapabilities")  # of the newer era
        if declared is not None and TASKS not in declared.get("extensions", {}):
            refuse(-32021, "the client does not declare that it knows tasks")
        elif method == "tasks/get":
            answer({"taskId": params["taskId"], "status": "completed", "result": {"content": []}})
        else:
            self.effect(f"{method} {params['taskId']}")
            answer({"resultType": "complete"})

    def capabilities(self) -> dict[str, Any]:
        if self.given.no_tools:
            return {}
        changing = {"listChanged": True}
        return {"tools": changing, "resources": {**changing, "subscribe": True}, "prompts": changing}

    def discover(self, params: dict[str, Any], answer: Any, refuse: Any) -> None:
        if self.given.on_discover == "exit":
            os._exit(3)
        if self.given.on_discover == "silent":
            return
        if self.given.era == "legacy":
            refuse(-32601, "Method not found")
            return
        versions = [MODERN] if self.given.era == "modern" else [*LEGACY, MODERN]
        answer(
            {
                "resultType": "complete",
                "supportedVersions": versions,
                "capabilities": self.capabilities(),
                "instructions": "made up",
                "ttlMs": 0,
                "cacheScope": "private",
                "_meta": {META + "serverInfo": {"name": self.given.name, "version": "1.2.3"}},
            }
        )

    def initialize(self, params: dict[str, Any], answer: Any, refuse: Any) -> None:
        if self.given.era == "modern":
            refuse(-32022, "Unsupported protocol version", {"supported": [MODERN], "requested": "2025-11-25"})
            return
        version = params["protocolVersion"]
        answer(
            {
                "protocolVersion": version if version in LEGACY else LEGACY[-1],
                "capabilities": self.capabilities(),
                "serverInfo": {"name": self.given.name, "version": "1.2.3"},
                "instructions": "made up",
            }
        )

    def list(self, method: str, params: dict[str, Any], answer: Any, refuse: Any) -> None:
        if method == "resources/list":
            answer({"resources": [{"uri": "made://up/one", "name": "one", "x-unknown": [1, None]}]})
        elif method == "resources/templates/list":
            answer({"resourceTemplates": [{"uriTemplate": "made://up/{id}", "name": "any"}]})
        elif method == "prompts/list":
            answer({"prompts": [{"name": "greet", "description": "Say hello", "arguments": [{"name": "who"}]}]})
        elif method != "tools/list":
            refuse(-32601, f"no method {method}")
        elif self.given.pages:
            self.page(params.get("cursor"), answer, refuse)
        elif self.given.endless:
            start = int(params.get("cursor") or 0)
            answer({"tools": [tool(f"t{start}", "one of many")], "nextCursor": str(start + 1)})
        elif self.given.page:
            start = len(params.get("cursor", "")) * self.given.page if "cursor" in params else 0
            start += self.given.page if "cursor" in params else 0
            page = {"tools": self.tools[start : start + self.given.page]}
            if start + self.given.page < len(self.tools):
                page["nextCursor"] = params["cursor"] + "x" if "cursor" in params else ""
            answer(page)
        else:
            answer({"tools": self.tools, "ttlMs": 0, "cacheScope": "private", "resultType": "complete"})

    def page(self, at: str | None, answer: Any, refuse: Any) -> None:
        """A page of the file. What lies beside it as ``.then`` takes its place after the first page."""
        with open(self.given.pages) as file:  # noqa: PTH123 - as above
            pages = json.load(file)
        cursor = json.dumps(at)
        if at is None and os.path.exists(self.given.pages + ".then"):  # noqa: PTH110
            os.replace(self.given.pages + ".then", self.given.pages)  # noqa: PTH105
            self.tell("notifications/tools/list_changed", {}, self.latest)
        if cursor not in pages:
            refuse(-32602, "there is no such cursor")
            return
        names, following = pages[cursor]
        answer({"tools": [tool(name, "on a page") for name in names], "nextCursor": following})

    def listen(self, identity: Any, params: dict[str, Any], send: Send) -> None:
        self.listeners[identity] = send
        wanted = dict(params["notifications"])
        if "resourceSubscriptions" in wanted:
            wanted["resourceSubscriptions"] = [uri for uri in wanted["resourceSubscriptions"] if uri[-6:] != "nobody"]
        acknowledged = {"notifications": wanted, "_meta": {META + "subscriptionId": identity}}
        send({"jsonrpc": "2.0", "method": "notifications/subscriptions/acknowledged", "params": acknowledged})

    def tell(self, method: str, params: dict[str, Any], send: Send) -> None:
        """A notification that belongs to no call: to those who listen; in the older era also down the pipe."""
        for identity, listener in self.listeners.items():
            stamped = {**params, "_meta": {META + "subscriptionId": identity}}
            listener({"jsonrpc": "2.0", "method": method, "params": stamped})
        if not self.listeners and self.given.era != "modern":
            (self.push or send)({"jsonrpc": "2.0", "method": method, "params": params})

    def expect(self, take: Callable[[dict[str, Any]], None]) -> str:
        """The id for a request to the client, whose answer goes to ``take``."""
        identity = f"ask-{len(self.received)}"
        self.answers[identity] = take
        return identity

    def effect(self, text: str) -> None:
        with open(self.given.effects, "a") as file:  # noqa: PTH123 - as above
            file.write(text + "\n")


def begin(given: argparse.Namespace) -> None:
    """What goes wrong, or takes long, at the start."""
    if given.starts:
        with open(given.starts, "a+") as file:  # noqa: PTH123 - as above
            file.write(f"{os.getpid()}\n")
            file.seek(0)
            count = len(file.readlines())
        if count <= given.fail_starts:
            sys.stderr.write(f"start {count} fails\n")
            sys.exit(7)
    while given.start_after and not os.path.exists(given.start_after):  # noqa: PTH110 - as above
        time.sleep(0.005)
    if given.stubborn:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if given.child:
        pid = os.fork()
        if pid == 0:
            while True:
                time.sleep(60)
        with open(given.child, "w") as file:  # noqa: PTH123
            file.write(str(pid))
