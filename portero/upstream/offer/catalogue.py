"""Everything that all upstreams offer, under names of ours: merged once, in an order that never depends on time."""

from collections.abc import Collection, Mapping, Sequence

import attrs

from portero.upstream.offer.kinship import Kinship
from portero.upstream.offer.offers import Prompt, Resource, Template, Tool
from portero.upstream.offer.search import Index
from portero.upstream.offer.templates import fits


@attrs.frozen
class Counts:
    """How much of each kind there is."""

    tools: int = 0
    resources: int = 0
    templates: int = 0
    prompts: int = 0


@attrs.define(eq=False)
class Catalogue:
    """Replaced whole when anything changes; ``version`` grows by one each time. Nothing in it is ever changed."""

    version: int = 0
    tools: tuple[Tool, ...] = ()
    """Upstreams in the order of the configuration, each one's tools in its own order."""
    prompts: tuple[Prompt, ...] = ()
    resources: tuple[Resource, ...] = ()
    templates: tuple[Template, ...] = ()
    dropped: Mapping[str, tuple[str, ...]] = attrs.field(factory=dict)
    """By upstream: what is refused, as ``name: reason``."""
    pinned: Mapping[str, frozenset[str] | None] = attrs.field(factory=dict)
    """By upstream: its own names of the tools to list; None: all of them."""
    _tools_by_name: Mapping[str, Tool] = attrs.field(factory=dict, repr=False)
    _prompts_by_name: Mapping[str, Prompt] = attrs.field(factory=dict, repr=False)
    _header_maps: Mapping[tuple[str, str], Mapping[tuple[str, ...], str]] = attrs.field(factory=dict, repr=False)
    """By server and its own name of a tool: which arguments travel as headers."""
    kinship: Kinship = attrs.field(factory=Kinship, repr=False)
    _resources_by_uri: Mapping[str, Resource] = attrs.field(init=False, repr=False)
    _index: Index | None = attrs.field(default=None, init=False, repr=False)

    @_resources_by_uri.default
    def _by_uri(self) -> Mapping[str, Resource]:
        return {resource.uri: resource for resource in reversed(self.resources)}

    def resolve(self, name: str) -> Tool | None:
        """By ``server/tool``, ``server__tool`` or, where the server has no prefix, the tool's own name."""
        return self._tools_by_name.get(name)

    def resolve_prompt(self, name: str) -> Prompt | None:
        return self._prompts_by_name.get(name)

    def owner(self, uri: str) -> str | None:
        """The upstream that a resource is read from: the one that lists it, else the first with a template for it.

        ``uri`` has fakes in it. It may be a template itself, as completion names one: then it is that of
        whoever lists it.
        """
        resource = self._resources_by_uri.get(uri)
        if resource is not None:
            return resource.server
        for template in self.templates:
            if template.uri_template == uri:
                return template.server
        for template in self.templates:
            if fits(template.uri_template, uri):
                return template.server
        return None

    def address(self, server: str, uri: str) -> str | None:
        """The upstream's own address of what it lists under ``uri``, a resource or a template."""
        resource = self._resources_by_uri.get(uri)
        if resource is not None and resource.server == server:
            return resource.there
        found = (one.there for one in self.templates if one.uri_template == uri and one.server == server)
        return next(found, None)

    def header_map(self, server: str, there: str) -> Mapping[tuple[str, ...], str]:
        """Which arguments of a tool, by its upstream's own name of it, travel as headers."""
        return self._header_maps.get((server, there), {})

    def counts(self, server: str) -> "Counts":
        """How much of each kind one upstream offers."""

        def count(offers: Sequence[Tool | Prompt | Resource | Template]) -> int:
            return sum(offer.server == server for offer in offers)

        return Counts(count(self.tools), count(self.resources), count(self.templates), count(self.prompts))

    def listed(self, recent: Collection[str] = ()) -> list[Tool]:
        """What ``tools/list`` shows: pinned tools, all of servers without pins, and ``recent`` (canonical names)."""
        used = frozenset(recent)
        return [
            tool
            for tool in self.tools
            if (pinned := self.pinned.get(tool.server)) is None or tool.name in pinned or tool.canonical in used
        ]

    def search(self, query: str | None = None, category: str | None = None) -> list[Tool]:
        """Over all tools, listed or not, best first; everything in order where neither is given."""
        if self._index is None:
            self._index = Index(self.tools)
        return self._index.search(query, category)
