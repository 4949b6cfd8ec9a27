"""Resources, prompts and completion: listed from the catalogue, fetched through the same gate as tools."""

from collections.abc import Iterable
from typing import Any, Final

import msgspec

from portero.domain.ids import ClientId
from portero.domain.patterns import policy_name
from portero.domain.values import Action, Kind
from portero.errors import INVALID_PARAMS, RpcError
from portero.gateway import wire
from portero.gateway.calls import Asked, Calls
from portero.gateway.lists import with_name
from portero.gateway.pages import page
from portero.gateway.request import Request
from portero.gateway.results import Results
from portero.gateway.services import Services

_text = msgspec.json.Decoder(str)


class _Reference(msgspec.Struct):
    """What an argument is completed for."""

    type: str
    name: str = ""
    uri: str = ""


_reference = msgspec.json.Decoder(_Reference)

UNKNOWN: Final = "There is no {what} {name!r}. List them to see what there is."


class Offers:
    """What upstreams offer beside tools."""

    def __init__(self, services: Services, results: Results, calls: Calls) -> None:
        self._services = services
        self._results = results
        self._calls = calls

    # --- lists ------------------------------------------------------------------------------------------------------

    async def prompts_list(self, request: Request) -> bytes:
        replacer = self._services.core.replacer
        found = []
        for prompt in self._services.upstreams.catalogue.prompts:
            if self._shown(request.client, Kind.PROMPT, prompt.server, prompt.name):
                body = prompt.listing(self._services.spelling)
                found.append((prompt.canonical, with_name(replacer.to_fake_result(body), body)))
        return self._page(request, "prompts", found)

    async def resources_list(self, request: Request) -> bytes:
        found = [
            (resource.uri, self._services.core.replacer.to_fake_result(resource.definition))
            for resource in self._services.upstreams.catalogue.resources
            if self._shown(request.client, Kind.RESOURCE, resource.server, resource.uri)
        ]
        return self._page(request, "resources", found)

    async def templates_list(self, request: Request) -> bytes:
        found = [
            (
                f"{template.server} {template.uri_template}",
                self._services.core.replacer.to_fake_result(template.definition),
            )
            for template in self._services.upstreams.catalogue.templates
            if self._shown(request.client, Kind.RESOURCE, template.server, template.uri_template)
        ]
        return self._page(request, "resourceTemplates", found)

    def _shown(self, client: ClientId, kind: Kind, server: str, name: str) -> bool:
        verdict = self._services.verdict_for_lists(policy_name(kind, server, name), client)
        return verdict.action is not Action.DENY

    def _page(self, request: Request, member: str, found: Iterable[tuple[str, bytes]]) -> bytes:
        names, bodies = zip(*found, strict=True) if (found := list(found)) else ((), ())
        members = page(request, member, names, bodies, self._services.options.page_size)
        return self._results.own(members, modern=request.modern, cached=True)

    # --- fetching ---------------------------------------------------------------------------------------------------

    async def prompts_get(self, request: Request) -> bytes:
        name = request.text("name")
        prompt = self._services.upstreams.catalogue.resolve_prompt(name)
        if prompt is None:
            raise RpcError(INVALID_PARAMS, UNKNOWN.format(what="prompt", name=name[:200]))
        rest = request.rest("name", "arguments")
        return await self._calls.other(
            request, Asked(Kind.PROMPT, prompt.server, prompt.name, request.object("arguments"), rest)
        )

    async def resources_read(self, request: Request) -> bytes:
        uri = request.text("uri")
        asked = Asked(Kind.RESOURCE, self._owner(uri), uri, b"{}", request.rest("uri"))
        return await self._calls.other(request, asked)

    def _owner(self, uri: str) -> str:
        """Clients know URIs with the placeholders that lists have shown them; the catalogue knows the real ones."""
        real = _text.decode(self._services.core.replacer.to_real(wire.encode(uri)))
        owner = self._services.upstreams.catalogue.owner(real)
        if owner is None:
            raise RpcError(INVALID_PARAMS, UNKNOWN.format(what="resource", name=uri[:200]), {"uri": uri})
        return owner

    async def complete(self, request: Request) -> bytes:
        try:
            reference = _reference.decode(request.object("ref"))
        except (ValueError, RecursionError) as error:
            raise RpcError(INVALID_PARAMS, f"The parameter 'ref' cannot be read: {error}.") from None
        members: dict[str, Any] = dict(request.params)
        if reference.type == "ref/prompt":
            prompt = self._services.upstreams.catalogue.resolve_prompt(reference.name)
            if prompt is None:
                raise RpcError(INVALID_PARAMS, UNKNOWN.format(what="prompt", name=reference.name[:200]))
            upstream, name = prompt.server, prompt.name
            members["ref"] = {"type": reference.type, "name": name}
        elif reference.type == "ref/resource":
            upstream, name = self._owner(reference.uri), reference.uri
        else:
            raise RpcError(INVALID_PARAMS, "The parameter 'ref' must be a ref/prompt or a ref/resource.")
        asked = Asked(Kind.COMPLETION, upstream, name, wire.encode(members))
        return await self._calls.other(request, asked)
