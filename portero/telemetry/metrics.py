"""Metrics as constants, one registry per process."""

from collections.abc import Iterable
from typing import Final

import attrs
from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    GCCollector,
    PlatformCollector,
    ProcessCollector,
    generate_latest,
)

from portero.telemetry.counting import Counts, Latencies

REGISTRY: Final = CollectorRegistry()
ProcessCollector(registry=REGISTRY)
PlatformCollector(registry=REGISTRY)
GCCollector(registry=REGISTRY)

SECONDS: Final = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0, 30.0, 300.0)
"""Bounds of the latency histograms: fine where the gateway works, coarse where upstreams do."""

# --- calls ----------------------------------------------------------------------------------------------------------

CALLS: Final = Counts(
    "portero_calls", "Calls by upstream, policy decision and outcome.", ("server", "decision", "outcome"), REGISTRY
)
_CALL_SECONDS: Final = Latencies(
    "portero_call_seconds",
    "Where the time of a call went: in the gateway itself, in appends to the log, in the upstream.",
    "part",
    values=("gateway", "log", "upstream"),
    bounds=SECONDS,
    registry=REGISTRY,
)
GATEWAY_SECONDS: Final = _CALL_SECONDS["gateway"]
LOG_SECONDS: Final = _CALL_SECONDS["log"]
UPSTREAM_SECONDS: Final = _CALL_SECONDS["upstream"]


def count_call(server: str, decision: str, outcome: str) -> None:
    """Counts one call. ``server`` must be a configured upstream's name or ``portero``, so that the labels stay few."""
    CALLS.counts[server, decision, outcome] += 1


# --- the endpoint ---------------------------------------------------------------------------------------------------

REFUSED_REQUESTS: Final = Counter(
    "portero_refused_requests", "HTTP requests refused before they became a call.", ("reason",), registry=REGISTRY
)
STREAMS: Final = Gauge("portero_open_streams", "Notification streams that clients hold open.", registry=REGISTRY)

# --- the log --------------------------------------------------------------------------------------------------------

_APPENDS: Final = Counter("portero_appends", "Appends to the log by outcome.", ("outcome",), registry=REGISTRY)
APPENDS_WRITTEN: Final = _APPENDS.labels("written")
APPENDS_REPEATED: Final = _APPENDS.labels("repeated")
APPENDS_CONFLICT: Final = _APPENDS.labels("conflict")
APPENDS_FAILED: Final = _APPENDS.labels("failed")
EVENTS_APPENDED: Final = Counter("portero_events_appended", "Events written to the log.", registry=REGISTRY)
HANDLER_ERRORS: Final = Counter(
    "portero_handler_errors", "Work that failed and is tried again, or was given up.", ("group",), registry=REGISTRY
)

SEGMENTS_ARCHIVED: Final = Counter(
    "portero_segments_archived", "Segments of the log that this replica has archived.", registry=REGISTRY
)
ARCHIVE_ERRORS: Final = Counter(
    "portero_archive_errors", "Attempts to archive that failed, and are made again.", registry=REGISTRY
)

# --- read when somebody looks ---------------------------------------------------------------------------------------

_LAG: Final = Gauge(
    "portero_follower_lag_events", "Events on the log that this replica has not seen yet.", registry=REGISTRY
)
_SEQUENCE: Final = Gauge(
    "portero_log_sequence", "Position of the last event that this replica has seen.", registry=REGISTRY
)
_ARCHIVE_LAG: Final = Gauge(
    "portero_archive_lag_events", "Events on the log that are not archived yet.", registry=REGISTRY
)
_ARCHIVE_OVERDUE: Final = Gauge(
    "portero_archive_overdue", "1 when events wait much longer to be archived than they should.", registry=REGISTRY
)
_CLOCK_AHEAD: Final = Gauge(
    "portero_clock_ahead_seconds",
    "How far this machine's clock runs ahead of the store's; negative: behind.",
    registry=REGISTRY,
)
_PENDING: Final = Gauge("portero_pending_approvals", "Calls that wait for a person.", registry=REGISTRY)
_READY: Final = Gauge("portero_ready", "1 when this replica takes calls.", registry=REGISTRY)
_UPSTREAM: Final = Gauge(
    "portero_upstream_state", "1 for the state the upstream is in.", ("server", "state"), registry=REGISTRY
)
_UPSTREAM_FAILURES: Final = Gauge(
    "portero_upstream_failures", "Failures in a row of an upstream.", ("server",), registry=REGISTRY
)

UPSTREAM_STATES: Final = ("starting", "connected", "lost", "crash-loop", "elsewhere", "disabled")


@attrs.frozen
class UpstreamSample:
    name: str
    state: str
    failures: int


@attrs.frozen
class ArchiveSample:
    lag: int
    overdue: bool


@attrs.frozen
class Sample:
    """What is not counted as it happens, but read when the metrics are asked for."""

    ready: bool
    lag: int
    sequence: int
    pending: int
    upstreams: tuple[UpstreamSample, ...]
    clock_ahead: float = 0.0
    archive: ArchiveSample = ArchiveSample(0, overdue=False)
    """Nothing waits where there is no archive."""


def render(sample: Sample) -> bytes:
    """The text that Prometheus reads, in its format 0.0.4."""
    _READY.set(sample.ready)
    _LAG.set(sample.lag)
    _SEQUENCE.set(sample.sequence)
    _PENDING.set(sample.pending)
    _CLOCK_AHEAD.set(sample.clock_ahead)
    _ARCHIVE_LAG.set(sample.archive.lag)
    _ARCHIVE_OVERDUE.set(sample.archive.overdue)
    _UPSTREAM.clear()
    _UPSTREAM_FAILURES.clear()
    for upstream in sample.upstreams:
        for state in UPSTREAM_STATES:
            _UPSTREAM.labels(upstream.name, state).set(upstream.state == state)
        _UPSTREAM_FAILURES.labels(upstream.name).set(upstream.failures)
    return generate_latest(REGISTRY)


def metric_names() -> Iterable[str]:
    """Every metric of ours, as dashboards and alert rules must name them."""
    return sorted(metric.name for metric in REGISTRY.collect() if metric.name.startswith("portero_"))
