"""Small values that one holder of a lease leaves for the next, such as how far it got; no part of the record."""

from typing import Any

from portero.log.log import Log


class Note:
    """One value by name. Whoever writes should hold the lease of the work it belongs to: the last writer wins."""

    def __init__(self, log: Log, name: str) -> None:
        self._log = log
        self._key = log.store.keys.note(name)

    async def load(self) -> str | None:
        """Raises LogUnavailable."""
        async with self._log.store.reach() as client:
            found: Any = await client.get(self._key)
        return None if found is None else bytes(found).decode()

    async def claim(self, value: str) -> str:
        """Leaves ``value`` unless there is one already; returns what stands then. Raises LogUnavailable."""
        async with self._log.store.reach() as client:
            found: Any = await client.get(self._key)
            if found is None:  # a store whose memory is full would refuse to set what stands already, too
                await client.set(self._key, value, nx=True)
                found = await client.get(self._key)
        return bytes(found).decode()

    async def save(self, value: str) -> None:
        """Raises LogUnavailable."""
        async with self._log.store.reach() as client:
            await client.set(self._key, value)
