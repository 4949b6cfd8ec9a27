"""An upstream for the gateway's tests: tools that do as they are told, a prompt, some resources. Legacy, over stdio.

Standard library only, so that it is up in a few hundredths of a second.
"""

import json
import sys
import threading
import time
from pathlib import Path
from typing import Any

ANY = {"type": "object"}
REGION = {"type": "string", "x-mcp-header": "Region"}
EFFECTS = Path(sys.argv[1])

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
    "hidden": {"description": "Denied by policy."},
    "grow": {"description": "Add a tool."},
}
RESOURCES = ["made://one", "made://asked", "made://denied"]
lock = threading.Lock()


def send(message: dict[str, Any]) -> None:
    with lock:
        sys.stdout.write(json.dumps({"jsonrpc": "2.0", **message}) + "\n")
        sys.stdout.flush()


def text(value: str) -> dict[str, Any]:
    return {"content": [{"type": "text", "text": value}]}


def call(identity: Any, name: str, given: dict[str, Any], meta: dict[str, Any]) -> None:  # noqa: C901 - a table
    answer = None
    match name:
        case "echo":
            answer = text(given["text"])
        case "raw":
            answer = given["result"]
        case "fail":
            send({"id": identity, "error": given})
        case "wait":
            threading.Thread(target=wait, args=(identity, given, meta.get("progressToken"))).start()
        case "quiet":
            threading.Thread(target=wait, args=(identity, given, None)).start()
        case "effect":
            with EFFECTS.open("a") as file:
                file.write(given["text"] + "\n")
            answer = text("done")
        case "shout" | "typed":
            answer = {**text(given["text"].upper()), "structuredContent": {"said": given["text"].upper()}}
        case "region":
            answer = text(str(given.get("region")))
        case "grow":
            TOOLS[given["called"]] = {"description": "Grown."}
            send({"method": "notifications/tools/list_changed"})
            answer = text("grown")
    if answer is not None:
        send({"id": identity, "result": answer})


def wait(identity: Any, given: dict[str, Any], token: Any) -> None:
    step = 0
    while not Path(given["file"]).exists():
        step += 1
        if token is not None:
            send({"method": "notifications/progress", "params": {"progressToken": token, "progress": step, "total": 9}})
        time.sleep(0.02)
    if given.get("fail"):
        send({"id": identity, "error": {"code": 17, "message": "after all"}})
    else:
        send({"id": identity, "result": text(f"after {step} steps")})


def answer(method: str, params: dict[str, Any]) -> dict[str, Any] | None:  # noqa: PLR0911 - a table
    match method:
        case "initialize":
            kinds = ("tools", "resources", "prompts")
            return {
                "protocolVersion": "2025-11-25",
                "capabilities": {**{kind: {"listChanged": True} for kind in kinds}, "completions": {}},
                "serverInfo": {"name": "fixture", "version": "1"},
            }
        case "ping":
            return {}
        case "tools/list":
            return {"tools": [{"name": name, "inputSchema": ANY, **tool} for name, tool in TOOLS.items()]}
        case "resources/list":
            return {"resources": [{"uri": uri, "name": uri} for uri in RESOURCES]}
        case "resources/templates/list":
            return {"resourceTemplates": [{"uriTemplate": "made://by/{id}", "name": "by"}]}
        case "resources/read":
            return {"contents": [{"uri": params["uri"], "text": f"what is in {params['uri']}"}]}
        case "prompts/list":
            return {"prompts": [{"name": "greet"}, {"name": "hidden"}]}
        case "prompts/get":
            said = f"{params['name']} {json.dumps(params.get('arguments'))}"
            return {"messages": [{"role": "user", "content": {"type": "text", "text": said}}]}
        case "completion/complete":
            return {"completion": {"values": [json.dumps(params, sort_keys=True)]}}
    return None


for line in sys.stdin:
    message = json.loads(line)
    if "id" not in message or "method" not in message:
        continue
    params = message.get("params") or {}
    if message["method"] == "tools/call":
        call(message["id"], params["name"], params.get("arguments") or {}, params.get("_meta") or {})
        continue
    result = answer(message["method"], params)
    if result is None:
        send({"id": message["id"], "error": {"code": -32601, "message": "no such method"}})
    else:
        send({"id": message["id"], "result": result})
