"""The write side of a process that serves, put together from its parts."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from handlers.between.singles import Singles, single_names
from handlers.between.tending import Tending
from handlers.calls.bridging import Bridge
from handlers.calls.inquiries import ANSWER_SECONDS, Inquiries
from handlers.calls.requests import Requests
from handlers.calls.running import Runner
from handlers.core import Core
from handlers.owners.sharing import Report, Sharing
from handlers.resources.subscriptions import Subscriptions
from handlers.resources.updates import UPDATE_SECONDS, WATCHED, Updates
from portero.domain.events import CallCancelled
from portero.domain.ids import Aggregate
from portero.domain.mcp import UPDATED
from portero.settings import UpstreamConfig
from portero.upstream import DEFAULT, Limits, Masks, Notification, Upstreams

ASKABLE: Final = b'{"elicitation":{"form":{},"url":{}},"sampling":{}}'
"""What upstreams of the older era are told that clients can be asked; whether one can, shows when it is. Roots are left
out: servers take them for folders that replace their own configured ones."""


class Workings:
    """``on_event`` takes what the owners of upstreams report; ``mask`` hides real values and secrets in texts.

    ``secrets``: texts that must not be kept anywhere, should a server name them in what it says of itself.
    """

    def __init__(
        self,
        core: Core,
        configs: Sequence[UpstreamConfig],
        *,
        on_event: Report,
        mask: Callable[[str], str],
        secrets: Sequence[str] = (),
        limits: Limits = DEFAULT,
        update_seconds: float = UPDATE_SECONDS,
        answer_seconds: float = ANSWER_SECONDS,
    ) -> None:
        self._bridge = Bridge(core)
        sharing = Sharing(core, single_names(configs), on_event)
        self.upstreams = Upstreams(
            configs,
            replica=core.log.replica,
            on_event=sharing.reported,
            share=sharing.share,
            mask=mask,
            masks=Masks.of(core.replacer, secrets),
            on_request=self._bridge.asked,
            on_notification=self._notified,
            capabilities=ASKABLE,
            limits=limits,
        )
        self.runner = Runner(core, self.upstreams)
        self.inquiries = Inquiries(core, answer_seconds=answer_seconds)
        self._singles = Singles(core, self.runner, self.upstreams, sharing, self.inquiries)
        self.ownership, self.passing = self._singles.ownership, self._singles.passing
        self.requests = Requests(core, self.runner, self._singles.places)
        self.tending = Tending(core, self.requests, self.passing, self._singles.post)
        self.returning = self._singles.returning
        self.executions = self._singles.executions
        self.updates = Updates(core, self.upstreams, pause=update_seconds)
        self.subscriptions = Subscriptions(core, self.upstreams, self.passing, self.updates)
        core.view.subscribe(self.runner.seen, CallCancelled)
        for kind in WATCHED:
            core.view.subscribe(self.updates.seen, kind)

    @property
    def loops(self) -> dict[str, Callable[[], Awaitable[None]]]:
        """What runs for ever beside, by name."""
        return {
            "leases": self.runner.heartbeat,
            "subscriptions": self.subscriptions.heartbeat,
            "updates": self.updates.run,
            **self._singles.loops,
        }

    def holds(self, aggregate: Aggregate) -> bool:
        """Whether a call runs here, or waits here to be started elsewhere: its timer is not for others to answer."""
        return self.runner.holds(aggregate) or self._singles.holds(aggregate)

    async def start(self) -> None:
        """Starts the upstreams, and waits for none of them."""
        self.updates.start()
        await self.upstreams.start()

    def _notified(self, note: Notification) -> None:
        """What an upstream says beside answers and progress."""
        if note.method == UPDATED:
            self.updates.updated(note)
        else:
            self._bridge.told(note)
