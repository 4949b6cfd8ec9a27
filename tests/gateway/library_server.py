"""An upstream that serves the files of a folder, and takes any spelling of an address that some server takes.

Run as ``library_server.py FOLDER``. It reads addresses as file servers do that were written in a hurry: as a browser
would, escapes decoded, and then by the rules of the file system.
"""

import json
import os
import re
import sys
from pathlib import Path
from typing import Any
from urllib.parse import unquote

FOLDER = Path(sys.argv[1])
ASKED: list[str] = []


def served(uri: str) -> str:
    path = re.sub(r"(?i)^file:(//[^/\\]*)?", "", re.sub(r"[\t\r\n]", "", uri).strip()).replace("\\", "/")
    return (FOLDER / os.path.normpath("/" + unquote(unquote(path))).lower().lstrip("/")).read_text()


def read(params: dict[str, Any]) -> dict[str, Any]:
    ASKED.append(params["uri"])
    return {"contents": [{"uri": params["uri"], "text": served(params["uri"])}]}


ANSWERS = {
    "initialize": lambda _: {
        "protocolVersion": "2025-11-25",
        "capabilities": {"tools": {}, "resources": {"subscribe": True}, "completions": {}},
        "serverInfo": {"name": "library", "version": "1"},
    },
    "ping": lambda _: {},
    "tools/list": lambda _: {"tools": [{"name": name, "inputSchema": {"type": "object"}} for name in ("asked", *ODD)]},
    "tools/call": lambda _: {"content": [{"type": "text", "text": json.dumps(ASKED)}]},
    "prompts/list": lambda _: {"prompts": []},
    "resources/list": lambda _: {"resources": []},
    "resources/templates/list": lambda _: {"resourceTemplates": [{"uriTemplate": "{+address}", "name": "any"}]},
    "resources/read": read,
    "resources/subscribe": read,
    "resources/unsubscribe": lambda _: {},
    "completion/complete": lambda params: {"completion": {"values": [served(params["ref"]["uri"])]}},
}
ODD = ("resource:file:///public/x", "prompt:x", "cafe\u0301")
"""Names under which policies would take a tool for something else."""

for line in sys.stdin:
    message = json.loads(line)
    answer = ANSWERS.get(message.get("method"))
    if "id" not in message:
        continue
    try:
        said = {"result": answer(message.get("params") or {})} if answer else {"error": {"code": -32601, "message": ""}}
    except (OSError, ValueError) as error:
        said = {"error": {"code": -32002, "message": type(error).__name__}}
    sys.stdout.write(json.dumps({"jsonrpc": "2.0", "id": message["id"], **said}) + "\n")
    sys.stdout.flush()
