"""The first who pairs is the admin, and nobody else, on however many replicas people try."""

import asyncio

from handlers.people.admins import Pairing
from portero.domain.events import AdminPaired, AdminRemoved
from portero.errors import AlreadyDecided
from tests.handlers.replica import ADMIN, Replica, open_replica
from tests.log.support import everything
from tests.stores import Place

ROUNDS = 8


async def pairs(replica: Replica, user: int) -> bool:
    try:
        await Pairing(replica.core).pair(user, f"user {user}", user)
    except AlreadyDecided:
        return False
    return True


async def test_of_all_who_pair_at_once_one_is_ever_paired(valkey: Place) -> None:
    async with open_replica(valkey, execute=False) as here, open_replica(valkey, name="r2", execute=False) as there:
        for turn in range(ROUNDS):
            users = [10 * turn + number for number in range(4)]
            done = await asyncio.gather(*(pairs((here, there)[user % 2], user) for user in users))
            assert sum(done) == 1
            await here.core.catch_up()
            (admin,) = here.view.admins
            assert admin.user == users[done.index(True)]
            await Pairing(here.core).remove(admin.user, ADMIN)
            assert not list(here.view.admins)
        written = [event.event for event in await everything(here.log)]
        assert [type(event) for event in written] == [AdminPaired, AdminRemoved] * ROUNDS
