"""What upstreams call what they offer: everywhere else in Portero, names have fakes in the place of reals."""

from typing import Any, Final

import msgspec
from msgspec import Raw

from portero.domain.replacement import Replacer
from portero.domain.values import Kind
from portero.errors import UpstreamUnavailable
from portero.upstream import Catalogue

_text: Final = msgspec.json.Decoder(str).decode
_members: Final = msgspec.json.Decoder(dict[str, Raw]).decode


def name_there(catalogue: Catalogue, replacer: Replacer, kind: Kind, upstream: str, name: str) -> str:
    """The upstream's own name of a tool or prompt, or its address of a resource.

    Raises UpstreamUnavailable where it does not offer a tool or prompt of that name (any more).
    """
    if kind is Kind.RESOURCE:
        return address_there(catalogue, replacer, upstream, name)
    found = (catalogue.resolve if kind is Kind.TOOL else catalogue.resolve_prompt)(f"{upstream}/{name}")
    if found is None or found.server != upstream:
        raise UpstreamUnavailable(f"{upstream} is not connected or no longer has {name}; nothing was sent.")
    return found.there


def address_there(catalogue: Catalogue, replacer: Replacer, upstream: str, uri: str) -> str:
    """The address that an upstream knows: its own of what it lists, else the same text with reals."""
    listed = catalogue.address(upstream, uri)
    return listed if listed is not None else _text(replacer.to_real(msgspec.json.encode(uri)))


def completion_there(catalogue: Catalogue, replacer: Replacer, upstream: str, name: str, params: bytes) -> bytes:
    """The params of a completion, for what the upstream calls by its own name. ``name``: see ``completion_name``.

    Raises UpstreamUnavailable.
    """
    kind, _, about = name.partition(":")
    there = name_there(catalogue, replacer, Kind(kind), upstream, about)
    members: dict[str, Any] = dict(_members(params))
    if "ref" not in members:
        return params
    reference: dict[str, Any] = dict(_members(members["ref"]))
    reference["uri" if Kind(kind) is Kind.RESOURCE else "name"] = there
    return msgspec.json.encode(members | {"ref": reference})
