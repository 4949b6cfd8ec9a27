"""What a client is shown of resources, templates and prompts, the same on every replica; and whose a resource is."""

import hashlib
from collections.abc import Callable, Iterator, Mapping
from typing import Final

import attrs
import msgspec

from portero.domain.addresses import LONGEST
from portero.domain.ids import ClientId
from portero.domain.mcp import PROMPTS_CHANGED, RESOURCES_CHANGED, TOOLS_CHANGED
from portero.domain.patterns import policy_name
from portero.domain.values import Action, Kind
from portero.errors import NotFound
from portero.gateway.exchange.request import Request
from portero.gateway.exchange.results import Results
from portero.gateway.offer.lists import ToolLists
from portero.gateway.offer.pages import Pages
from portero.gateway.offer.unlisted import Unlisted
from portero.gateway.services import Services
from portero.upstream import Spelling

_text = msgspec.json.Decoder(str)


@attrs.frozen
class Shown:
    """One list as a client is shown it: the places of its items, in order, and the JSON of each."""

    places: tuple[str, ...]
    bodies: tuple[bytes, ...]
    digest: bytes


Items = Iterator[tuple[str, str, str, bytes]]
"""Of each: the upstream, its name or URI as policies know it, its place in the list, and its JSON."""


class Offered:
    """Lists per client, built when something that they depend on has changed."""

    def __init__(self, services: Services, results: Results, pages: Pages, tools: ToolLists) -> None:
        self._services = services
        self._results = results
        self._pages = pages
        self._tools = tools
        self._unlisted = Unlisted(services)
        self._built: dict[tuple[ClientId, str], tuple[tuple[int, int], Shown]] = {}
        self._items: Final[Mapping[str, tuple[Kind, Callable[[], Items]]]] = {
            "prompts": (Kind.PROMPT, self._prompts),
            "resources": (Kind.RESOURCE, self._resources),
            "resourceTemplates": (Kind.RESOURCE, self._templates),
        }

    async def prompts_list(self, request: Request) -> bytes:
        return self._page(request, "prompts")

    async def resources_list(self, request: Request) -> bytes:
        return self._page(request, "resources")

    async def templates_list(self, request: Request) -> bytes:
        return self._page(request, "resourceTemplates")

    def digest(self, method: str, client: ClientId, *, knows_tasks: bool) -> bytes:
        """Of the list, or lists, whose changes are told by this notification."""
        if method == TOOLS_CHANGED:
            return self._tools.listing(client, knows_tasks=knows_tasks).digest
        if method == PROMPTS_CHANGED:
            return self._shown(client, "prompts").digest
        if method != RESOURCES_CHANGED:
            raise ValueError(f"no list changes with {method}")
        return self._shown(client, "resources").digest + self._shown(client, "resourceTemplates").digest

    def owner(self, uri: str, client: ClientId) -> str:
        """The upstream of a resource, by its URI as it is stored: with fakes, also where a client sends a real.

        Raises NotFound, saying why it is nobody's: so is an address that is too long to be one, for it would stand on
        the log, and be compared with policies.
        """
        if len(uri) > LONGEST:
            raise NotFound(f"an address has {LONGEST} characters at most")
        stored = self._services.core.replacer.stored_text(uri)
        owner = self._services.upstreams.catalogue.owner(stored)
        return owner if owner is not None else self._unlisted.owner(stored, client)

    # --- parts ------------------------------------------------------------------------------------------------------

    def _page(self, request: Request, member: str) -> bytes:
        shown = self._shown(request.client, member)
        members = self._pages.page(request, member, shown.places, shown.bodies)
        return self._results.own(members, modern=request.modern, cached=True)

    def _shown(self, client: ClientId, member: str) -> Shown:
        services = self._services
        key = (services.upstreams.catalogue.version, services.core.view.policy_version)
        known = self._built.get((client, member))
        if known is not None and known[0] == key:
            return known[1]
        kind, items = self._items[member]
        placed: dict[str, bytes] = {}
        for server, name, place, body in items():
            verdict = services.verdict_for_lists(policy_name(kind, server, name), client)
            if verdict.action is not Action.DENY:
                placed[place] = body
        places = sorted(placed)
        bodies = tuple(placed[place] for place in places)
        shown = Shown(tuple(places), bodies, hashlib.sha256(b"\n".join(bodies)).digest())
        self._built[client, member] = key, shown
        return shown

    def _prompts(self) -> Items:
        for prompt in self._services.upstreams.catalogue.prompts:
            body = prompt.listing(self._services.spelling)
            yield prompt.server, prompt.name, prompt.spelled(Spelling.SLASH), body

    def _resources(self) -> Items:
        for resource in self._services.upstreams.catalogue.resources:
            yield resource.server, resource.uri, resource.uri, resource.definition

    def _templates(self) -> Items:
        for template in self._services.upstreams.catalogue.templates:
            yield template.server, template.uri_template, template.uri_template, template.definition
