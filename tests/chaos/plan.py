"""What is done to a cluster and when, drawn from a seed: the same seed, the same plan."""

import random
from collections.abc import Mapping

import attrs

REPLICA = {"kill": 5, "pause": 4, "term": 3, "cut": 5, "hole": 3, "deaf": 3, "slow": 3, "refuse": 2, "child": 4}
"""What can happen to one replica, or to its way to the store, and how often beside the others."""
SHARED = {"store-kill": 3, "store-term": 2, "store-hang": 2, "store-full": 2, "web": 3}
"""What happens to all of them at once."""
OWNER = {"owner-kill": 4, "owner-pause": 4, "owner-term": 2, "owner-hole": 2, "owner-server": 2, "owner-switch": 1}
"""What happens to whichever replica then runs the server of which there is one instance."""


@attrs.frozen
class Fault:
    """``at`` and ``seconds`` count from the beginning of the run; ``target`` is a replica's number.

    kill, term: the replica's process ends, and starts again after ``seconds``. pause: it stands still meanwhile.
    cut: its connections to the store end at once. hole: they swallow everything. deaf: it sends, and hears nothing.
    slow: every piece of data waits. refuse: no connections are taken. child: its local upstream is killed.
    store-…: the same for the store's process; store-full: its memory is. web: the remote upstream is killed.
    owner-…: the same for the replica that runs the server of which there is one instance, for that server (server), and
    for the process that ends that server when it may not run any more (switch).
    """

    at: float
    kind: str
    target: int
    seconds: float


def plan(seed: int, seconds: float, *, replicas: int, lease: float, every: float) -> list[Fault]:
    """Faults over ``seconds``, one every ``every`` seconds on average, in the order of their times."""
    chance = random.Random(f"plan {seed}")
    kinds = REPLICA | SHARED | OWNER
    faults: list[Fault] = []
    at = chance.uniform(0.5, 1.5) * every
    while at < seconds:
        kind = _draw(chance, kinds)
        target = chance.randrange(replicas) if kind in REPLICA else 0
        faults.append(Fault(round(at, 3), kind, target, round(_length(chance, kind, lease), 3)))
        at += chance.uniform(0.3, 1.7) * every
    return faults


def _draw(chance: random.Random, kinds: Mapping[str, int]) -> str:
    return chance.choices(list(kinds), list(kinds.values()))[0]


def _length(chance: random.Random, kind: str, lease: float) -> float:
    """Seconds. A pause is mostly longer than the lease, so that what the replica holds is taken from it."""
    match kind.removeprefix("owner-"):
        case "pause":
            return chance.choice((0.3, 1.2, 1.6)) * lease
        case "hole" | "deaf" | "refuse" | "store-hang":
            return chance.choice((0.5, 3.0, lease * 1.4))
        case "slow":
            return chance.uniform(1.0, 4.0)
        case "store-full":
            return chance.uniform(1.0, 3.0)
        case "cut" | "child" | "server" | "switch":
            return 0.0
    return chance.uniform(0.0, 2.0)
