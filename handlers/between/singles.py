"""All that servers need of which there is one instance. Where none is configured, there is but the post of it."""

from collections.abc import Awaitable, Callable, Collection, Mapping
from functools import partial

from handlers.between.elsewhere import Elsewhere
from handlers.between.owned import Owned
from handlers.between.passing import Passing
from handlers.between.post import Post
from handlers.between.remote import Remote
from handlers.between.returning import Returning
from handlers.calls.execution import Executions
from handlers.calls.inquiries import Inquiries
from handlers.calls.requests import Place
from handlers.calls.running import Runner
from handlers.core import Core
from handlers.owners.ownership import Ownership
from handlers.owners.sharing import Sharing
from portero.domain.ids import Aggregate
from portero.settings import UpstreamConfig
from portero.upstream import Upstreams


def single_names(configs: Collection[UpstreamConfig]) -> frozenset[str]:
    return frozenset(config.name for config in configs if config.single and not config.disabled)


class Singles:
    """One instance per process."""

    def __init__(
        self, core: Core, runner: Runner, upstreams: Upstreams, sharing: Sharing, inquiries: Inquiries
    ) -> None:
        self._names = sorted(single_names(upstreams.configs.values()))
        self._upstreams, self._sharing = upstreams, sharing
        self.post = Post(core)
        self.ownership = Ownership(core, upstreams, self._names)
        self._elsewhere = Elsewhere(core, runner, upstreams, self.ownership)
        self._remote = Remote(core, self.post, self._elsewhere)
        self.executions = Executions(
            core, runner, upstreams, inquiries, ownership=self.ownership, waiting=self._remote.waiting
        )
        self.passing = Passing(core, upstreams, self.ownership, self.post)
        self.returning = Returning(core, self.post)
        self._owned = Owned(core, self.executions, self.ownership)

    @property
    def places(self) -> Mapping[str, Place]:
        """What Requests wants to know of them."""
        return dict.fromkeys(self._names, self._elsewhere.place)

    def holds(self, aggregate: Aggregate) -> bool:
        """Whether a call waits here to be started elsewhere."""
        return self._elsewhere.holds(aggregate)

    @property
    def loops(self) -> dict[str, Callable[[], Awaitable[None]]]:
        """By name, what has to run for as long as this replica does."""
        if not self._names:
            return {"post": self.post.run}
        owners = {f"owner of {name}": partial(self.ownership.run, name) for name in self._names}
        return {
            "post": self.post.run,
            "waiting calls": self._elsewhere.heartbeat,
            "lists": partial(self._sharing.follow, self._upstreams),
            "lists kept": self._sharing.refresh,
            **owners,
        }
