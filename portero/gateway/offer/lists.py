"""``tools/list``: what each client is shown, the same on every replica."""

import hashlib
from collections.abc import Sequence

import attrs

from portero.domain.ids import ClientId
from portero.domain.values import Action
from portero.gateway.exchange.request import Request
from portero.gateway.exchange.results import Results
from portero.gateway.offer.pages import Pages
from portero.gateway.offer.virtual import VirtualTools
from portero.gateway.services import Services, may_ask
from portero.upstream import Spelling, Tool


@attrs.frozen
class Listing:
    """The tools that a client is shown: the places that they have, in order, and the JSON of each."""

    places: tuple[str, ...]
    tools: tuple[bytes, ...]
    digest: bytes


@attrs.frozen
class _Key:
    """All that a listing depends on."""

    catalogue: int
    policy: int
    recent: frozenset[str]


class ToolLists:
    """Lists of tools per client, built when something that they depend on has changed."""

    def __init__(self, services: Services, results: Results, pages: Pages, virtual: VirtualTools) -> None:
        self._services = services
        self._results = results
        self._pages = pages
        self._virtual = virtual
        self._built: dict[tuple[ClientId, bool], tuple[_Key, Listing]] = {}

    async def tools_list(self, request: Request) -> bytes:
        listing = self.listing(request.client, knows_tasks=request.declares_tasks)
        members = self._pages.page(request, "tools", listing.places, listing.tools)
        return self._results.own(members, modern=request.modern, cached=True)

    def listing(self, client: ClientId, *, knows_tasks: bool) -> Listing:
        """A client that knows tasks never gets a pending answer in place of a result, so it is shown all schemas."""
        view = self._services.core.view
        catalogue = self._services.upstreams.catalogue
        recent = view.recent.used(client)
        key = _Key(catalogue.version, view.policy_version, recent)
        known = self._built.get((client, knows_tasks))
        if known is not None and known[0] == key:
            return known[1]
        listing = self._build(client, catalogue.listed(recent), knows_tasks)
        self._built[client, knows_tasks] = key, listing
        return listing

    def _build(self, client: ClientId, tools: Sequence[Tool], knows_tasks: bool) -> Listing:
        """Own tools first: no name of an upstream's begins with a space. Then the others by name."""
        services = self._services
        safe = services.options.safe_names
        placed = {f" {number} {tool.name}": tool.listing(safe=safe) for number, tool in enumerate(self._virtual.all)}
        for tool in tools:
            verdict = services.verdict_for_lists(tool.canonical, client)
            if verdict.action is not Action.DENY:
                promised = not (knows_tasks or may_ask(verdict))
                if promised and tool.has_output_schema:
                    services.promised.add((client, tool.canonical))
                placed[tool.spelled(Spelling.SLASH)] = tool.listing(
                    services.spelling, output_schema=knows_tasks or promised
                )
        places = sorted(placed)
        bodies = tuple(placed[place] for place in places)
        return Listing(tuple(places), bodies, hashlib.sha256(b"\n".join(bodies)).digest())
