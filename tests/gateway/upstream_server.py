"""An upstream for the gateway's tests: tools that do as they are told, a prompt, some resources. Over stdio.

``upstream_server.py EFFECTS [modern]``: of the older era, or of the newer one. Standard library only, to be up at once.
"""

import json
import os
import queue
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ANY = {"type": "object"}
REGION = {"type": "string", "x-mcp-header": "Region"}
EFFECTS = Path(sys.argv[1])
MODERN = sys.argv[2:] == ["modern"]
META = "io.modelcontextprotocol/"

TOOLS: dict[str, dict[str, Any]] = {
    "echo": {"description": "Give back the text.", "annotations": {"readOnlyHint": True}},
    "raw": {"description": "Give back a result as it is."},
    "fail": {"description": "Answer with an error."},
    "never": {"description": "Never answer."},
    "wait": {"description": "Answer when a file is there, with progress meanwhile."},
    "quiet": {"description": "Answer when a file is there, without a word before."},
    "effect": {"description": "Do something that shows."},
    "shout": {"description": "Give back the text, loudly and structured.", "outputSchema": ANY},
    "typed": {"description": "Structured, and allowed at once.", "outputSchema": ANY},
    "region": {"description": "Wants a header.", "inputSchema": {"type": "object", "properties": {"region": REGION}}},
    "entrust": {"description": "Make a task of its own."},
    "hidden": {"description": "Denied by policy."},
    "grow": {"description": "Add a tool."},
    "ask": {"description": "Ask the client, once for each question, and give back what it says."},
    "heard": {"description": "Give back all answers that it ever got."},
    "inquire": {"description": "Ask by the result, as the newer era does, in so many rounds."},
    "called_off": {"description": "Say how many requests were cancelled."},
    "touch": {"description": "Change a resource, and tell those who are subscribed to it, or to what it is in."},
    "log": {"description": "Say something."},
    "subscribed": {"description": "Say what is subscribed to."},
    "said_able": {"description": "Say what the client declares that it can do."},
    "levels": {"description": "Say which levels of log messages were set."},
    "die": {"description": "End at once."},
}
RESOURCES = ["made://one", "made://two", "made://asked", "made://denied", "made://Tessa/notes"]
subscribed: set[str] = set()
levels: list[str] = []
answers: dict[str, "queue.Queue[dict[str, Any]]"] = {}
called_off: list[Any] = []
tasks: dict[str, dict[str, Any]] = {}
"""What this server calls tasks of its own: each ends when it is answered."""
heard: list[Any] = []
lock = threading.Lock()


def send(message: dict[str, Any]) -> None:
    with lock:
        sys.stdout.write(json.dumps({"jsonrpc": "2.0", **message}) + "\n")
        sys.stdout.flush()


def text(value: str) -> dict[str, Any]:
    return {"content": [{"type": "text", "text": value}]}


def effect(given: dict[str, Any]) -> dict[str, Any]:
    with EFFECTS.open("a") as file:
        file.write(given["text"] + "\n")
    return text("done")


def loud(given: dict[str, Any]) -> dict[str, Any]:
    return {**text(given["text"].upper()), "structuredContent": {"said": given["text"].upper()}}


def log(given: dict[str, Any]) -> dict[str, Any]:
    send({"method": "notifications/message", "params": {"level": given["level"], "data": given.get("data", "said")}})
    return text("done")


def grow(given: dict[str, Any]) -> dict[str, Any]:
    TOOLS[given["called"]] = {"description": "Grown."}
    send({"method": "notifications/tools/list_changed"})
    return text("grown")


def entrust(given: dict[str, Any]) -> dict[str, Any]:
    key = f"task-{len(tasks)}"
    tasks[key] = {"taskId": key, "status": "input_required", "ttlMs": None, **given.get("more", {})}
    return {"resultType": "task", **tasks[key]}


def task(params: dict[str, Any], status: str | None = None) -> dict[str, Any] | None:
    found = tasks.get(params["taskId"])
    if found is None or not params["_meta"][META + "clientCapabilities"].get("extensions"):
        return None
    if status is None:
        return {"resultType": "complete", "pollIntervalMs": 1, "lastUpdatedAt": str(time.time()), **found}
    tasks[found["taskId"]] = {**found, "status": status, "result": text(json.dumps(params.get("inputResponses")))}
    return {"resultType": "complete"}


def touch(given: dict[str, Any]) -> dict[str, Any]:
    if any(given["uri"].startswith(uri) for uri in subscribed):
        send({"method": "notifications/resources/updated", "params": {"uri": given["uri"]}})
    return text("touched")


AT_ONCE: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
    "echo": lambda given: text(given["text"]),
    "raw": lambda given: given["result"],
    "effect": effect,
    "shout": loud,
    "typed": loud,
    "region": lambda given: text(str(given.get("region"))),
    "log": log,
    "grow": grow,
    "entrust": entrust,
    "touch": touch,
    "heard": lambda _: text(json.dumps(heard)),
    "called_off": lambda _: text(str(len(called_off))),
    "levels": lambda _: text(json.dumps(levels)),
    "subscribed": lambda _: text(json.dumps(sorted(subscribed))),
    "die": lambda _: os._exit(3),
}


def ask(identity: Any, given: dict[str, Any], token: Any) -> None:
    """In a thread: each answer is waited for, then perhaps something is said, and perhaps a file is waited for."""
    said = []
    for number, question in enumerate(given["questions"]):
        said.append(answer_to(f"ask-{identity}-{number}", question))
        notes = question.get("notes", ())
        while True:
            for note in notes:
                own = {"progressToken": token} if note["method"] == "notifications/progress" else {}
                send({**note, "params": {**note["params"], **own}})
            if "file" not in question or Path(question["file"]).exists():
                break
            notes = notes if question.get("repeats") else ()
            time.sleep(0.02)
    send({"id": identity, "result": text(json.dumps(said))})


def answer_to(key: str, question: dict[str, Any]) -> Any:
    while "after" in question and not Path(question["after"]).exists():
        time.sleep(0.02)
    answers[key] = queue.Queue()
    send({"id": key, "method": question["method"], "params": question["params"]})
    heard.append((answer := answers[key].get()).get("result", answer.get("error")))
    return heard[-1]


def curious(identity: Any) -> None:
    """A prompt that asks before it is one."""
    asked = {"method": "elicitation/create", "params": {"message": "Who are you?"}}
    said = json.dumps(answer_to(f"ask-{identity}", asked))
    send({"id": identity, "result": {"messages": [{"role": "user", "content": {"type": "text", "text": said}}]}})


def inquire(params: dict[str, Any]) -> dict[str, Any]:
    """Its state says in which round it is; what was asked for and answered comes back in the end."""
    round_ = int(params.get("requestState", "round-0").removeprefix("round-"))
    answers = params.get("inputResponses")
    if round_ > 0 and not answers:
        return {**text("no answers"), "isError": True}
    if round_ < params["arguments"].get("rounds", 1):
        asked = {"method": "elicitation/create", "params": {"message": f"Who is Tessa? ({round_})", "mode": "form"}}
        return {
            "resultType": "input_required",
            "inputRequests": {f"who{round_}": asked},
            **({} if params["arguments"].get("stateless") else {"requestState": f"round-{round_ + 1}"}),
        }
    with EFFECTS.open("a") as file:
        file.write(params["arguments"].get("text", "inquired") + "\n")
    return text(json.dumps(answers))


def call(identity: Any, params: dict[str, Any]) -> None:
    name, given, meta = params["name"], params.setdefault("arguments", {}), params.get("_meta") or {}
    if name == "ask":
        threading.Thread(target=ask, args=(identity, given, meta.get("progressToken")), daemon=True).start()
    elif name == "inquire":
        send({"id": identity, "result": inquire(params)})
    elif name == "said_able":
        send({"id": identity, "result": text(json.dumps(meta.get(META + "clientCapabilities")))})
    elif name in AT_ONCE:
        send({"id": identity, "result": AT_ONCE[name](given)})
    elif name == "fail":
        send({"id": identity, "error": given})
    elif name in ("wait", "quiet"):
        token = meta.get("progressToken") if name == "wait" else None
        threading.Thread(target=wait, args=(identity, params, token)).start()


def wait(identity: Any, params: dict[str, Any], token: Any) -> None:
    given, step = params["arguments"], 0
    while not Path(given["file"]).exists():
        step += 1
        if token is not None:
            send({"method": "notifications/progress", "params": {"progressToken": token, "progress": step, "total": 9}})
        time.sleep(0.02)
    if given.get("fail"):
        send({"id": identity, "error": {"code": 17, "message": "after all"}})
    elif given.get("entrust"):
        send({"id": identity, "result": entrust(given)})
    elif "result" in given and "inputResponses" not in params:
        send({"id": identity, "result": given["result"]})
    else:
        send({"id": identity, "result": text(f"after {step} steps")})


def subscribe(params: dict[str, Any]) -> dict[str, Any] | None:
    if params["uri"] == "made://by/nobody":
        return None
    subscribed.add(params["uri"])
    return {}


def unsubscribe(params: dict[str, Any]) -> dict[str, Any]:
    subscribed.discard(params["uri"])
    return {}


def read(params: dict[str, Any]) -> dict[str, Any]:
    shared = {"cacheScope": "public", "ttlMs": 5000} if params["uri"].endswith("/public") else {}
    return {"contents": [{"uri": params["uri"], "text": f"what is in {params['uri']}"}], **shared}


def set_level(params: dict[str, Any]) -> dict[str, Any] | None:
    if params["level"] == "emergency":
        return None
    levels.append(params["level"])
    return {}


def prompt(params: dict[str, Any]) -> dict[str, Any]:
    (said,) = text(f"{params['name']} {json.dumps(params.get('arguments'))}")["content"]
    return {"messages": [{"role": "user", "content": said}]}


CHANGING = {kind: {"listChanged": True, "subscribe": True} for kind in ("tools", "resources", "prompts")}
HELLO = {
    "protocolVersion": "2025-11-25",
    "capabilities": {**CHANGING, "completions": {}, "logging": {}},
    "serverInfo": {"name": "fixture", "version": "1"},
}
ANSWERS: dict[str, Callable[[dict[str, Any]], dict[str, Any] | None]] = {
    "initialize": lambda _: HELLO,
    "ping": lambda _: {},
    "tools/list": lambda _: {"tools": [{"name": name, "inputSchema": ANY, **tool} for name, tool in TOOLS.items()]},
    "resources/list": lambda _: {"resources": [{"uri": uri, "name": uri} for uri in RESOURCES]},
    "resources/templates/list": lambda _: {"resourceTemplates": [{"uriTemplate": "made://by/{id}", "name": "by"}]},
    "resources/read": read,
    "resources/subscribe": subscribe,
    "resources/unsubscribe": unsubscribe,
    "prompts/list": lambda _: {"prompts": [{"name": "greet"}, {"name": "hidden"}, {"name": "curious"}]},
    "prompts/get": prompt,
    "logging/setLevel": set_level,
    "server/discover": lambda _: {
        "resultType": "complete",
        "supportedVersions": ["2026-07-28"],
        "capabilities": HELLO["capabilities"],
        "ttlMs": 0,
        "cacheScope": "private",
        "_meta": {META + "serverInfo": {"name": "fixture", "version": "1"}},
    },
    "tasks/get": task,
    "tasks/update": lambda params: task(params, "completed"),
    "tasks/cancel": lambda params: task(params, "cancelled"),
    "completion/complete": lambda params: {"completion": {"values": [json.dumps(params, sort_keys=True)]}},
}


for line in sys.stdin:
    message = json.loads(line)
    if "method" not in message:
        answers[message["id"]].put(message)
        continue
    if message["method"] == "notifications/cancelled":
        called_off.append(message["params"]["requestId"])
    if "id" not in message:
        continue
    params = message.get("params") or {}
    if message["method"] == "tools/call":
        call(message["id"], params)
        continue
    if params.get("name") == "curious":
        threading.Thread(target=curious, args=(message["id"],), daemon=True).start()
        continue
    known = {name: how for name, how in ANSWERS.items() if name != ("initialize" if MODERN else "server/discover")}
    if params.get("level") == "alert":
        continue  # no answer to that
    result = known.get(message["method"], lambda _: None)(params)
    if result is None:
        send({"id": message["id"], "error": {"code": -32601, "message": "no such method"}})
    else:
        send({"id": message["id"], "result": result})
