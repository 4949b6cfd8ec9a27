"""From samples to numbers: medians over the rounds, the table, and which targets are reached."""

from collections.abc import Iterator
from statistics import median

import attrs

from ops.bench.subjects import Sample

Samples = dict[tuple[str, int], list[Sample]]


@attrs.frozen
class Row:
    """One subject at one number in flight: medians over the rounds; times in ms, CPU in µs per call."""

    subject: str
    inflight: int
    rate: float
    p50: float
    p99: float
    cpu: dict[str, float]


@attrs.frozen
class Target:
    """A number that is to be reached: at least, or at most, ``goal``."""

    what: str
    value: float
    goal: float
    at_least: bool = False

    @property
    def reached(self) -> bool:
        return self.value >= self.goal if self.at_least else self.value <= self.goal

    def __str__(self) -> str:
        sign, word = ("≥" if self.at_least else "≤"), ("reached" if self.reached else "missed")
        return f"{word:>8}  {self.what}: {self.value:.2f} ({sign} {self.goal:g})"


def rows(samples: Samples) -> list[Row]:
    found = []
    for (subject, inflight), runs in samples.items():
        rate = median(run.load.calls / run.load.seconds for run in runs)
        p50, p99 = (median(getattr(run.load, name) for run in runs) for name in ("p50", "p99"))
        cpu = {role: median(run.cpu[role] for run in runs) for role in runs[0].cpu}
        found.append(Row(subject, inflight, rate, p50, p99, cpu))
    return found


def targets(found: list[Row], start: float | None) -> Iterator[Target]:
    by = {(row.subject, row.inflight): row for row in found}
    everysec, always = "Portero, everysec", "Portero, always"
    if ("FastMCP proxy", 8) in by:
        other = by["FastMCP proxy", 8].rate
        yield Target(
            "times FastMCP's calls/s at 8 in flight, everysec", by[everysec, 8].rate / other, 10, at_least=True
        )
        yield Target("times FastMCP's calls/s at 8 in flight, always", by[always, 8].rate / other, 5, at_least=True)
    raw = by["raw pipe", 1].p50
    yield Target("gateway CPU µs per call at 32 in flight, everysec", by[everysec, 32].cpu["gateway"], 170)
    yield Target("gateway CPU µs per call at 32 in flight, always", by[always, 32].cpu["gateway"], 170)
    yield Target("p50 ms over the raw pipe at 1 in flight, everysec", by[everysec, 1].p50 - raw, 1.0)
    yield Target("p50 ms over the raw pipe at 1 in flight, always", by[always, 1].p50 - raw, 1.6)
    if start is not None:
        yield Target("seconds from start to the first call's answer", start, 2)


def table(found: list[Row]) -> str:
    """Every row, with its rate as a multiple of FastMCP's (or of the raw pipe's) at the same number in flight."""
    reference = "FastMCP proxy" if any(row.subject == "FastMCP proxy" for row in found) else "raw pipe"
    rates = {row.inflight: row.rate for row in found if row.subject == reference}
    head = f"{'':<20}{'in flight':>10}{'calls/s':>10}{'p50 ms':>9}{'p99 ms':>9}{'CPU µs':>9}{'store µs':>10}"
    lines = [f"{head}   × {reference}"]
    for row in sorted(found, key=lambda row: row.inflight):
        cpu = "".join(f"{row.cpu[role]:{width}.0f}" if role in row.cpu else " " * width for role, width in COLUMNS)
        times = f"{row.p50:9.2f}{row.p99:9.2f}{cpu}"
        lines.append(
            f"{row.subject:<20}{row.inflight:>10}{row.rate:>10.0f}{times}   {row.rate / rates[row.inflight]:.1f}"
        )
    return "\n".join(lines)


COLUMNS = (("gateway", 9), ("store", 10))
