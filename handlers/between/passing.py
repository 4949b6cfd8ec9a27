"""Requests that go to an upstream and are no calls, such as about its own tasks: to wherever it runs.

Fakes come in and fakes go out, so that all of it may travel between replicas.
"""

import asyncio
from typing import Any, Final

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType

from handlers.between.post import Letter, Post
from handlers.core import Core
from handlers.naming import address_there
from handlers.owners.ownership import Ownership
from portero.domain.ids import ReplicaId
from portero.errors import (
    OUTCOME_UNKNOWN,
    UPSTREAM_UNAVAILABLE,
    OutcomeLost,
    RpcError,
    UpstreamError,
    UpstreamRefused,
    UpstreamUnavailable,
)
from portero.upstream import Upstreams

REQUEST: Final = "request"
WATCHED: Final = "watched"
TAKE_SECONDS: Final = 5.0
"""How long a client waits for the upstream to take its subscription."""


class _Passed(Struct):
    """What a letter of the kind ``request`` holds."""

    params: Raw
    capabilities: Raw | UnsetType = UNSET


_passed: Final = msgspec.json.Decoder(_Passed).decode
_text: Final = msgspec.json.Decoder(str).decode


class Passing:
    """``ownership``: where there are servers of which only one replica runs an instance; ``post``: where others are."""

    def __init__(
        self, core: Core, upstreams: Upstreams, ownership: Ownership | None = None, post: Post | None = None
    ) -> None:
        self._core, self._upstreams, self._ownership, self._post = core, upstreams, ownership, post
        if post is not None:
            post.on_asked(REQUEST, self._asked)
            post.on_asked(WATCHED, self._asked_to_watch)

    def instance(self, upstream: str) -> ReplicaId | None:
        """Whose instance of the server it is that is asked here; None: all replicas ask the same one."""
        config = self._upstreams.configs.get(upstream)
        return self._core.log.replica if config is not None and config.command and not config.single else None

    async def request(
        self, upstream: str, method: str, params: bytes, capabilities: bytes | None, at: ReplicaId | None = None
    ) -> bytes:
        """The JSON of the upstream's result. ``at``: the replica whose own instance is meant, as ``instance`` has said.

        Raises UpstreamError, its text and data free of reals.
        """
        where = self._where(upstream) if self.instance(upstream) is None else self.place(upstream, at)
        if where == self._core.log.replica:
            return await self._here(upstream, method, params, capabilities)
        passed = _Passed(Raw(params), Raw(capabilities) if capabilities is not None else UNSET)
        letter = Raw(msgspec.json.encode(passed))
        return await self._ask(where, REQUEST, upstream=upstream, method=method, params=letter)

    def place(self, upstream: str, at: ReplicaId | None) -> ReplicaId:
        """The replica on which a call has to begin that is for an instance of the server, ``at`` as above.

        Raises UpstreamUnavailable when that has stopped.
        """
        me = self._core.log.replica
        if self.instance(upstream) is None or at is None or at == me:
            return me
        self._check_there(upstream, at)
        return at

    def _check_there(self, upstream: str, where: ReplicaId) -> None:
        replica = self._core.view.replicas.get(where)
        if replica is not None and replica.stopped_at is not None:
            raise UpstreamUnavailable(
                f"Replica {where} has stopped, and with it its instance of {upstream} and all that was "
                "under way there; what came of it is not known."
            )

    def _where(self, upstream: str) -> ReplicaId | None:
        """The replica to ask, which may be this one; None: a server of one instance that nobody runs just now."""
        me = self._core.log.replica
        if self._ownership is None or upstream not in self._ownership or self._ownership.term(upstream) is not None:
            return me
        owner = self._core.view.owners.get(upstream)
        return owner.replica if owner is not None and owner.replica != me else None

    async def _ask(self, where: ReplicaId | None, kind: str, *, upstream: str, **about: Any) -> bytes:
        if self._post is None or where is None:
            raise UpstreamUnavailable(f"{upstream} is being taken over by another replica; nothing was sent.")
        try:
            return await self._post.ask(where, kind, upstream=upstream, **about)
        except RpcError as error:
            raise _upstream_error(error) from error

    async def watched(self, upstream: str, uri: str, timeout: float) -> None:
        """Returns once the upstream has taken the subscription to a resource (its URI with fakes).

        Raises UpstreamError, or TimeoutError.
        """
        where = self._where(upstream)
        if where == self._core.log.replica:
            await self._upstreams.watched(upstream, self._real(upstream, uri), timeout)
            return
        async with asyncio.timeout(timeout):
            try:
                await self._ask(where, WATCHED, upstream=upstream, params=Raw(msgspec.json.encode(uri)))
            except UpstreamUnavailable:
                raise TimeoutError from None  # whoever takes it over subscribes to it, too

    async def _here(self, upstream: str, method: str, params: bytes, capabilities: bytes | None) -> bytes:
        replacer = self._core.replacer
        try:
            real = replacer.to_real(params)
            result = await self._upstreams.request(upstream, method, real, capabilities=capabilities)
        except UpstreamRefused as refused:
            data = replacer.to_fake_result(refused.data) if refused.data is not None else None
            raise UpstreamRefused(refused.code, replacer.mask_text(refused.message), data) from refused
        except UpstreamError as error:
            raise type(error)(replacer.mask_text(str(error))) from error
        return replacer.to_fake_result(result)

    async def _asked(self, letter: Letter) -> bytes:
        if self._where(letter.upstream) != self._core.log.replica:
            raise RpcError(UPSTREAM_UNAVAILABLE, f"{letter.upstream} does not run here any more; nothing was sent.")
        passed = _passed(letter.params)
        capabilities = bytes(passed.capabilities) if passed.capabilities is not UNSET else None
        try:
            return await self._here(letter.upstream, letter.method, bytes(passed.params), capabilities)
        except UpstreamError as error:
            raise _said(error) from error

    async def _asked_to_watch(self, letter: Letter) -> bytes:
        try:
            await self._upstreams.watched(
                letter.upstream, self._real(letter.upstream, _text(letter.params)), TAKE_SECONDS
            )
        except UpstreamError as error:
            raise _said(error) from error
        except TimeoutError:
            return b"false"
        return b"true"

    def _real(self, upstream: str, uri: str) -> str:
        return address_there(self._upstreams.catalogue, self._core.replacer, upstream, uri)


def _said(error: UpstreamError) -> RpcError:
    """An upstream's error in a letter. ``_upstream_error`` reads it again."""
    if isinstance(error, UpstreamRefused):
        return RpcError(error.code, error.message, Raw(error.data) if error.data else None)
    return RpcError(OUTCOME_UNKNOWN if isinstance(error, OutcomeLost) else UPSTREAM_UNAVAILABLE, str(error))


def _upstream_error(error: RpcError) -> UpstreamError:
    if error.code == UPSTREAM_UNAVAILABLE:
        return UpstreamUnavailable(str(error))
    if error.code == OUTCOME_UNKNOWN:
        return OutcomeLost(str(error))
    return UpstreamRefused(error.code, str(error), bytes(error.data) if error.data is not None else None)
