"""The upstream of the clients' tests: its owner's real name and address stand in everything that it says.

``--era legacy`` pushes its questions at its client, ``--era modern`` answers with them. Over stdio; standard library
only, on top of the made-up server of the other tests.
"""

import json
import os
import sys
import threading
from typing import Any

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "servers"))  # noqa: PTH100, PTH118, PTH120

from fixture import Fixture, options
from tools import TOOLS, Call

OWNER, MAIL = os.environ["OWNER"], os.environ["MAIL"]
TEXT = {"type": "string"}


def tool(name: str, description: str, properties: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    schema = {"type": "object", "properties": properties or {}}
    return {"name": name, "description": f"{description}, for {OWNER}", "inputSchema": schema, **more}


CARD = {
    "type": "object",
    "properties": {"owner": {"const": OWNER}, "mail": {"enum": [MAIL]}, OWNER: {"type": "integer"}},
    "required": ["owner", "mail", OWNER],
    "additionalProperties": False,
}
SIGNED = {"type": "object", "properties": {"signed": TEXT, "by": {"const": OWNER}}, "required": ["signed", "by"]}

DEFINITIONS = [
    tool("echo", "Give back the text", {"text": {**TEXT, "default": OWNER}}, annotations={"title": f"Echo of {OWNER}"}),
    tool("card", "Show the card", outputSchema=CARD, annotations={"readOnlyHint": True}),
    tool("forged", "Show a card that is none", outputSchema=CARD),
    tool("sign", "Sign a text", {"text": TEXT}, outputSchema=SIGNED),
    tool("shred", "Shred everything"),
    tool("work", "Work until the file is there, and tell of it", {"file": TEXT}),
    tool("wait", "Wait for ever"),
    tool("fill", "Have a form filled in"),
    tool("think", "Have a model think"),
    tool("broken", "Fail"),
    tool("chat", "Say something while at it"),
    tool("grow", "Grow a tool", {"name": TEXT}),
    tool("region", "Say where", {"region": {**TEXT, "x-mcp-header": "Region"}}),
]
FORM = {
    "method": "elicitation/create",
    "params": {
        "mode": "form",
        "message": f"Who is {OWNER}?",
        "requestedSchema": {
            "type": "object",
            "properties": {"who": {"type": "string", "description": f"not {MAIL}", "default": OWNER}},
            "required": ["who"],
        },
    },
}
THOUGHT = {
    "method": "sampling/createMessage",
    "params": {
        "messages": [{"role": "user", "content": {"type": "text", "text": f"Think of {OWNER}"}}],
        "maxTokens": 5,
        "systemPrompt": f"You are {OWNER}.",
    },
}


def question(name: str, asked: dict[str, Any]) -> Any:
    """A tool that cannot answer before its client has."""

    def ask(call: Call) -> None:
        if call.server.given.era == "modern":
            answers = call.params.get("inputResponses")
            if answers is None:
                state = f"state of {OWNER}"
                call.answer({"resultType": "input_required", "inputRequests": {name: asked}, "requestState": state})
            else:
                assert call.params["requestState"] == f"state of {OWNER}"
                answered(call, answers[name])
        else:
            identity = call.server.expect(lambda reply: answered(call, reply.get("result", reply)))
            call.send({"jsonrpc": "2.0", "id": identity, **asked})

    return ask


def answered(call: Call, answer: Any) -> None:
    call.server.effect(f"answered {json.dumps(answer, ensure_ascii=False)}")
    call.say(json.dumps({"answer": answer}))


def echo(call: Call) -> None:
    call.server.effect(f"echo {call.given['text']}")
    call.say(call.given["text"])


def card(call: Call) -> None:
    content = {"owner": OWNER, "mail": MAIL, OWNER: 1}
    call.answer({"content": [{"type": "text", "text": json.dumps(content)}], "structuredContent": content})


def sign(call: Call) -> None:
    call.server.effect(f"sign {call.given['text']}")
    content = {"signed": call.given["text"], "by": OWNER}
    call.answer({"content": [{"type": "text", "text": json.dumps(content)}], "structuredContent": content})


def shred(call: Call) -> None:
    call.server.effect("shred")
    call.say("gone")


def work(call: Call) -> None:
    def run() -> None:
        steps = 0

        def report() -> None:
            nonlocal steps
            steps += 1
            params = {"progressToken": call.token, "progress": steps, "total": 1000, "message": f"{OWNER}: {steps}"}
            call.send({"jsonrpc": "2.0", "method": "notifications/progress", "params": params})

        call.until_there(report)
        call.say(f"after {steps} steps for {OWNER}")

    threading.Thread(target=run, daemon=True).start()


def wait(call: Call) -> None:
    def run() -> None:
        call.given["file"] = "/nonexistent"
        call.until_there()
        call.server.effect("cancelled")

    call.server.effect("waiting")
    threading.Thread(target=run, daemon=True).start()


def broken(call: Call) -> None:
    call.refuse(-32000, f"{OWNER} is not at the desk", {"who": OWNER, "mail": MAIL})


def chat(call: Call) -> None:
    params = {"level": "warning", "logger": OWNER, "data": {"said": f"{OWNER} says hello"}}
    call.send({"jsonrpc": "2.0", "method": "notifications/message", "params": params})
    call.say(f"{OWNER} has said something")


TOOLS |= {
    "echo": echo,
    "card": card,
    "forged": lambda call: call.answer({"content": [], "structuredContent": {"owner": "somebody"}}),
    "sign": sign,
    "shred": shred,
    "work": work,
    "wait": wait,
    "fill": question("form", FORM),
    "think": question("thought", THOUGHT),
    "broken": broken,
    "chat": chat,
    "region": lambda call: call.say(call.given["region"]),
}
PROMPT = {"name": "letter", "description": f"A letter of {OWNER}", "arguments": [{"name": "to", "description": OWNER}]}
RESOURCE = {"uri": f"desk://mail/{MAIL}", "name": OWNER, "title": OWNER, "description": MAIL}
TEMPLATE = {"uriTemplate": "desk://{drawer}", "name": "drawer", "description": f"A drawer of {OWNER}"}


class Desk(Fixture):
    """The made-up server with a person behind it."""

    def capabilities(self) -> dict[str, Any]:
        return {**super().capabilities(), "completions": {}, "logging": {}}

    def list(self, method: str, params: dict[str, Any], answer: Any, refuse: Any) -> None:
        if method == "tools/list":
            answer({"tools": self.tools})
        elif method == "resources/list":
            answer({"resources": [RESOURCE]})
        elif method == "resources/templates/list":
            answer({"resourceTemplates": [TEMPLATE]})
        else:
            answer({"prompts": [PROMPT]})

    def simple(self, params: dict[str, Any]) -> dict[str, dict[str, Any]]:
        to = (params.get("arguments") or {}).get("to")
        said = {"role": "user", "content": {"type": "text", "text": f"{OWNER} writes to {to}"}}
        contents = [{"uri": params.get("uri"), "mimeType": "text/plain", "text": f"notes of {OWNER} <{MAIL}>"}]
        return {
            "ping": {},
            "logging/setLevel": {},
            "resources/read": {"contents": contents},
            "prompts/get": {"description": f"A letter of {OWNER}", "messages": [said]},
            "completion/complete": {"completion": {"values": [OWNER, MAIL]}},
        }


def main() -> None:
    desk = Desk(options())
    desk.tools = DEFINITIONS
    lock = threading.Lock()

    def send(message: dict[str, Any]) -> None:
        with lock:
            sys.stdout.write(json.dumps(message) + "\n")
            sys.stdout.flush()

    for line in sys.stdin:
        desk.handle(json.loads(line), send)


if __name__ == "__main__":
    main()
