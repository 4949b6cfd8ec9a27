"""The tools that ask the client for something before they answer."""

import hashlib
import json
from typing import Any

from asking import ROOTS, Call, elicit, sample
from mcp.shared.exceptions import MCPError
from register import SCHEMAS, TEXT, TOOLS, text, tool

INVALID_PARAMS = -32602
STATE_KEY = b"known to this server only"

# --- questions in both eras ---------------------------------------------------------------------------------------


def said(what: str, answer: dict[str, Any]) -> dict[str, Any]:
    return text(f"{what}: action={answer['action']}, content={json.dumps(answer.get('content') or {})}")


@tool("test_sampling", prompt=TEXT)
async def sampling(call: Call) -> dict[str, Any]:
    answer = (await call.ask({"answer": sample(call.arguments["prompt"])}))["answer"]
    return text(f"LLM response: {answer['content']['text']}")


@tool("test_elicitation", message=TEXT)
async def elicitation(call: Call) -> dict[str, Any]:
    asked = elicit(call.arguments["message"], username=TEXT, email=TEXT)
    return said("User response", (await call.ask({"answer": asked}))["answer"])


@tool("test_elicitation_sep1034_defaults")
async def elicitation_defaults(call: Call) -> dict[str, Any]:
    asked = elicit(
        "Please fill in the form",
        name={"type": "string", "default": "John Doe"},
        age={"type": "integer", "default": 30},
        score={"type": "number", "default": 95.5},
        status={"type": "string", "enum": ["active", "inactive", "pending"], "default": "active"},
        verified={"type": "boolean", "default": True},
    )
    return said("Elicitation completed", (await call.ask({"answer": asked}))["answer"])


@tool("test_elicitation_sep1330_enums")
async def elicitation_enums(call: Call) -> dict[str, Any]:
    options = ["option1", "option2", "option3"]
    titled = [{"const": f"value{n}", "title": f"{word} Option"} for n, word in ((1, "First"), (2, "Second"))]
    choices = [{"const": f"value{n}", "title": f"{word} Choice"} for n, word in ((1, "First"), (2, "Second"))]
    asked = elicit(
        "Please choose",
        untitledSingle={"type": "string", "enum": options},
        titledSingle={"type": "string", "oneOf": titled},
        legacyEnum={"type": "string", "enum": ["opt1", "opt2"], "enumNames": ["Option One", "Option Two"]},
        untitledMulti={"type": "array", "items": {"type": "string", "enum": options}},
        titledMulti={"type": "array", "items": {"anyOf": choices}},
    )
    return said("Elicitation completed", (await call.ask({"answer": asked}))["answer"])


@tool("test_streaming_elicitation")
async def streaming_elicitation(call: Call) -> dict[str, Any]:
    return said("User response", (await call.ask({"answer": elicit("Go on?", ok={"type": "boolean"})}))["answer"])


@tool("test_missing_capability")
async def missing_capability(call: Call) -> dict[str, Any]:
    call.need(sampling={})
    return text("it is there")


# --- questions of the modern era ------------------------------------------------------------------------------------

NAME = elicit("What is your name?", name=TEXT)
CAPITAL = sample("What is the capital of France?")


@tool("test_input_required_result_elicitation")
async def input_elicitation(call: Call) -> dict[str, Any]:
    answer = (await call.ask({"user_name": NAME}))["user_name"]
    return text(f"Hello, {(answer.get('content') or {}).get('name')}!")


@tool("test_input_required_result_sampling")
async def input_sampling(call: Call) -> dict[str, Any]:
    return text(json.dumps((await call.ask({"capital_question": CAPITAL}))["capital_question"]["content"]))


@tool("test_input_required_result_list_roots")
async def input_roots(call: Call) -> dict[str, Any]:
    return text(json.dumps((await call.ask({"client_roots": ROOTS}))["client_roots"]["roots"]))


def signed(state: str) -> str:
    return f"{state}.{hashlib.sha256(STATE_KEY + state.encode()).hexdigest()}"


def check(state: str | None) -> str:
    content, _, _ = (state or "").rpartition(".")
    if state != signed(content):
        raise MCPError(INVALID_PARAMS, "the request state is not ours")
    return content


@tool("test_input_required_result_request_state")
async def input_state(call: Call) -> dict[str, Any]:
    await call.ask({"confirm": elicit("Please confirm", ok={"type": "boolean"})}, signed("confirm"))
    check(call.state)
    return text("state-ok")


TOOLS["test_input_required_result_tampered_state"] = input_state
SCHEMAS["test_input_required_result_tampered_state"] = SCHEMAS["test_input_required_result_request_state"]


@tool("test_input_required_result_multiple_inputs")
async def input_multiple(call: Call) -> dict[str, Any]:
    asked = {"user_name": NAME, "greeting": sample("Generate a greeting", 50), "client_roots": ROOTS}
    answers = await call.ask(asked, signed("multiple"))
    check(call.state)
    return text(", ".join(sorted(answers)))


@tool("test_input_required_result_multi_round")
async def input_rounds(call: Call) -> dict[str, Any]:
    round_two = call.state is not None and check(call.state) == "two"
    if not round_two:
        await call.ask({"step1": elicit("Step 1: What is your name?", name=TEXT)}, signed("one"))
        call.responses = {}
    answers = await call.ask({"step2": elicit("Step 2: What is your favorite color?", color=TEXT)}, signed("two"))
    return text(json.dumps(answers))


@tool("test_input_required_result_capabilities")
async def input_capabilities(call: Call) -> dict[str, Any]:
    asked = {"elicitation": NAME, "sampling": CAPITAL, "roots": ROOTS}
    answers = await call.ask({kind: request for kind, request in asked.items() if kind in call.capabilities})
    return text(", ".join(answers))
