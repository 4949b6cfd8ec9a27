"""The upstream of every measurement: one tool that answers with the text it got, as cheaply as Python can.

Speaks what a legacy server must (initialize, ping, tools/list, tools/call) in lines on stdin and stdout. All requests
found in one read are answered in one write, so that it is no bottleneck at 32 in flight.
"""

import os

import msgspec

TOOL = {
    "name": "echo",
    "description": "Answers with the text it was given.",
    "inputSchema": {"type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"]},
    "annotations": {"readOnlyHint": True, "idempotentHint": True, "openWorldHint": False},
}


class Arguments(msgspec.Struct):
    text: str = ""


class Params(msgspec.Struct):
    protocolVersion: str = "2025-11-25"  # noqa: N815 - the protocol's own name
    arguments: Arguments | None = None


class Request(msgspec.Struct):
    method: str
    id: int | str | None = None
    params: Params | None = None


def result(request: Request) -> object:
    """What to answer, or None for a method that a legacy server does not know."""
    params = request.params or Params()
    match request.method:
        case "tools/call":
            text = params.arguments.text if params.arguments else ""
            return {"content": [{"type": "text", "text": text}], "isError": False}
        case "initialize":
            return {
                "protocolVersion": params.protocolVersion,
                "capabilities": {"tools": {}},
                "serverInfo": {"name": "echo", "version": "1"},
            }
        case "tools/list":
            return {"tools": [TOOL]}
        case "ping":
            return {}
    return None


def answer(line: bytes) -> bytes:
    """One JSON-RPC answer as a line, or nothing for a notification."""
    request = decoder.decode(line)
    if request.id is None:
        return b""
    found = result(request)
    body = {"result": found} if found is not None else {"error": {"code": -32601, "message": "Method not found"}}
    return encoder.encode({"jsonrpc": "2.0", "id": request.id, **body}) + b"\n"


decoder = msgspec.json.Decoder(Request)
encoder = msgspec.json.Encoder()


def main() -> None:
    rest = b""
    while chunk := os.read(0, 1 << 18):
        *lines, rest = (rest + chunk).split(b"\n")
        left = memoryview(b"".join(answer(line) for line in lines if line.strip()))
        while left:
            left = left[os.write(1, left) :]


if __name__ == "__main__":
    main()
