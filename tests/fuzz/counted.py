"""An upstream that counts: whatever it is asked to do leaves a line in a file, and the answer says which one it was.

Legacy, over stdio; standard library only, so that it is up in a few hundredths of a second.
"""

import json
import os
import sys
from typing import Any

FILE = os.open(sys.argv[1], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
OWNER = os.environ["OWNER"]
SCHEMA = {
    "type": "object",
    "properties": {"text": {"type": "string"}, "place": {"type": "string", "x-mcp-header": "Place"}},
}
TOOLS = [
    {"name": "do", "description": f"Does something for {OWNER}.", "inputSchema": SCHEMA},
    {"name": "danger", "description": "Is asked for.", "inputSchema": SCHEMA, "outputSchema": {"type": "object"}},
    {"name": "forbidden", "description": "Never runs.", "inputSchema": SCHEMA},
]
URIS = ["made://free", "made://asked", "made://denied"]
PROMPTS = ["free", "asked", "denied"]
LISTS = {
    "tools/list": {"tools": TOOLS},
    "resources/list": {"resources": [{"uri": uri, "name": OWNER} for uri in URIS]},
    "resources/templates/list": {"resourceTemplates": []},
    "prompts/list": {"prompts": [{"name": name, "description": OWNER} for name in PROMPTS]},
}
count = 0


def done(what: str, said: Any) -> dict[str, Any]:
    """Counts, and answers with the number and with what was said to it, as a server does that repeats its input."""
    global count  # noqa: PLW0603 - a process is one counter
    count += 1
    os.write(FILE, f"{count} {what}\n".encode())
    text = f"DONE {count} for {OWNER}: {json.dumps(said)}"
    return {
        "content": [{"type": "text", "text": text}],
        "contents": [{"uri": "made://free", "text": text}],
        "messages": [{"role": "user", "content": {"type": "text", "text": text}}],
        "completion": {"values": [text]},
    }


def answer(method: str, params: dict[str, Any]) -> dict[str, Any] | None:
    match method:
        case "initialize":
            capabilities = {"tools": {}, "resources": {}, "prompts": {}, "completions": {}}
            info = {"name": "counted", "version": "1"}
            return {"protocolVersion": params["protocolVersion"], "capabilities": capabilities, "serverInfo": info}
        case "tools/call" | "prompts/get":
            return done(f"{method} {params['name']}", params.get("arguments"))
        case "resources/read":
            return done(f"{method} {params['uri']}", params["uri"])
        case "completion/complete":
            return done(method, params)
    return LISTS.get(method)


for line in sys.stdin:
    message = json.loads(line)
    if "id" not in message:
        continue
    result = answer(message["method"], message.get("params", {}))
    body = {"result": result} if result is not None else {"error": {"code": -32601, "message": "no such method"}}
    sys.stdout.write(json.dumps({"jsonrpc": "2.0", "id": message["id"], **body}) + "\n")
    sys.stdout.flush()
