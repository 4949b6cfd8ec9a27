"""One call as the tools see it: asking the client works in either era, each in its own way."""

from typing import Any

import mcp_types as types
from mcp.shared.exceptions import MCPError
from mcp.shared.message import ServerMessageMetadata

MODERN = "2026-07-28"
CAPABILITIES = "io.modelcontextprotocol/clientCapabilities"
MISSING_CAPABILITY = -32021
REQUESTS: dict[str, tuple[Any, Any]] = {
    "elicitation/create": (types.ElicitRequest, types.ElicitResult),
    "sampling/createMessage": (types.CreateMessageRequest, types.CreateMessageResult),
    "roots/list": (types.ListRootsRequest, types.ListRootsResult),
}


class Asking(Exception):
    """The call cannot go on before the client has answered: ``result`` says what it is asked."""

    def __init__(self, requests: dict[str, Any], state: str | None) -> None:
        self.result: dict[str, Any] = {"resultType": "input_required", "inputRequests": requests}
        if state is not None:
            self.result["requestState"] = state


class Call:
    def __init__(self, ctx: Any, arguments: dict[str, Any], tasks: Any) -> None:
        self.ctx, self.arguments, self.tasks = ctx, arguments, tasks
        self.modern = ctx.protocol_version >= MODERN
        params = ctx.params or {}
        responses = params.get("inputResponses")
        self.responses: dict[str, Any] = responses if isinstance(responses, dict) else {}
        self.state: str | None = params.get("requestState")
        self.capabilities: dict[str, Any] = (params.get("_meta") or {}).get(CAPABILITIES) or {}

    async def ask(self, requests: dict[str, Any], state: str | None = None) -> dict[str, Any]:
        """The client's answers by key. In the modern era the call ends here until they all are there."""
        if self.modern:
            if not all(_fits(self.responses.get(key), request) for key, request in requests.items()):
                raise Asking(requests, state)
            return self.responses
        return {key: await self._push(request) for key, request in requests.items()}

    async def _push(self, request: dict[str, Any]) -> Any:
        request_type, result_type = REQUESTS[request["method"]]
        typed = request_type.model_validate(request, by_name=False)
        related = ServerMessageMetadata(related_request_id=self.ctx.request_id)
        answer = await self.ctx.session.send_request(typed, result_type, metadata=related)
        return answer.model_dump(by_alias=True, mode="json", exclude_none=True)

    async def log(self, text: str) -> None:
        await self.ctx.session.send_log_message("info", text, related_request_id=self.ctx.request_id)

    def need(self, **capabilities: Any) -> None:
        """Refuse a modern client that has not declared these."""
        declared = {**self.capabilities, **(self.capabilities.get("extensions") or {})}
        wanted = {**capabilities, **capabilities.get("extensions", {})}
        wanted.pop("extensions", None)
        if self.modern and not wanted.keys() <= declared.keys():
            raise MCPError(MISSING_CAPABILITY, "a capability is missing", {"requiredCapabilities": capabilities})


def _fits(answer: Any, request: dict[str, Any]) -> bool:
    if not isinstance(answer, dict):
        return False
    member = {"elicitation/create": "action", "sampling/createMessage": "content", "roots/list": "roots"}
    return member[request["method"]] in answer


def elicit(message: str, /, **properties: Any) -> dict[str, Any]:
    schema = {"type": "object", "properties": properties, "required": list(properties)}
    return {"method": "elicitation/create", "params": {"mode": "form", "message": message, "requestedSchema": schema}}


def sample(text: str, max_tokens: int = 100) -> dict[str, Any]:
    message = {"role": "user", "content": {"type": "text", "text": text}}
    return {"method": "sampling/createMessage", "params": {"messages": [message], "maxTokens": max_tokens}}


ROOTS: dict[str, Any] = {"method": "roots/list", "params": {}}
