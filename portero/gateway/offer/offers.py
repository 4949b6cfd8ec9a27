"""Resources, prompts and completion: fetched through the same gate as tools."""

from typing import Any, Final

import msgspec

from portero.domain.patterns import completion_name
from portero.domain.values import Kind
from portero.errors import INVALID_PARAMS, RESOURCE_NOT_FOUND, NotFound, RpcError
from portero.gateway import wire
from portero.gateway.calls.calls import Asked, Calls
from portero.gateway.exchange.request import Request
from portero.gateway.offer.offered import Offered
from portero.gateway.services import Services


class _Reference(msgspec.Struct):
    """What an argument is completed for."""

    type: str
    name: str = ""
    uri: str = ""


_reference = msgspec.json.Decoder(_Reference)

UNKNOWN: Final = "There is no prompt {name!r}. List them to see what there is."


class Offers:
    """Fetches what upstreams offer beside tools."""

    def __init__(self, services: Services, calls: Calls, offered: Offered) -> None:
        self._services = services
        self._calls = calls
        self._offered = offered

    async def prompts_get(self, request: Request) -> bytes:
        name = request.text("name")
        prompt = self._services.upstreams.catalogue.resolve_prompt(name)
        if prompt is None:
            raise RpcError(INVALID_PARAMS, UNKNOWN.format(name=name[:200]))
        rest = request.rest("name", "arguments")
        return await self._calls.other(
            request, Asked(Kind.PROMPT, prompt.server, prompt.name, request.object("arguments"), rest)
        )

    async def resources_read(self, request: Request) -> bytes:
        uri = request.text("uri")
        unknown = INVALID_PARAMS if request.modern else RESOURCE_NOT_FOUND
        asked = Asked(Kind.RESOURCE, self.owner(request, uri, unknown), uri, b"{}", request.rest("uri"))
        return await self._calls.other(request, asked)

    def owner(self, request: Request, uri: str, unknown: int = INVALID_PARAMS) -> str:
        """The upstream of a resource. Raises RpcError, with this code when none has it."""
        try:
            return self._offered.owner(uri, request.client)
        except NotFound as error:
            text = f"There is no resource {uri[:200]!r} in any list, and {error}."
            raise RpcError(unknown, text, {"uri": uri}) from error

    async def complete(self, request: Request) -> bytes:
        try:
            reference = _reference.decode(request.object("ref"))
        except (ValueError, RecursionError) as error:
            raise RpcError(INVALID_PARAMS, f"The parameter 'ref' cannot be read: {error}.") from None
        members: dict[str, Any] = {**request.params, **request.own_meta()}
        if reference.type == "ref/prompt":
            prompt = self._services.upstreams.catalogue.resolve_prompt(reference.name)
            if prompt is None:
                raise RpcError(INVALID_PARAMS, UNKNOWN.format(name=reference.name[:200]))
            upstream, name = prompt.server, completion_name(Kind.PROMPT, prompt.name)
            members["ref"] = {"type": reference.type, "name": prompt.name}
        elif reference.type == "ref/resource":
            upstream, name = self.owner(request, reference.uri), completion_name(Kind.RESOURCE, reference.uri)
        else:
            raise RpcError(INVALID_PARAMS, "The parameter 'ref' must be a ref/prompt or a ref/resource.")
        asked = Asked(Kind.COMPLETION, upstream, name, wire.encode(members))
        return await self._calls.other(request, asked)
