"""FastMCP's proxy in front of one stdio upstream, set up as fast as it goes: no sessions, JSON answers, one pipe kept.

Runs in an environment of its own: ``python fastmcp_proxy.py PORT COMMAND ARGUMENT…``.
"""

import asyncio
import sys

from fastmcp.client.transports import StdioTransport
from fastmcp.server import create_proxy


def main() -> None:
    port, command, *arguments = sys.argv[1:]
    # "auto" because the upstream is of the legacy era and the client of the modern one
    proxy = create_proxy(StdioTransport(command, arguments, keep_alive=True), mode="auto")
    serve = proxy.run_http_async(
        show_banner=False,
        host="127.0.0.1",
        port=int(port),
        path="/mcp",
        log_level="error",
        json_response=True,
        stateless_http=True,
        uvicorn_config={"access_log": False},
    )
    asyncio.run(serve)


if __name__ == "__main__":
    main()
