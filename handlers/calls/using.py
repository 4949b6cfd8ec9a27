"""A use of a grant that is for so many: on the log together with the call that it lets run."""

from handlers.core import Core
from portero.domain.events import GrantUsed
from portero.domain.ids import CallId, GrantId, grant_aggregate
from portero.log import KEEP, Write


def use(core: Core, grant: GrantId, call: CallId) -> Write:
    """The last use ends the grant: nothing of it needs to be kept beside the log then, nor to be woken."""
    state = core.view.grants.get(grant)
    last = state is not None and state.uses_left == 1
    return Write(grant_aggregate(grant), None, (GrantUsed(call),), timer=None if last else KEEP, ends=last)
