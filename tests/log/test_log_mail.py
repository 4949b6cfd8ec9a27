"""Messages between replicas: in order, once, and gone when nobody reads them."""

import asyncio

from portero.domain.ids import ReplicaId
from portero.log import Log, Mailbox
from portero.log.mail import KEPT, KEPT_SECONDS
from tests.log.proxy import proxied
from tests.log.support import IMPATIENT, background, opened, until
from tests.stores import Place

R1, R2 = ReplicaId("r1"), ReplicaId("r2")


async def test_messages_arrive_in_order_once_and_leave_nothing_behind(store: Place) -> None:
    async with opened(store, "r1") as one, opened(store, "r2") as two:
        got: list[bytes] = []
        sender = Mailbox(one)
        await sender.send(R2, [b"early"])
        async with background(Mailbox(two).receive(got.append)):
            await until(lambda: got == [b"early"], "what was sent before it looked has come")
            for number in range(250):
                await sender.send(R2, [b"%d" % number, b"\x00\xff%d" % number])
            await until(lambda: len(got) == 501, "all have come")
            assert got[1:] == [part for n in range(250) for part in (b"%d" % n, b"\x00\xff%d" % n)]
            await until(lambda: store.redis.xlen(store.key("mail:r2")) == 0, "they are dropped")


async def test_each_replica_gets_its_own(log: Log) -> None:
    got: list[bytes] = []
    mailbox = Mailbox(log)
    async with background(mailbox.receive(got.append)):
        await mailbox.send(R2, [b"for somebody else"])
        await mailbox.send(R1, [b"for me"])
        await until(lambda: got == [b"for me"], "it has come")


async def test_what_nobody_reads_is_bounded_and_ends_by_itself(log: Log, store: Place) -> None:
    mailbox = Mailbox(log)
    for _ in range(4):
        await mailbox.send(R2, [b"x"] * KEPT)
    assert store.redis.xlen(store.key("mail:r2")) < 1.2 * KEPT
    assert 0 < store.redis.ttl(store.key("mail:r2")) <= KEPT_SECONDS


async def test_it_goes_on_when_the_store_is_back(valkey: Place) -> None:
    async with (
        proxied(valkey.server.socket) as proxy,
        opened(valkey, "r1", url=proxy.url, limits=IMPATIENT) as cut,
        opened(valkey, "r2") as fine,
    ):
        got: list[bytes] = []
        async with background(Mailbox(cut).receive(got.append)):
            await Mailbox(fine).send(R1, [b"one"])
            await until(lambda: got == [b"one"], "the first has come")
            proxy.refuses = True
            proxy.cut()
            await until(lambda: cut.away is not None, "the store is away")
            await Mailbox(fine).send(R1, [b"two"])
            await asyncio.sleep(0)
            proxy.refuses = False
            await until(lambda: got == [b"one", b"two"], "the second has come, and the first not again")
