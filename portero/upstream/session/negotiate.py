"""Finding out which era a server speaks: ``server/discover`` first, the old handshake where that leads nowhere."""

import asyncio
from typing import Any, Final

import msgspec

from portero.domain.mcp import HANDSHAKE_VERSIONS, MODERN_VERSIONS, SERVER_INFO_META
from portero.errors import UNSUPPORTED_VERSION, OutcomeLost, UpstreamRefused, UpstreamUnavailable
from portero.upstream.session.eras import Server, initialize_params, modern_meta
from portero.upstream.wire.peer import Peer
from portero.upstream.wire.transport import Transport, TurnedAway

_UNAUTHORIZED: Final = (401, 403, 407)


class _Info(msgspec.Struct):
    name: str = "?"
    version: str = "?"


class _Discovered(msgspec.Struct):
    supportedVersions: list[str]  # noqa: N815 - the protocol's spelling, here and below
    capabilities: dict[str, Any] = {}
    instructions: str | None = None
    meta: dict[str, msgspec.Raw] | None = msgspec.field(default=None, name="_meta")


class _Initialized(msgspec.Struct):
    protocolVersion: str  # noqa: N815
    capabilities: dict[str, Any] = {}
    serverInfo: _Info = msgspec.field(default_factory=_Info)  # noqa: N815
    instructions: str | None = None


class _Supported(msgspec.Struct):
    supported: list[str] = []


class NotModern(Exception):
    """The server does not speak a modern version that we know."""


async def negotiate(
    peer: Peer, transport: Transport, *, modern: bool = True, patience: float = 10.0, capabilities: bytes = b"{}"
) -> Server:
    """Introduce ourselves; ``modern`` False: do not ask for the modern era.

    A server that is silent on the first question for ``patience`` seconds gets the second one as well: it may still be
    starting (then it answers both, in order), or it may ignore what it does not know. Raises ``UpstreamError``.
    """
    if not modern:
        return await _initialize(peer, transport, capabilities)
    probe = asyncio.ensure_future(_discover(peer, transport, MODERN_VERSIONS[-1], capabilities))
    handshake: asyncio.Future[Server] | None = None
    try:
        await asyncio.wait([probe], timeout=patience)
        if not probe.done():
            handshake = asyncio.ensure_future(_initialize(peer, transport, capabilities))
            await asyncio.wait([probe, handshake], return_when=asyncio.FIRST_COMPLETED)
        if not probe.done() and handshake is not None:
            try:
                return await handshake
            except UpstreamRefused as refused:
                if refused.code != UNSUPPORTED_VERSION:
                    raise
        try:
            return await probe
        except NotModern:
            return await (handshake or _initialize(peer, transport, capabilities))
    finally:
        for task in (probe, handshake):
            if task is not None and not task.done():
                task.cancel()
                await asyncio.wait([task])
            elif task is not None and not task.cancelled():
                task.exception()  # looked at: what decided is raised or returned above


async def _discover(peer: Peer, transport: Transport, version: str, capabilities: bytes) -> Server:
    transport.speak(version, True)
    meta = modern_meta(version, capabilities)
    try:
        answer = await peer.request("server/discover", b"{}", idle=None, meta=meta, cancellable=False)
        found = msgspec.json.decode(answer, type=_Discovered)
        info = msgspec.json.decode((found.meta or {}).get(SERVER_INFO_META, b"{}"), type=_Info)
    except UpstreamRefused as refused:
        other = _another_version(refused, version)
        if other is None:
            raise NotModern from refused
        return await _discover(peer, transport, other, capabilities)
    except TurnedAway as away:
        if away.status in _UNAUTHORIZED:
            raise
        raise NotModern from away
    except OutcomeLost as lost:
        if peer.closed.done():
            raise
        raise NotModern from lost  # such as an HTTP 500 for a method that it does not know
    except msgspec.DecodeError as error:
        raise NotModern from error
    mutual = [known for known in MODERN_VERSIONS if known in found.supportedVersions]
    if not mutual:
        raise NotModern
    transport.speak(mutual[-1], True)
    return Server(info.name, info.version, mutual[-1], True, found.capabilities, found.instructions)


def _another_version(refused: UpstreamRefused, tried: str) -> str | None:
    """The version to ask again with, None to try the handshake. Raises where the server shares no version with us."""
    if refused.code != UNSUPPORTED_VERSION:
        return None
    try:
        supported = msgspec.json.decode(refused.data or b"{}", type=_Supported).supported
    except msgspec.DecodeError:
        return None
    mutual = [known for known in MODERN_VERSIONS if known in supported and known != tried]
    if not mutual and supported and not set(supported) & set(HANDSHAKE_VERSIONS):
        raise UpstreamUnavailable(f"it speaks only the protocol versions {', '.join(supported)}") from refused
    return mutual[-1] if mutual else None


async def _initialize(peer: Peer, transport: Transport, capabilities: bytes) -> Server:
    transport.speak(None, False)
    answer = await peer.request("initialize", initialize_params(capabilities), idle=None, cancellable=False)
    try:
        found = msgspec.json.decode(answer, type=_Initialized)
    except msgspec.DecodeError as error:
        raise UpstreamUnavailable(f"its answer to 'initialize' cannot be read: {error}") from error
    if found.protocolVersion not in HANDSHAKE_VERSIONS:
        raise UpstreamUnavailable(f"it chose the protocol version {found.protocolVersion!r}, which is not known here")
    transport.speak(found.protocolVersion, False)
    peer.notify("notifications/initialized")
    info = found.serverInfo
    return Server(info.name, info.version, found.protocolVersion, False, found.capabilities, found.instructions)
