"""A server that lists what another one listed, byte for byte: ``replay.py FILE``, one tool's JSON text a line."""

import json
import sys


def main() -> None:
    with open(sys.argv[1], "rb") as file:  # noqa: PTH123 - pathlib takes 10 ms to import
        tools = b",".join(file.read().splitlines())
    for line in sys.stdin.buffer:
        message = json.loads(line)
        if "id" not in message:
            continue
        match message["method"]:
            case "initialize":
                version = message["params"]["protocolVersion"]
                info = {"name": "replay", "version": "1"}
                said = {"protocolVersion": version, "capabilities": {"tools": {}}, "serverInfo": info}
                result = json.dumps(said).encode()
            case "tools/list":
                result = b'{"tools":[%b]}' % tools
            case _:
                result = b""
        identity = json.dumps(message["id"]).encode()
        error = b'"error":{"code":-32601,"message":"no such method"}'
        answer = b'"result":%b' % result if result else error
        sys.stdout.buffer.write(b'{"jsonrpc":"2.0","id":%b,%b}\n' % (identity, answer))
        sys.stdout.flush()


if __name__ == "__main__":
    main()
