"""What servers offer of which there is one instance: whoever runs one keeps its lists beside the log for all others.

They are kept with fakes, like everything. All replicas see the same, also the one that runs the server: the same
names, the same definitions, the same digests. What things are really called it alone knows, and needs to.
"""

import asyncio
import hashlib
import zlib
from collections.abc import Callable, Collection, Mapping
from typing import Any, Final

import msgspec
import structlog
from msgspec import Struct

from handlers.core import Core
from portero.domain.events import CatalogueChanged, Recorded, UpstreamEvent
from portero.errors import LogError
from portero.upstream import Listing, Shared, Upstreams

logger = structlog.get_logger()

KEPT_SECONDS: Final = 7 * 86_400
REFRESH_SECONDS: Final = 6 * 3_600.0
"""How often whoever runs a server makes sure that its lists are kept on."""
MAX_BYTES: Final = 16 * 1024 * 1024
"""Of all lists of one server; what is beyond is left out, and said."""
RETRY_SECONDS: Final = 1.0
KINDS: Final = ("tools", "prompts", "templates", "resources")
"""What matters most comes first."""

Report = Callable[[str, UpstreamEvent, Mapping[str, bytes], int], None]


class _Kept(Struct):
    tools: list[bytes]
    prompts: list[bytes]
    templates: list[bytes]
    resources: list[bytes]
    watchable: bool = False


_pack: Final = msgspec.msgpack.Encoder().encode
_unpack: Final = msgspec.msgpack.Decoder(_Kept).decode


class Sharing:
    """One instance per process. ``share`` and ``report`` are what Upstreams wants; ``follow`` it with them."""

    def __init__(self, core: Core, names: Collection[str], report: Report) -> None:
        """``report`` takes an event with what is to be kept beside it, and for how many seconds."""
        self._core, self._names, self._report = core, frozenset(names), report
        self._own: dict[str, tuple[str, bytes]] = {}
        """By server that runs here: where its lists are kept, and the lists."""
        self._stale: set[str] = set()
        self._wake = asyncio.Event()

    # --- of a server that runs here ---------------------------------------------------------------------------------

    def share(self, upstream: str, listing: Listing, watchable: bool) -> Shared:
        """What a server offers that runs here, without reals and secrets, as all replicas see it."""
        kept, left_out = _bounded(listing, watchable)
        if left_out:
            logger.error("a server offers too much, the rest is left out", upstream=upstream, left_out=left_out)
        raw = _pack(kept)
        key = f"lists.{hashlib.sha256(raw).hexdigest()}"
        self._own[upstream] = key, zlib.compress(raw, 1)
        return _shared(kept, key)

    def reported(self, upstream: str, event: UpstreamEvent) -> None:
        """An event of an upstream, with its lists where it names them."""
        own = self._own.get(upstream)
        if own is not None and isinstance(event, CatalogueChanged) and event.lists == own[0]:
            self._report(upstream, event, {own[0]: own[1]}, KEPT_SECONDS)
        else:
            self._report(upstream, event, {}, 0)

    async def refresh(self) -> None:
        """Keeps on, for ever, what was reported from here."""
        while True:
            await asyncio.sleep(REFRESH_SECONDS)
            for key, value in list(self._own.values()):
                try:
                    await self._core.log.keep(key, value, KEPT_SECONDS)
                except LogError as error:
                    logger.warning("lists are not refreshed", error=str(error))

    # --- of a server that runs elsewhere ----------------------------------------------------------------------------

    async def follow(self, upstreams: Upstreams) -> None:
        """Takes over, for ever, what other replicas report; at first what was reported before."""
        end = self._core.view.subscribe(self._seen, CatalogueChanged)
        self._stale |= self._names
        try:
            while True:
                for upstream in sorted(self._stale):
                    self._stale.discard(upstream)
                    await self._adopt(upstreams, upstream)
                if not self._stale:
                    self._wake.clear()
                    await self._wake.wait()
        finally:
            end()

    def _seen(self, recorded: Recorded[Any]) -> None:
        upstream = recorded.aggregate.partition("/")[2]
        if upstream in self._names and recorded.event.replica != self._core.log.replica:
            self._stale.add(upstream)
            self._wake.set()

    async def _adopt(self, upstreams: Upstreams, upstream: str) -> None:
        known = self._core.view.upstreams.catalogue(upstream)
        if known is None or known.lists is None or known.replica == self._core.log.replica:
            return
        try:
            packed = await self._core.log.blob(known.lists)
        except LogError as error:
            logger.warning("the lists of a server cannot be read yet", upstream=upstream, error=str(error))
            await asyncio.sleep(RETRY_SECONDS)
            self._stale.add(upstream)
            return
        if packed is None:
            logger.warning("the lists of a server are not kept any more", upstream=upstream)
            return
        upstreams.adopt(upstream, _shared(_unpack(zlib.decompress(packed)), known.lists))


def _shared(kept: _Kept, key: str) -> Shared:
    return Shared(Listing(**{kind: tuple(getattr(kept, kind)) for kind in KINDS}), kept.watchable, key)


def _bounded(listing: Listing, watchable: bool) -> tuple[_Kept, int]:
    """What fits of the definitions, and how many do not."""
    kept: dict[str, list[bytes]] = {kind: [] for kind in KINDS}
    size = left_out = 0
    for kind in KINDS:
        for item in getattr(listing, kind):
            size += len(item)
            if size > MAX_BYTES:
                left_out += 1
            else:
                kept[kind].append(item)
    return _Kept(**kept, watchable=watchable), left_out
