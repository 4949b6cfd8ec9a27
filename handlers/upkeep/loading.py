"""From the store to a view that is up to date: the newest snapshot, and what came after it."""

import structlog

from portero.errors import SnapshotUnreadable
from portero.log import Log
from projections import View

logger = structlog.get_logger()


async def load_view(log: Log) -> View:
    """The view at the end of the log as it is now. Raises LogUnavailable, or LogDivergence when events are missing."""
    view = await _from_snapshot(log)
    async for batch in log.read(view.seq, view.entry):
        view.apply(batch)
    return view


async def _from_snapshot(log: Log) -> View:
    """A snapshot only saves time: one that cannot be read is passed over, and everything is folded from the log."""
    saved = await log.load_snapshot()
    if saved is None:
        return View()
    try:
        return View.restore(saved)
    except SnapshotUnreadable as error:
        logger.warning("the snapshot is of another release; reading the whole log", reason=str(error))
        return View()
