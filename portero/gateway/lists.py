"""``tools/list``: what each client is shown, in pages, the same on every replica."""

import base64
import binascii
import hashlib
from collections.abc import Sequence
from typing import Any

import attrs
from msgspec import Raw

from portero.domain.ids import ClientId
from portero.domain.values import Action
from portero.errors import INVALID_PARAMS, RpcError
from portero.gateway.request import Request
from portero.gateway.results import Results
from portero.gateway.services import Services, may_ask
from portero.gateway.virtual import VirtualTools
from portero.upstream import Spelling, Tool


@attrs.frozen
class Listing:
    """The tools that a client is shown: names in order, and the JSON of each."""

    names: tuple[str, ...]
    tools: tuple[bytes, ...]
    digest: bytes


@attrs.frozen
class _Key:
    """All that a listing depends on."""

    catalogue: int
    policy: int
    recent: frozenset[str]
    schemas: bool


class ToolLists:
    """Lists of tools per client, built when something that they depend on has changed."""

    def __init__(self, services: Services, results: Results, virtual: VirtualTools) -> None:
        self._services = services
        self._results = results
        self._virtual = virtual
        self._built: dict[tuple[ClientId, bool], tuple[_Key, Listing]] = {}

    def listing(self, client: ClientId, *, schemas: bool) -> Listing:
        """``schemas``: the client knows tasks, so that it never gets a pending answer in the place of a result."""
        view = self._services.core.view
        catalogue = self._services.upstreams.catalogue
        recent = view.recent.used(client)
        key = _Key(catalogue.version, view.policy_version, recent, schemas)
        known = self._built.get((client, schemas))
        if known is not None and known[0] == key:
            return known[1]
        listing = self._build(client, catalogue.listed(recent), schemas)
        self._built[client, schemas] = key, listing
        return listing

    def _build(self, client: ClientId, tools: Sequence[Tool], schemas: bool) -> Listing:
        safe = self._services.options.safe_names
        spelling = Spelling.SAFE if safe else Spelling.SLASH
        names = [f"portero/{tool.name}" for tool in self._virtual.all]
        bodies = [tool.listing(safe=safe) for tool in self._virtual.all]
        for tool in tools:
            verdict = self._services.verdict_for_lists(tool.canonical, client)
            if verdict.action is Action.DENY:
                continue
            names.append(tool.canonical)
            # Official clients refuse a pending answer to a tool that has promised output of a schema.
            bodies.append(tool.listing(spelling, output_schema=schemas or not may_ask(verdict)))
        return Listing(tuple(names), tuple(bodies), hashlib.sha256(b"\n".join(bodies)).digest())

    async def tools_list(self, request: Request) -> bytes:
        listing = self.listing(request.client, schemas=request.declares_tasks)
        start = self._start(request, listing)
        stop = start + self._services.options.page_size
        page: dict[str, Any] = {"tools": [Raw(tool) for tool in listing.tools[start:stop]]}
        if stop < len(listing.tools):
            page["nextCursor"] = cursor(listing.names[stop - 1])
        return self._results.own(page, modern=request.modern, cached=True)

    def _start(self, request: Request, listing: Listing) -> int:
        if "cursor" not in request.params or request.value("cursor") in {None, ""}:
            return 0
        after = read_cursor(request.text("cursor"))
        try:
            return listing.names.index(after) + 1
        except ValueError:
            raise RpcError(INVALID_PARAMS, "This cursor is not valid any more. Begin again without one.") from None


def cursor(after: str) -> str:
    """The place after a tool, as an opaque text: any replica can go on from it."""
    return base64.urlsafe_b64encode(f"1:{after}".encode()).decode().rstrip("=")


def read_cursor(text: str) -> str:
    """Raises RpcError when it is none of ours."""
    try:
        plain = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode()
    except (binascii.Error, ValueError):
        plain = ""
    if not plain.startswith("1:"):
        raise RpcError(INVALID_PARAMS, "The cursor is not valid. Use one from nextCursor, or none.")
    return plain[2:]
