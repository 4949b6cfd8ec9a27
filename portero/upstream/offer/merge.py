"""From the lists of all upstreams to one catalogue: what cannot have a name of its own is refused, with the reason."""

import hashlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final, TypeVar

import attrs
import msgspec

from portero.domain.events import CatalogueChanged, CatalogueTool
from portero.domain.ids import ReplicaId
from portero.domain.replacement import Replacer
from portero.settings import UpstreamConfig
from portero.upstream.offer import names, offers
from portero.upstream.offer.catalogue import Catalogue
from portero.upstream.offer.kinship import Kinship
from portero.upstream.offer.masking import Masks
from portero.upstream.offer.names import Spelling
from portero.upstream.offer.offers import Prompt, Resource, Template, Tool
from portero.upstream.session.listing import Listing

_OWN: Final = ("portero/", "portero__")
"""Portero's virtual tools; no upstream may stand in their place."""

NO_MASKS: Final = Masks.of(Replacer.from_entries([]))
_UNCLEAR: Final = "it stands for more than one, once real values are replaced; none is taken"

Named = TypeVar("Named", Tool, Prompt)
Placed = TypeVar("Placed", Resource, Template)
Known = TypeVar("Known", Tool, Prompt, Resource, Template)
_Names = tuple[tuple[Named, ...], dict[str, Named]]


@attrs.frozen
class Section:
    """What one upstream gave, decoded. ``dropped``: what was refused without looking at the others.

    ``mask`` hides real values in what is said of it: that goes on the log.
    """

    config: UpstreamConfig
    tools: tuple[Tool, ...] = ()
    prompts: tuple[Prompt, ...] = ()
    resources: tuple[Resource, ...] = ()
    templates: tuple[Template, ...] = ()
    dropped: tuple[str, ...] = ()
    listed: bool = False
    """Whether it was ever connected; before that, nothing is known of its tools."""
    mask: Callable[[str], str] = str
    masks: Masks = NO_MASKS

    @property
    def listing(self) -> Listing:
        """The definitions that were taken, without real values."""
        return Listing(
            *(
                tuple(item.definition for item in items)
                for items in (self.tools, self.resources, self.templates, self.prompts)
            )
        )

    def within(self, listing: Listing) -> "Section":
        """Only what is in ``listing``, which holds definitions of ``self.listing``."""

        def kept(items: tuple[Known, ...], definitions: tuple[bytes, ...]) -> tuple[Known, ...]:
            given = frozenset(definitions)
            return tuple(item for item in items if item.definition in given)

        return attrs.evolve(
            self,
            tools=kept(self.tools, listing.tools),
            prompts=kept(self.prompts, listing.prompts),
            resources=kept(self.resources, listing.resources),
            templates=kept(self.templates, listing.templates),
        )


def section(
    config: UpstreamConfig, listing: Listing, mask: Callable[[str], str] = str, masks: Masks = NO_MASKS
) -> Section:
    """``masks`` says how what is listed is known here, ``mask`` hides real values and secrets in what is said of it."""
    dropped: list[str] = []
    name, prefix, remote = config.name, config.prefix, config.url is not None

    def taken(items: Sequence[bytes], read: Callable[[bytes], Known]) -> tuple[Known, ...]:
        found = []
        for raw in items:
            try:
                found.append(read(raw))
            except ValueError as error:
                dropped.append(f"{_shown(_name_in(raw), mask)}: {mask(str(error))}")
        unclear = _unclear(found)
        dropped.extend(f"{_shown(each, mask)}: {_UNCLEAR}" for each in unclear)
        return tuple(item for item in found if item.name not in unclear)

    return Section(
        config,
        taken(listing.tools, lambda raw: offers.tool(name, raw, masks, prefix=prefix, mask=mask, headers=remote)),
        taken(listing.prompts, lambda raw: offers.prompt(name, raw, masks, prefix=prefix)),
        taken(listing.resources, lambda raw: offers.resource(name, raw, masks)),
        taken(listing.templates, lambda raw: offers.template(name, raw, masks)),
        tuple(dropped),
        True,
        mask,
        masks,
    )


def _unclear(found: Iterable[Known]) -> dict[str, None]:
    """Names that stand for more than one thing, once real values are replaced: nobody could say which is meant."""
    meanings: dict[str, set[str]] = defaultdict(set)
    for item in found:
        meanings[item.name].add(item.there)
    return {name: None for name, theirs in meanings.items() if len(theirs) > 1}


def merge(sections: Sequence[Section], version: int) -> Catalogue:
    """``sections`` in the order of the configuration: where two names collide, the first keeps it."""
    dropped = {section.config.name: list(section.dropped) for section in sections}
    masks = {section.config.name: section.mask for section in sections}

    def placed(items: Iterable[Placed], uri: Callable[[Placed], str]) -> tuple[Placed, ...]:
        """A URI has no name of ours before it: it is read from the server that has it first, so it is only there."""
        owners: dict[str, Placed] = {}
        for item in items:
            owner = owners.setdefault(uri(item), item)
            if owner is not item:
                twice = owner.server == item.server
                reason = f"{item.server} lists it twice; the first one counts" if twice else f"{owner.server} has it"
                dropped[item.server].append(f"{_shown(uri(item), masks[item.server])}: {reason}")
        return tuple(owners.values())

    tools, tools_by_name = _named(sections, [tool for section in sections for tool in section.tools], dropped)
    prompts, prompts_by_name = _named(sections, [prompt for section in sections for prompt in section.prompts], dropped)
    return Catalogue(
        version,
        tools,
        prompts,
        placed((one for section in sections for one in section.resources), lambda one: one.uri),
        placed((one for section in sections for one in section.templates), lambda one: one.uri_template),
        {name: tuple(reasons) for name, reasons in dropped.items()},
        {section.config.name: _pinned(section) for section in sections},
        tools_by_name,
        prompts_by_name,
        {(tool.server, tool.there): tool.header_map for tool in tools if tool.header_map},
        _kinship(sections),
    )


def _kinship(sections: Sequence[Section]) -> Kinship:
    """Also of what is refused because another server has it: it is like theirs all the same."""
    places = [(one.server, one.uri) for section in sections for one in section.resources]
    places += [(one.server, one.uri_template) for section in sections for one in section.templates]
    configs = [section.config for section in sections if not section.listed]
    return Kinship(places, [config.name for config in configs if not config.disabled])


def warnings(section: Section) -> list[str]:
    """What works here but will not everywhere, a sentence each."""
    found = [
        f"{tool.canonical}: with its {len(tool.canonical)} characters, Claude Code will not show it"
        for tool in section.tools
        if any(names.too_long(tool.spelled(spelling)) for spelling in Spelling)
    ]
    known = {tool.name for tool in section.tools}
    pinned = _pinned(section) or frozenset()
    return found + [f"{section.config.name}: there is no tool {name!r} to pin" for name in sorted(pinned - known)]


def changed(catalogue: Catalogue, upstream: str, replica: ReplicaId, lists: str | None = None) -> CatalogueChanged:
    """One upstream's part of the catalogue as an event. Its digest says whether it differs from the one before.

    ``lists``: where all its lists are kept, for replicas that do not run it.
    """
    tools = tuple(CatalogueTool(tool.name, tool.facts) for tool in catalogue.tools if tool.server == upstream)
    dropped = catalogue.dropped.get(upstream, ())
    text = msgspec.json.encode([[(tool.name, tool.facts.definition) for tool in tools], dropped, lists])
    return CatalogueChanged(replica, hashlib.sha256(text).hexdigest(), tools, dropped, lists)


def _named(sections: Sequence[Section], items: Sequence[Named], dropped: Mapping[str, list[str]]) -> _Names[Named]:
    """Names with a server's prefix are given out first: no bare name may take one of them away."""
    kept: set[Named] = set()
    owners: dict[str, Named] = {}
    foreign = {section.config.name: _prefixes(section, sections) for section in sections}
    masks = {section.config.name: section.mask for section in sections}
    for item in sorted(items, key=lambda item: not item.prefix):
        spellings = {item.canonical, item.safe} | ({item.name} if not item.prefix else set())
        reason = _collision(item, spellings, owners, foreign[item.server])
        if reason is not None:
            dropped[item.server].append(masks[item.server](f"{item.name}: {reason}"))
            continue
        kept.add(item)
        owners |= dict.fromkeys(spellings, item)
    return tuple(item for item in items if item in kept), owners


def _prefixes(section: Section, sections: Sequence[Section]) -> tuple[str, ...]:
    """How a name of this server must not begin: like one of Portero's own, or of another server, connected or not."""
    others = [other.config.name for other in sections if other.config.name != section.config.name]
    return (*_OWN, *(prefix for name in others for prefix in (names.canonical(name, ""), names.safe(name, ""))))


def _collision(item: Named, spellings: set[str], owners: Mapping[str, Named], foreign: tuple[str, ...]) -> str | None:
    for spelling in sorted(spellings):
        other = owners.get(spelling)
        if other is not None and other.canonical == item.canonical:
            return f"{item.server} lists it twice; the first one counts"
        if other is not None:
            return f"{item.canonical} and {other.canonical} would both be {spelling!r}; the first keeps the name"
    if not item.prefix and item.name.startswith(foreign):
        return f"{item.name!r} without a prefix looks like a tool of another server, or of Portero itself"
    return None


def _pinned(section: Section) -> frozenset[str] | None:
    """Pins may be written with or without the server's name, and with real values in the place of fakes."""
    config = section.config
    if config.pinned_tools is None:
        return None
    return frozenset(section.mask(name.removeprefix(f"{config.name}/")) for name in config.pinned_tools)


def _name_in(raw: bytes) -> str | None:
    try:
        found: Any = msgspec.json.decode(raw)
    except (msgspec.DecodeError, RecursionError):
        found = None
    names = [found.get(member) for member in ("uri", "uriTemplate", "name")] if isinstance(found, dict) else []
    return next((name for name in names if isinstance(name, str)), None)


def _shown(name: str | None, mask: Callable[[str], str]) -> str:
    """A foreign name as it is said to people. It is masked first: no mask knows a real that has been escaped."""
    return ascii(mask(name))[1:-1][:100] if name is not None else "(without a name)"
