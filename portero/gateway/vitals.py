"""How this replica is: whether it takes calls, and the numbers that are read when somebody looks at the metrics."""

import math
import time
from collections.abc import Callable
from typing import Final

from handlers.core import Core
from portero import telemetry
from portero.gateway.services import Readiness
from portero.log import Follower, Timers
from portero.upstream import Upstreams

STARTING_SECONDS: Final = 20.0
"""So long a replica that has just started is not ready while it does not know yet what its servers offer: clients that
a load balancer sent there would be told that their tools do not exist."""
MAX_LAG: Final = 5_000
"""Events behind the log from which on a replica says that it is not ready."""
MAX_SILENCE_SECONDS: Final = 6.0
"""The store is asked every two seconds; a replica that has not heard from it for so long is not ready."""


class Vitals:
    """``archive`` is asked how the archive is."""

    def __init__(
        self,
        core: Core,
        follower: Follower,
        upstreams: Upstreams,
        timers: Timers,
        archive: Callable[[], telemetry.ArchiveSample],
    ) -> None:
        self.stopping = False
        self._core, self._follower, self._upstreams, self._archive = core, follower, upstreams, archive
        self._timers = timers
        self._patient_until = math.inf

    def started(self) -> None:
        """The upstreams are being started from now on."""
        self._patient_until = time.monotonic() + STARTING_SECONDS

    def readiness(self) -> Readiness:
        log, follower = self._core.log, self._follower
        reasons = []
        if self.stopping:
            reasons.append("This replica is stopping.")
        starting = self._upstreams.starting
        if starting and time.monotonic() < self._patient_until:
            reasons.append(f"Its servers are being started: {', '.join(starting)}.")
        if log.diverged is not None:
            reasons.append(f"The log diverged: {log.diverged}")
        elif log.away is not None:
            reasons.append(f"The audit log cannot be written: {log.away}")
        elif follower.silent > MAX_SILENCE_SECONDS:
            reasons.append(f"The audit log was last heard {follower.silent:.0f} s ago.")
        if follower.missing is not None:
            reasons.append(f"{follower.missing} A restart begins with the newest snapshot.")
        if follower.lag > MAX_LAG:
            reasons.append(f"This replica is {follower.lag} events behind the log.")
        return Readiness(tuple(reasons))

    def sample(self) -> telemetry.Sample:
        view = self._core.view
        return telemetry.Sample(
            ready=self.readiness().ready,
            lag=self._follower.lag,
            sequence=view.seq,
            pending=len(view.calls.pending()),
            clock_ahead=self._timers.ahead_seconds,
            archive=self._archive(),
            upstreams=tuple(
                telemetry.UpstreamSample(status.name, status.state.value, status.failures)
                for status in self._upstreams.status()
            ),
        )
