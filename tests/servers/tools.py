"""The tools of the made-up server: each takes a ``Call`` and answers it, at once, later, wrongly or never."""

import json
import os
import sys
import threading
import time
from collections.abc import Callable
from typing import Any


def tool(name: str, description: str, properties: dict[str, str] | None = None, **more: Any) -> dict[str, Any]:
    schema = {"type": "object", "properties": {key: {"type": kind} for key, kind in (properties or {}).items()}}
    return {"name": name, "description": description, "inputSchema": schema, **more}


DEFINITIONS = [
    tool("echo", "Give back the text", {"text": "string"}, annotations={"readOnlyHint": True, "idempotentHint": True}),
    tool("effect", "Write a line into the file of effects", {"text": "string"}, annotations={"destructiveHint": True}),
    tool("raw", "Give back the result that this JSON text says", {"json": "string"}),
    tool("slow", "Answer after some seconds", {"seconds": "number", "text": "string"}),
    tool("never", "Never answer"),
    tool("held", "Answer when the file is there", {"file": "string", "text": "string"}),
    tool("progress", "Report progress until the file is there, then answer", {"file": "string", "every": "number"}),
    tool("crash", "Exit in the middle of the call", {"code": "integer", "effect": "string"}),
    tool("huge", "Answer with so many bytes", {"bytes": "integer"}),
    tool("environment", "Show the environment variables"),
    tool("stderr", "Write lines to standard error", {"lines": "integer", "text": "string"}),
    tool("garbage", "Write lines that are no messages to standard output", {"lines": "integer"}),
    tool("notify", "Send a notification", {"method": "string", "params": "object"}),
    tool("grow", "Add a tool to the list and say so", {"name": "string", "silently": "boolean"}),
    tool("ask", "Ask the client something and give back what it says", {"method": "string", "params": "object"}),
    tool("fail", "Answer with an error", {"code": "integer", "message": "string", "data": "object"}),
    tool("received", "Show the messages that came in since the start"),
]


class Call:
    """One tools/call. ``server`` is the ``Fixture``."""

    def __init__(self, server: Any, message: dict[str, Any], send: Any, answer: Any, refuse: Any) -> None:
        self.server, self.send, self.answer, self.refuse = server, send, answer, refuse
        self.identity, self.params = message["id"], message["params"]
        self.given = message["params"].get("arguments") or {}
        self.token = message["params"].get("_meta", {}).get("progressToken")

    def say(self, text: str) -> None:
        self.answer({"content": [{"type": "text", "text": text}], "isError": False})

    def until_there(self, each: Callable[[], None] = lambda: None) -> None:
        """Wait for the file that is named in the arguments, or for a cancellation."""
        while not os.path.exists(self.given["file"]) and self.identity not in self.server.cancelled:  # noqa: PTH110
            each()
            time.sleep(self.given.get("every", 0.005))


def later(work: Callable[[Call], None]) -> Callable[[Call], None]:
    """In a thread, so that other calls go on."""
    return lambda call: threading.Thread(target=work, args=(call,), daemon=True).start()


def slow(call: Call) -> None:
    time.sleep(call.given["seconds"])
    call.say(call.given.get("text", ""))


def held(call: Call) -> None:
    call.until_there()
    call.say(call.given.get("text", ""))


def progress(call: Call) -> None:
    steps = 0

    def report() -> None:
        nonlocal steps
        steps += 1
        params = {"progressToken": call.token, "progress": steps, "total": 1000, "message": f"step {steps}"}
        if call.token is not None:
            call.send({"jsonrpc": "2.0", "method": "notifications/progress", "params": params})

    call.until_there(report)
    call.say(f"after {steps} steps")


def crash(call: Call) -> None:
    if "effect" in call.given:
        call.server.effect(call.given["effect"])
    os._exit(call.given.get("code", 1))


def effect(call: Call) -> None:
    call.server.effect(call.given["text"])
    call.say("done")


def stderr(call: Call) -> None:
    sys.stderr.write((call.given["text"] + "\n") * call.given["lines"])
    sys.stderr.flush()
    call.say("written")


def garbage(call: Call) -> None:
    sys.stdout.write("this is not JSON\n" * call.given["lines"])
    call.say("written")


def notify(call: Call) -> None:
    call.server.tell(call.given["method"], call.given.get("params", {}), call.send)
    call.say("sent")


def grow(call: Call) -> None:
    call.server.tools.append(tool(call.given["name"], "grown"))
    if not call.given.get("silently"):
        call.server.tell("notifications/tools/list_changed", {}, call.send)
    call.say("grown")


def ask(call: Call) -> None:
    identity = call.server.expect(lambda reply: call.say(json.dumps(reply)))
    params = call.given.get("params", {})
    call.send({"jsonrpc": "2.0", "id": identity, "method": call.given["method"], "params": params})


TOOLS: dict[str, Callable[[Call], None]] = {
    "echo": lambda call: call.say(call.given["text"]),
    "effect": effect,
    "raw": lambda call: call.answer(json.loads(call.given["json"])),
    "slow": later(slow),
    "never": lambda call: None,
    "held": later(held),
    "progress": later(progress),
    "crash": crash,
    "huge": lambda call: call.say("x" * call.given["bytes"]),
    "environment": lambda call: call.say(json.dumps(dict(os.environ))),
    "stderr": stderr,
    "garbage": garbage,
    "notify": notify,
    "grow": grow,
    "ask": ask,
    "fail": lambda call: call.refuse(call.given["code"], call.given["message"], call.given.get("data")),
    "received": lambda call: call.say(json.dumps(call.server.received)),
}
