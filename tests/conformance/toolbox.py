"""The tools that the suite calls by name."""

import asyncio
import hashlib
import json
from collections.abc import Awaitable, Callable
from typing import Any

from asking import ROOTS, Call, elicit, sample
from mcp.shared.exceptions import MCPError
from offered import AUDIO, IMAGE
from tasks import TASKS_EXTENSION, Task, declares_tasks

Tool = Callable[[Call], Awaitable[dict[str, Any]]]
TOOLS: dict[str, Tool] = {}
SCHEMAS: dict[str, dict[str, Any]] = {}
TEXT = {"type": "string"}
INVALID_PARAMS = -32602
STATE_KEY = b"known to this server only"


def tool(name: str, schema: dict[str, Any] | None = None, /, **properties: Any) -> Callable[[Tool], Tool]:
    def add(function: Tool) -> Tool:
        TOOLS[name] = function
        SCHEMAS[name] = schema or {"type": "object", "properties": properties, "required": list(properties)}
        return function

    return add


def definitions(changes: int) -> list[dict[str, Any]]:
    known = [
        {"name": name, "description": (TOOLS[name].__doc__ or name).strip(), "inputSchema": schema}
        for name, schema in SCHEMAS.items()
    ]
    new = [{"name": f"changed_{n}", "description": "new", "inputSchema": {"type": "object"}} for n in range(changes)]
    triggers = [
        {"name": f"test_trigger_{kind}_change", "description": kind, "inputSchema": {"type": "object"}}
        for kind in ("tool", "prompt")
    ]
    return [*known, *triggers, *new]


def text(content: str) -> dict[str, Any]:
    return {"content": [{"type": "text", "text": content}]}


def resource(uri: str, mime: str, content: str) -> dict[str, Any]:
    return {"type": "resource", "resource": {"uri": uri, "mimeType": mime, "text": content}}


# --- content ------------------------------------------------------------------------------------------------------


@tool("test_simple_text")
async def simple_text(_: Call) -> dict[str, Any]:
    return text("This is a simple text response for testing.")


@tool("test_image_content")
async def image_content(_: Call) -> dict[str, Any]:
    return {"content": [IMAGE]}


@tool("test_audio_content")
async def audio_content(_: Call) -> dict[str, Any]:
    return {"content": [AUDIO]}


@tool("test_embedded_resource")
async def embedded_resource(_: Call) -> dict[str, Any]:
    return {"content": [resource("test://embedded-resource", "text/plain", "This is an embedded resource content.")]}


@tool("test_multiple_content_types")
async def multiple_content_types(_: Call) -> dict[str, Any]:
    mixed = resource("test://mixed-content-resource", "application/json", '{"test":"data","value":123}')
    return {"content": [{"type": "text", "text": "Multiple content types test:"}, IMAGE, mixed]}


@tool("test_error_handling")
async def error_handling(_: Call) -> dict[str, Any]:
    return {**text("This tool intentionally returns an error for testing"), "isError": True}


# --- while it runs ------------------------------------------------------------------------------------------------


@tool("test_tool_with_logging")
async def with_logging(call: Call) -> dict[str, Any]:
    for said in ("Tool execution started", "Tool processing data", "Tool execution completed"):
        await call.log(said)
        await asyncio.sleep(0.05)
    return text("done")


@tool("test_logging_tool")
async def logging_tool(call: Call) -> dict[str, Any]:
    await call.log("only for those who asked for it")
    return text("done")


@tool("test_tool_with_progress")
async def with_progress(call: Call) -> dict[str, Any]:
    for progress in (0, 50, 100):
        await call.ctx.session.report_progress(progress, 100, f"Completed step {progress} of 100")
        await asyncio.sleep(0.05)
    return text("done")


@tool("test_reconnection")
async def reconnection(call: Call) -> dict[str, Any]:
    if call.ctx.close_sse_stream is not None:
        await call.ctx.close_sse_stream()
    await asyncio.sleep(0.2)
    return text("Reconnection test completed")


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


# --- schemas and headers --------------------------------------------------------------------------------------------

SCHEMA_2020_12 = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "$defs": {
        "address": {
            "$anchor": "addressDef",
            "type": "object",
            "properties": {"street": TEXT, "city": TEXT},
        }
    },
    "properties": {
        "name": TEXT,
        "address": {"$ref": "#/$defs/address"},
        "contactMethod": {"type": "string", "enum": ["phone", "email"]},
        "phone": TEXT,
        "email": TEXT,
    },
    "allOf": [{"anyOf": [{"required": ["phone"]}, {"required": ["email"]}]}],
    "if": {"properties": {"contactMethod": {"const": "phone"}}, "required": ["contactMethod"]},
    "then": {"required": ["phone"]},
    "else": {"required": ["email"]},
    "additionalProperties": False,
}


@tool("json_schema_2020_12_tool", SCHEMA_2020_12)
async def json_schema(call: Call) -> dict[str, Any]:
    return text(json.dumps(call.arguments))


@tool("test_custom_headers", region={**TEXT, "x-mcp-header": "Region"})
async def custom_headers(call: Call) -> dict[str, Any]:
    return text(call.arguments["region"])


# --- tasks ----------------------------------------------------------------------------------------------------------


@tool("greet", name=TEXT)
async def greet(call: Call) -> dict[str, Any]:
    return text(f"Hello, {call.arguments['name']}!")


async def as_task(call: Call, work: Callable[[Task], Awaitable[dict[str, Any]]]) -> dict[str, Any]:
    if call.modern and declares_tasks(call.capabilities):
        answer: dict[str, Any] = call.tasks.start(work)
        return answer
    return await work(Task())


@tool("slow_compute", {"type": "object", "properties": {"seconds": {"type": "number"}, "label": TEXT}})
async def slow_compute(call: Call) -> dict[str, Any]:
    async def work(_: Task) -> dict[str, Any]:
        await asyncio.sleep(call.arguments.get("seconds", 0))
        return text(f"computed {call.arguments.get('label', '')}")

    return await as_task(call, work)


@tool("failing_job")
async def failing_job(call: Call) -> dict[str, Any]:
    call.need(extensions={TASKS_EXTENSION: {}})

    async def work(_: Task) -> dict[str, Any]:
        await asyncio.sleep(0.3)
        return {**text("the job failed"), "isError": True}

    return await as_task(call, work)


@tool("protocol_error_job")
async def protocol_error_job(call: Call) -> dict[str, Any]:
    async def work(_: Task) -> dict[str, Any]:
        await asyncio.sleep(0.1)
        raise RuntimeError("the job broke")

    return await as_task(call, work)


@tool("confirm_delete", filename=TEXT)
async def confirm_delete(call: Call) -> dict[str, Any]:
    async def work(task: Task) -> dict[str, Any]:
        answers = await task.ask({"confirm": elicit("Delete it?", confirm={"type": "boolean"})})
        return text(f"{call.arguments['filename']}: {answers['confirm'].get('action')}")

    return await as_task(call, work)


@tool("multi_input")
async def multi_input(call: Call) -> dict[str, Any]:
    async def work(task: Task) -> dict[str, Any]:
        return text(json.dumps(await task.ask({"first": NAME, "second": elicit("Sure?", confirm={"type": "boolean"})})))

    return await as_task(call, work)


@tool("test_tool_with_task")
async def with_task(call: Call) -> dict[str, Any]:
    answer = (await call.ask({"user_name": NAME}))["user_name"]

    async def work(_: Task) -> dict[str, Any]:
        return text(f"Hello, {answer['content']['name']}!")

    return await as_task(call, work)
