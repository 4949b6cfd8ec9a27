"""Those who wait until the view has seen a position of the log."""

import asyncio
from heapq import heapify, heappop, heappush
from itertools import count


class Waiting:
    """For one event loop; ``reached`` is called on it."""

    def __init__(self) -> None:
        self._heap: list[tuple[int, int, asyncio.Future[None]]] = []
        self._order = count()

    async def wait_for(self, seq: int, timeout: float) -> None:
        """Returns once ``seq`` is reached; raises TimeoutError after ``timeout`` seconds."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        item = (seq, next(self._order), future)
        heappush(self._heap, item)
        try:
            async with asyncio.timeout(timeout):
                await future
        finally:
            if not future.done() or future.cancelled():
                self._heap.remove(item)
                heapify(self._heap)

    def reached(self, seq: int) -> None:
        heap = self._heap
        while heap and heap[0][0] <= seq:
            future = heappop(heap)[2]
            if not future.done():
                future.set_result(None)

    def __len__(self) -> int:
        return len(self._heap)
