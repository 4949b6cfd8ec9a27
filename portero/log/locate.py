"""Finding the server that takes writes: asked anew for every connection, so that a failover needs nothing else."""

from typing import Any, Protocol

import attrs

from portero.errors import StoreError
from portero.log.urls import Shape, Target
from portero.log.wire import Address, Login, ServerError, open_wire

ASK_SECONDS = 2.0


class Locator(Protocol):
    """Says where to connect now. Raises OSError or TimeoutError when nobody can say now, StoreError when never."""

    @property
    def kind(self) -> str:
        """How the store is reached, in a word: embedded, single, sentinel or cluster."""
        ...

    async def locate(self) -> Address: ...


def locator_of(target: Target, slot: int) -> Locator:
    """``slot``: the cluster slot of all our keys."""
    if target.shape is Shape.SENTINEL:
        return _Sentinels(target.seeds, target.service, target.sentinel_login)
    if target.shape is Shape.CLUSTER:
        return _Cluster(target.seeds, slot, target.login)
    return _Fixed(target.seeds[0])


@attrs.frozen
class _Fixed:
    address: Address
    kind: str = "single"

    async def locate(self) -> Address:
        return self.address


async def _ask(seeds: tuple[Address, ...], login: Login, *command: str) -> Any:
    """The reply of the first seed that answers; ConnectionError, with the last reason, when none does."""
    reason = ""
    for seed in seeds:
        try:
            wire = await open_wire(seed, login, name="portero:locate", timeout=ASK_SECONDS)
            try:
                return await wire.call(*command, timeout=ASK_SECONDS)
            finally:
                wire.abort("asked")
        except (OSError, TimeoutError, ServerError) as error:
            reason = f"{seed}: {error or 'no answer in time'}"
    raise ConnectionError(reason)


class _Sentinels:
    """The master's address from any Sentinel that answers. Source: https://redis.io/docs/latest/develop/reference/sentinel-clients/"""

    kind = "sentinel"

    def __init__(self, seeds: tuple[Address, ...], service: str, login: Login) -> None:
        self._seeds, self._service, self._login = seeds, service, login

    async def locate(self) -> Address:
        found = await _ask(self._seeds, self._login, "SENTINEL", "GET-MASTER-ADDR-BY-NAME", self._service)
        if found is None:
            raise StoreError(f"The Sentinels in REDIS_URL know no service named {self._service!r}.")
        return Address(host=found[0].decode(), port=int(found[1]))


class _Cluster:
    """The master of our slot, from any node that answers; all keys share one hash tag, so there is only that one."""

    kind = "cluster"

    def __init__(self, seeds: tuple[Address, ...], slot: int, login: Login) -> None:
        self._seeds, self._slot, self._login = seeds, slot, login
        self._known: tuple[Address, ...] = ()

    async def locate(self) -> Address:
        ranges = await _ask((*self._known, *self._seeds), self._login, "CLUSTER", "SLOTS")
        self._known = tuple(self._address(nodes[0]) for _, _, *nodes in ranges)
        for first, last, *nodes in ranges:
            if first <= self._slot <= last:
                return self._address(nodes[0])
        raise ConnectionError(f"no node of the cluster serves slot {self._slot}")

    def _address(self, node: list[Any]) -> Address:
        # A node that does not know its own host name says so with an empty one: it is the one we asked.
        return Address(host=node[0].decode() if node[0] else self._seeds[0].host, port=int(node[1]))
