"""The methods of the protocol, each a few lines that hand on to whoever does the work."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

from portero.domain.mcp import HANDSHAKE_VERSIONS, SUPPORTED_VERSIONS, TASKS_EXTENSION
from portero.errors import INVALID_PARAMS, METHOD_NOT_FOUND, RpcError
from portero.gateway.calls.calls import Calls
from portero.gateway.exchange.request import Request
from portero.gateway.exchange.results import Results
from portero.gateway.exchange.sessions import Sessions
from portero.gateway.offer.virtual import VirtualTools, unknown_tool
from portero.gateway.services import Services

INSTRUCTIONS: Final = (
    "Portero stands between you and the tools of several servers; a tool is named server/tool. Some calls run at once, "
    "some wait for a person's approval: such a call answers with status pending-approval and a task_id. It has not run "
    "then. Tell the user, go on with other work, and use portero/check_task to get the result. "
    "portero/search_tools finds tools that are not listed. Some personal data may be shown to you as placeholders; use "
    "them as they are, they are replaced on the way to the server."
)

Method = Callable[[Request], Awaitable[bytes]]


class Methods:
    """Finds the method that a request names. Each returns the JSON of its result or raises RpcError."""

    def __init__(
        self,
        services: Services,
        results: Results,
        calls: Calls,
        virtual: VirtualTools,
        sessions: Sessions,
        *,
        shared: Mapping[str, Method],
        modern: Mapping[str, Method],
        legacy: Mapping[str, Method],
    ) -> None:
        """``shared``, ``modern`` and ``legacy``: methods that others serve, in both eras or in one of them."""
        self._services = services
        self._results = results
        self._calls = calls
        self._virtual = virtual
        self._sessions = sessions
        self._modern = {**shared, **modern, "tools/call": self._tools_call, "server/discover": self._discover}
        self._legacy = {
            **shared,
            **legacy,
            "tools/call": self._tools_call,
            "initialize": self._initialize,
            "ping": self._ping,
        }

    def get(self, request: Request) -> Method:
        """Raises RpcError when the era has no such method."""
        method = (self._modern if request.modern else self._legacy).get(request.method)
        if method is None:
            raise RpcError(METHOD_NOT_FOUND, f"There is no method {request.method[:100]!r}.")
        return method

    # --- tools ------------------------------------------------------------------------------------------------------

    def _tools_call(self, request: Request) -> Awaitable[bytes]:
        name = request.text("name")
        arguments = request.object("arguments")
        tool = self._services.upstreams.catalogue.resolve(name)
        if tool is not None:
            return self._calls.tools_call(request, tool, arguments)
        virtual = self._virtual.get(name)
        if virtual is not None:
            return virtual.run(request, arguments)
        raise RpcError(INVALID_PARAMS, unknown_tool(name))

    # --- beginning --------------------------------------------------------------------------------------------------

    def _capabilities(self, *, modern: bool) -> dict[str, Any]:
        changing = {"listChanged": True}
        offered = {
            "tools": changing,
            "resources": {"subscribe": True, **changing},
            "prompts": changing,
            "completions": {},
        }
        return offered | ({"extensions": {TASKS_EXTENSION: {}}} if modern else {"logging": {}})

    async def _initialize(self, request: Request) -> bytes:
        asked = request.text("protocolVersion")
        request.reply.begin_session(
            self._sessions.new(request.client, bytes(request.params.get("capabilities", b"{}")))
        )
        version = asked if asked in HANDSHAKE_VERSIONS else HANDSHAKE_VERSIONS[-1]
        return self._results.own(
            {
                "protocolVersion": version,
                "capabilities": self._capabilities(modern=False),
                "serverInfo": self._results.identity,
                "instructions": INSTRUCTIONS,
            },
            modern=False,
        )

    async def _discover(self, request: Request) -> bytes:
        return self._results.own(
            {
                "supportedVersions": list(SUPPORTED_VERSIONS),
                "capabilities": self._capabilities(modern=request.modern),
                "instructions": INSTRUCTIONS,
            },
            modern=True,
            cached=True,
        )

    async def _ping(self, request: Request) -> bytes:
        return self._results.own({}, modern=request.modern)
