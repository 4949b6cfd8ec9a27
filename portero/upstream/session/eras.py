"""The two eras of the protocol, and what an upstream says of itself in each."""

from collections.abc import Mapping
from typing import Any, Final

import attrs
import msgspec

from portero import __version__
from portero.domain.mcp import CLIENT_CAPABILITIES_META, CLIENT_INFO_META, HANDSHAKE_VERSIONS, PROTOCOL_VERSION_META

_CLIENT: Final = {"name": "portero", "version": __version__}


@attrs.frozen
class Server:
    """An upstream that has introduced itself. ``capabilities`` as in the protocol."""

    name: str
    version: str
    protocol: str
    modern: bool
    capabilities: Mapping[str, Any]
    instructions: str | None = None

    def offers(self, capability: str) -> bool:
        return isinstance(self.capabilities.get(capability), Mapping)

    def announces(self, capability: str) -> bool:
        """Whether it says when this list of it changes."""
        offered = self.capabilities.get(capability)
        return isinstance(offered, Mapping) and offered.get("listChanged") is True


def modern_meta(protocol: str, capabilities: bytes = b"{}") -> bytes:
    """The members that every modern request carries in its ``_meta``; ``capabilities`` as JSON."""
    client = msgspec.json.encode(_CLIENT)
    return b'"%b":"%b","%b":%b,"%b":%b' % (
        PROTOCOL_VERSION_META.encode(),
        protocol.encode(),
        CLIENT_INFO_META.encode(),
        client,
        CLIENT_CAPABILITIES_META.encode(),
        capabilities,
    )


def initialize_params(capabilities: bytes = b"{}") -> bytes:
    body = {
        "protocolVersion": HANDSHAKE_VERSIONS[-1],
        "capabilities": msgspec.Raw(capabilities),
        "clientInfo": _CLIENT,
    }
    return msgspec.json.encode(body)
