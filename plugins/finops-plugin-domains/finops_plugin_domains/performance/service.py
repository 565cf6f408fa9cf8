"""How well calls were served: how fast, how many failed, how many kept the service level, and for what money."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from finops_core import Calls
from finops_plugin_domains.spans import membership, reported_spans

Names = tuple[str | None, ...]

QUANTILES = (0.5, 0.95, 0.99)

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

# Grouped by status, so that success and failure are told apart without asking every call for every sum.
_SUMS = """
    status, count(*) AS calls, sum(cost_usd) AS cost, sum(input_tokens + output_tokens) AS tokens,
    count(latency_ms) AS timed, coalesce(sum(latency_ms), 0) AS timed_ms,
    sum(CASE WHEN latency_ms IS NULL THEN 0 ELSE output_tokens END) AS timed_output,
    sum(CASE WHEN latency_ms IS NULL THEN cost_usd ELSE 0 END) AS untimed_cost,
    sum(CASE WHEN latency_ms <= $sla_ms THEN 1 ELSE 0 END) AS on_time,
    sum(CASE WHEN latency_ms <= $sla_ms THEN cost_usd ELSE 0 END) AS on_time_cost"""
_OF_ALL = ("calls", "cost", "tokens")
_OF_SUCCESSES = ("timed", "timed_ms", "timed_output", "untimed_cost", "on_time", "on_time_cost")

_PERCENTILES = "percentile_cont($quantiles) WITHIN GROUP (ORDER BY latency_ms) AS latency"


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
        latency: The 50th, 95th and 99th percentile of the timed calls, milliseconds; empty without one.
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
    latency: tuple[float, ...] = ()

    @property
    def p50(self) -> float | None:
        """The median latency, milliseconds."""
        return self.latency[0] if self.latency else None

    @property
    def p95(self) -> float | None:
        """19 of 20 timed calls were at most this slow, milliseconds."""
        return self.latency[1] if self.latency else None

    @property
    def p99(self) -> float | None:
        """99 of 100 timed calls were at most this slow, milliseconds."""
        return self.latency[2] if self.latency else None

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
    """Failed calls of one status to one model."""

    status: str
    provider: str
    model: str
    calls: int
    cost: Decimal


@dataclass(frozen=True)
class Served:
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


def service_of(calls: Calls) -> Served:
    """Measure the service in the period and in both spans of the comparison.

    Args:
        calls: With at least one call in the period.
    """
    spans = reported_spans(calls)
    columns = GROUPS[-1]
    rows = calls.rows(
        f"SELECT {', '.join(columns)}, {membership(spans)}, {_SUMS} FROM history WHERE timestamp >= $start "
        "GROUP BY ALL",
        sla_ms=calls.settings.sla.latency_ms,
        start=min(span.start for span in spans),
    )
    whole, *compared = ([row for row in rows if row[f"in_{i}"]] for i in range(len(spans)))
    latencies = _latencies(calls)
    services: Services = {}
    for group in GROUPS:
        services[group] = sorted(
            (
                _service(names, members, latencies.get((group, names), ()))
                for names, members in _by(whole, group).items()
            ),
            key=lambda s: (-s.cost, -s.calls, *((name is None, name or "") for name in s.names)),
        )
    failed = _by((row for row in whole if row["status"] != "success"), ("status", *MODEL))
    failures = [
        Failures(
            *(str(name) for name in names),
            calls=sum(row["calls"] for row in members),
            cost=sum((row["cost"] for row in members), Decimal(0)),
        )
        for names, members in failed.items()
    ]
    failures.sort(key=lambda f: (-f.cost, -f.calls, f.status, f.provider, f.model))
    current, previous = (
        _service((), members, latency) if members else None
        for members, latency in zip(compared or ([], []), _span_latencies(calls), strict=True)
    )
    return Served(services, failures, current, previous)


def _by(rows: Iterable[Mapping[str, Any]], columns: tuple[str, ...]) -> dict[tuple[Any, ...], list[Mapping[str, Any]]]:
    members: dict[tuple[Any, ...], list[Mapping[str, Any]]] = {}
    for row in rows:
        members.setdefault(tuple(row[column] for column in columns), []).append(row)
    return members


def _latencies(calls: Calls) -> dict[tuple[tuple[str, ...], Names], Sequence[float]]:
    """The percentiles of every group that has timed calls."""
    columns = GROUPS[-1]
    absent = ", ".join(f"grouping({column}) AS no_{column}" for column in columns)
    sets = ", ".join(f"({', '.join(group)})" for group in GROUPS)
    found = {}
    for row in calls.rows(
        f"""
        SELECT {", ".join(columns)}, {absent}, {_PERCENTILES} FROM calls WHERE {TIMED}
        GROUP BY GROUPING SETS ({sets})
        """,
        quantiles=list(QUANTILES),
    ):
        group = tuple(column for column in columns if not row[f"no_{column}"])
        found[group, tuple(row[column] for column in group)] = row["latency"] or ()
    return found


def _span_latencies(calls: Calls) -> tuple[Sequence[float], Sequence[float]]:
    """The percentiles of the later and of the earlier span of the comparison; empty without timed calls."""
    if calls.comparison is None:
        return (), ()
    rows = calls.rows(
        f"""
        SELECT timestamp >= $split AS late, {_PERCENTILES} FROM history
        WHERE timestamp >= $first AND timestamp < $last AND {TIMED} GROUP BY 1
        """,
        quantiles=list(QUANTILES),
        first=calls.comparison.previous.start,
        split=calls.comparison.current.start,
        last=calls.comparison.current.end,
    )
    latency = {row["late"]: row["latency"] for row in rows}
    return latency.get(True, ()), latency.get(False, ())


def _service(names: Names, rows: Iterable[Mapping[str, Any]], latency: Sequence[float]) -> Service:
    every = list(rows)
    successes = [row for row in every if row["status"] == "success"]
    return Service(
        names=names,
        succeeded=sum(row["calls"] for row in successes),
        succeeded_cost=_added(successes, "cost"),
        latency=tuple(latency),
        **{field: _added(every, field) for field in _OF_ALL},
        **{field: _added(successes, field) for field in _OF_SUCCESSES},
    )


def _added(rows: Iterable[Mapping[str, Any]], field: str) -> Any:
    if field.endswith("cost"):
        return sum((row[field] for row in rows), Decimal(0))
    return sum(int(row[field]) for row in rows)


def duration(ms: float) -> str:
    """A latency in a sentence: ``850 ms``, ``4.2 s``."""
    return f"{ms:.0f} ms" if ms < 1000 else f"{ms / 1000:,.1f} s"
