"""The tools that answer by themselves: content, progress, messages, schemas and headers."""

import asyncio
import json
from typing import Any

from asking import Call
from offered import AUDIO, IMAGE
from register import TEXT, resource, text, tool

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
