"""A note is what the last one left, and nothing of it is on the log."""

import asyncio

from portero.log import Note
from tests.log.support import opened
from tests.stores import Place


async def test_the_next_one_reads_what_was_left(store: Place) -> None:
    async with opened(store, "r1") as one, opened(store, "r2") as two:
        assert await Note(one, "offset").load() is None
        await Note(one, "offset").save("41@ü")
        await Note(one, "offset").save("42@ü")
        assert await Note(two, "offset").load() == "42@ü"
        assert await Note(two, "other").load() is None
        assert (await one.head()).seq == (await two.head()).seq == 0


async def test_of_several_who_leave_the_first_note_one_wins(store: Place) -> None:
    async with opened(store, "r1") as one, opened(store, "r2") as two:
        found = await asyncio.gather(*(Note(log, "key").claim(f"{n}") for n in range(5) for log in (one, two)))
        assert len(set(found)) == 1
        assert await Note(two, "key").load() == found[0]
