"""How well calls were served: how fast, how many failed, how many kept the service level, and for what money."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from finops_core import Calls, read_once
from finops_plugin_domains.served import Served, percentiles, served

Names = tuple[str | None, ...]

QUANTILES = (0.5, 0.95, 0.99, 0.0, 1.0)
FEWEST_FOR_P95, FEWEST_FOR_P99 = 20, 100
"""Calls below which a percentile is not known: one in twenty of them, or one in a hundred, is less than one call."""

MODEL = ("provider", "model")
TASK_MODEL = ("task_type", *MODEL)

GROUPS: tuple[tuple[str, ...], ...] = (
    (),
    ("provider",),
    MODEL,
    ("task_type",),
    TASK_MODEL,
)
"""What service is measured by; a model is told apart by who serves it."""

TIMED = "status = 'success' AND latency_ms IS NOT NULL"
"""Calls whose latency counts. A failed call was not served, and an unknown latency is unknown, never 0."""


@dataclass(frozen=True)
class Service:
    """How the calls of a group were served.

    Attributes:
        names: The group, one name for each column of :data:`GROUPS`.
        calls: How many.
        cost: Dollars.
        tokens: Input and output.
        succeeded: Calls with status success.
        succeeded_cost: Dollars of these.
        timed: Successful calls whose latency is known.
        timed_output: Output tokens of these.
        timed_ms: The sum of their latencies, milliseconds.
        on_time: Successful calls within the latency of the service level.
        on_time_cost: Dollars of these.
        untimed_cost: Dollars of successful calls whose latency is not known.
        first: The moment of the first call.
        latency: Of the timed calls the 50th, 95th and 99th percentile, the least and the most, milliseconds; empty
            without one.
    """

    names: Names
    calls: int
    cost: Decimal
    tokens: int
    succeeded: int
    succeeded_cost: Decimal
    timed: int
    timed_output: int
    timed_ms: int
    on_time: int
    on_time_cost: Decimal
    untimed_cost: Decimal
    first: datetime
    latency: tuple[float, ...] = ()

    @property
    def p50(self) -> float | None:
        """The median latency, milliseconds."""
        return self.latency[0] if self.latency else None

    @property
    def p95(self) -> float | None:
        """19 of 20 timed calls took this long or less, milliseconds; ``None`` below :data:`FEWEST_FOR_P95`."""
        return self.latency[1] if self.timed >= FEWEST_FOR_P95 else None

    @property
    def p99(self) -> float | None:
        """99 of 100 timed calls took this long or less, milliseconds; ``None`` below :data:`FEWEST_FOR_P99`."""
        return self.latency[2] if self.timed >= FEWEST_FOR_P99 else None

    @property
    def same_latency(self) -> bool:
        """Whether the fastest and the slowest of the timed calls, at least one, read the same."""
        *_, least, most = self.latency
        return duration(least) == duration(most)

    @property
    def tokens_per_second(self) -> float | None:
        """Output tokens of the timed calls over the sum of their latencies; waiting for the first token counts."""
        return self.timed_output / self.timed_ms * 1000 if self.timed_ms else None

    @property
    def failed(self) -> int:
        """Calls whose status is not success."""
        return self.calls - self.succeeded

    @property
    def failed_cost(self) -> Decimal:
        """Dollars of failed calls."""
        return self.cost - self.succeeded_cost

    @property
    def error_percent(self) -> float:
        """Failed calls / calls."""
        return self.failed / self.calls * 100

    @property
    def judged(self) -> int:
        """Calls of which it is known whether they kept the service level: a failed call did not."""
        return self.timed + self.failed

    @property
    def sla_percent(self) -> float | None:
        """Calls within the service level / calls of which it is known."""
        return self.on_time / self.judged * 100 if self.judged else None

    @property
    def missed(self) -> int:
        """Calls known to have missed the service level."""
        return self.judged - self.on_time

    @property
    def missed_cost(self) -> Decimal:
        """Dollars of the calls that missed it."""
        return self.cost - self.on_time_cost - self.untimed_cost

    @property
    def cost_per_1k_tokens(self) -> Decimal | None:
        """Dollars for a thousand tokens; ``None`` without tokens."""
        return self.cost * 1000 / self.tokens if self.tokens else None


Services = dict[tuple[str, ...], list[Service]]


@dataclass(frozen=True)
class Failures:
    """Failed calls of one status to one model: how many, how many of them billed, and what they cost in dollars."""

    status: str
    provider: str
    model: str
    calls: int
    billed: int
    cost: Decimal


@dataclass(frozen=True)
class Quality:
    """How the calls of the period and of both compared spans were served.

    Attributes:
        services: The period by all :data:`GROUPS`, the dearest first; ties go to more calls, then by name.
        failures: What failed in the period, the dearest first.
        current: All calls of the later span; ``None`` without a comparison, or without calls in it.
        previous: All calls of the earlier span.
    """

    services: Services
    failures: list[Failures]
    current: Service | None
    previous: Service | None


@read_once
def quality_of(calls: Calls) -> Quality:
    """Measure the service in the period and in both spans of the comparison.

    Args:
        calls: With at least one call in the period.
    """
    whole, *compared = served(calls)
    services: Services = {}
    for group in GROUPS:
        services[group] = sorted(
            (_service(names, rows) for names, rows in _by(whole, group).items()),
            key=lambda s: (-s.cost, -s.calls, *((name is None, name or "") for name in s.names)),
        )
    failed = _by((row for row in whole if not row.succeeded), ("status", *MODEL))
    failures = [
        Failures(
            *map(str, names),
            calls=sum(row.calls for row in rows),
            billed=sum(row.billed for row in rows),
            cost=_cost(row.cost for row in rows),
        )
        for names, rows in failed.items()
    ]
    failures.sort(key=lambda f: (-f.cost, -f.calls, f.status, f.provider, f.model))
    current, previous = (_service((), rows) if rows else None for rows in compared or ([], []))
    return Quality(services, failures, current, previous)


def _by(rows: Iterable[Served], columns: tuple[str, ...]) -> dict[Names, list[Served]]:
    groups: dict[Names, list[Served]] = {}
    for row in rows:
        groups.setdefault(tuple(getattr(row, column) for column in columns), []).append(row)
    return groups


def _service(names: Names, rows: Sequence[Served]) -> Service:
    good = [row for row in rows if row.succeeded]
    return Service(
        names=names,
        calls=sum(row.calls for row in rows),
        cost=_cost(row.cost for row in rows),
        tokens=sum(row.tokens for row in rows),
        succeeded=sum(row.calls for row in good),
        succeeded_cost=_cost(row.cost for row in good),
        timed=sum(len(row.latencies) for row in good),
        timed_output=sum(row.timed_output for row in good),
        timed_ms=sum(row.timed_ms for row in good),
        on_time=sum(row.on_time for row in good),
        on_time_cost=_cost(row.on_time_cost for row in good),
        untimed_cost=_cost(row.untimed_cost for row in good),
        first=min(row.first for row in rows),
        latency=percentiles(good, QUANTILES),
    )


def _cost(amounts: Iterable[Decimal]) -> Decimal:
    return sum(amounts, Decimal(0))


def duration(ms: float) -> str:
    """A latency in a sentence: ``850 ms``, ``4.2 s``."""
    return f"{ms:.0f} ms" if ms < 1000 else f"{ms / 1000:,.1f} s"


def how_long(service: Service, calls: str) -> str:
    """How long calls take, as a clause: ``half of the calls take 4.2 s or more, and one in twenty 15.2 s or more``.

    Args:
        service: With at least one timed call.
        calls: What the clause calls them.
    """
    usual = duration(service.p50 or 0)
    if service.same_latency:
        known = "" if service.timed == service.calls else " that succeeded with a known latency"
        return f"all of {calls}{known} take {usual}"
    tail = usual if service.p95 is None else duration(service.p95)
    return f"half of {calls} take {usual} or more{'' if tail == usual else f', and one in twenty {tail} or more'}"
