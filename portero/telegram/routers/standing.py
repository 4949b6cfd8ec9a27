"""What there is to tell of Portero as a whole, also while the store does not answer."""

from typing import Final

from portero.domain.values import Status
from portero.errors import LogError
from portero.telegram.context import Context
from portero.telegram.render import status

UNKNOWN: Final = 100
"""Tasks with an unknown outcome that are counted."""


async def standing(context: Context) -> status.Standing:
    core = context.core
    view, now = core.view, core.clock()
    store: str | None = None
    lag: int | None = None
    problems: tuple[str, ...] = ()
    try:
        health, head = await core.log.health(), await core.log.head()
        store, lag = f"{health.server}, fsync {health.persistence}", max(0, head.seq - view.seq)
        problems = tuple(problem.text for problem in health.problems)
    except LogError as error:
        problems = (str(error),)
    pending = view.calls.pending()
    newest = view.config.newest()
    present = {replica.id: replica for replica in view.replicas.present()}
    return status.Standing(
        pending=len(pending),
        unknown=len(view.calls.recent(status=Status.UNKNOWN, limit=UNKNOWN)),
        untold=sum(call.notify_error is not None for call in pending),
        executing=len(view.calls.executing()),
        grants=len(view.grants.active(now)),
        rules=len(view.rules),
        locked=view.locked,
        upstreams=[state for state in view.upstreams.states() if state.replica in present],
        owners=tuple(view.owners),
        tools=sum(1 for _ in view.upstreams.tools()),
        replicas=list(present.values()),
        skipped=newest.config.skipped if newest is not None else (),
        store=store,
        problems=problems,
        lag=lag,
        archived=view.archived,
        trouble=str(context.client.trouble) if context.client.trouble is not None else None,
    )
