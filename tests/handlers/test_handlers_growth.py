"""The store keeps nothing for good of a call that has ended, however it ended, beside what stands on the log."""

from collections.abc import Sequence
from pathlib import Path

from handlers.people.notification import Notified
from handlers.upkeep.presence import Presence
from portero.domain.call import Call
from portero.domain.events import ConfigLoaded
from portero.domain.ids import CallId, Millis
from portero.domain.values import TERMINAL, Action, Actor, Resolution, Status
from tests.handlers.replica import ADMIN, open_replica
from tests.log.support import until
from tests.stores import Place

CLIENT = Actor("client", "client")


class Teller:
    """A channel that always tells, so that something is written of each call also after its end."""

    channel = "test"

    def __init__(self) -> None:
        self.told: list[tuple[CallId, Status]] = []

    async def call_changed(self, call: Call) -> Sequence[Notified]:
        self.told.append((call.id, call.status))
        return [Notified(f"ref {len(self.told)}", self.channel)]


def lasting(place: Place, kind: str = "call") -> set[str]:
    """The heads of this kind that have no end set."""
    return {key for key in place.found() if key.startswith(f"a:{kind}/") and place.redis.ttl(place.key(key)) == -1}


async def test_heads_of_calls_expire_however_they_end(valkey: Place, tmp_path: Path) -> None:
    teller, now = Teller(), [1_700_000_000_000]
    async with open_replica(valkey, notifier=teller, clock=lambda: Millis(now[0])) as replica:
        ran, failed = await replica.approved(id="ran"), await replica.approved(id="failed", fail="no")
        await replica.becomes(ran, Status.COMPLETED)
        await replica.becomes(failed, Status.ERROR)
        lost = await replica.approved(id="lost", die=str(tmp_path / "died"))  # with all that runs there
        denied, cancelled, expired = [await replica.ask(id=id) for id in "bcd"]
        await replica.decisions.deny(denied, ADMIN)
        await replica.decisions.cancel(cancelled, ADMIN)
        await replica.becomes(lost, Status.UNKNOWN)
        assert lasting(valkey) == {f"a:call/{expired}"}
        now[0] += 100_000_000
        await replica.expiry.wake(f"call/{expired}")  # type: ignore[arg-type] # an aggregate is a text
        ended = {ran, failed, lost, denied, cancelled, expired}
        await until(lambda: ended <= {call for call, told in teller.told if told in TERMINAL}, "their ends were told")
        for call in ended:
            await replica.core.catch_up()
            await replica.decisions.mark_read(call, CLIENT)
        await replica.core.catch_up()
        assert lasting(valkey) == set()


async def test_what_ended_long_ago_can_still_be_read_settled_and_run_again(valkey: Place, tmp_path: Path) -> None:
    async with open_replica(valkey) as replica:
        ran = await replica.approved(id="ran")
        await replica.becomes(ran, Status.COMPLETED)
        lost = await replica.approved(id="lost", die=str(tmp_path / "died"))
        await replica.becomes(lost, Status.UNKNOWN)
        valkey.redis.delete(valkey.key(f"a:call/{ran}"), valkey.key(f"a:call/{lost}"))
        valkey.redis.hset(valkey.key("head"), mapping={"older": replica.view.seq, "newer": replica.view.seq})
        await replica.decisions.mark_read(ran, CLIENT)
        await replica.decisions.resolve(lost, ADMIN, Resolution.RUN_AGAIN)
        await replica.becomes(lost, Status.COMPLETED)
        assert lasting(valkey) == set()


async def test_heads_of_what_is_not_a_call_expire_too(valkey: Place) -> None:
    """A grant however it ends, a rule that was removed, a replica that never said goodbye."""
    async with open_replica(valkey) as replica:
        decisions = replica.decisions
        await decisions.grant("up/*", 60_000, ADMIN, uses=2)
        await decisions.grant("other/*", 60_000, ADMIN)
        rule = await decisions.set_rule("else/*", Action.DENY, ADMIN)
        await Presence(replica.core).started("here", ConfigLoaded(replica.log.replica, "", "", "", Action.ASK))
        await replica.core.catch_up()
        assert len(lasting(valkey, "grant")) == 2
        assert lasting(valkey, "rule") == {f"a:rule/{rule}"}
        assert lasting(valkey, "replica") == set()
        await replica.done(id="a")
        await replica.core.catch_up()
        assert len(lasting(valkey, "grant")) == 2
        await replica.done(id="b")
        await replica.core.catch_up()
        assert len(lasting(valkey, "grant")) == 1
        assert valkey.redis.zcard(valkey.key("timers")) == 1
        await decisions.revoke(None, ADMIN)
        await replica.core.catch_up()
        await decisions.remove_rule(rule, ADMIN)
        assert lasting(valkey, "grant") == lasting(valkey, "rule") == set()
        assert valkey.redis.zcard(valkey.key("timers")) == 0
        await replica.core.catch_up()
        await decisions.set_rule("else/*", Action.ALLOW, ADMIN)
        await replica.core.catch_up()
        assert replica.core.decide_policy("else/x", None, replica.core.clock()).action is Action.ALLOW
