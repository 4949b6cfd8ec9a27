"""What a replica had folded when it stopped, against the same log folded from nothing."""

from pathlib import Path

from portero.domain.ids import ReplicaId
from portero.log import open_log
from projections import View
from tests.chaos.checker import Violation
from tests.chaos.cluster import Cluster

EQUAL = "every replica's view equals a rebuild from nothing"


async def compare(cluster: Cluster, name: str) -> list[Violation]:
    """A replica leaves a snapshot of its view when it stops."""
    archive = cluster.folder / "archive"
    async with open_log(cluster.store.tcp_url, ReplicaId("checker"), data=Path("unused"), archive=archive) as log:
        saved = await log.load_snapshot()
        if saved is None:
            return [Violation(EQUAL, name, "it has left no snapshot")]
        view, rebuilt = View.restore(saved), View()
        async for batch in log.read():
            rebuilt.apply([recorded for recorded in batch if recorded.seq <= view.seq])
            if rebuilt.seq >= view.seq:
                break
    behind = log.position.seq - view.seq
    if view.digest() != rebuilt.digest():
        return [Violation(EQUAL, name, f"at {view.seq} it was {view.digest()}, and a rebuild is {rebuilt.digest()}")]
    return [Violation(EQUAL, name, f"its view was {behind} events behind")] if behind > 100 else []
