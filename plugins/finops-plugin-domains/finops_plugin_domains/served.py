"""How tasks were served by models: sums and latencies."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from decimal import Decimal

import numpy as np
import numpy.typing as npt

from finops_core import Calls

SUCCESS = "success"
"""The status of a call that did not fail."""

_SUMS = """
    count(*) AS calls, sum(cost_usd) AS cost, count(*) FILTER (WHERE cost_usd > 0) AS billed,
    sum(input_tokens + output_tokens) AS tokens, min(timestamp) AS first,
    coalesce(sum(latency_ms), 0) AS timed_ms,
    sum(CASE WHEN latency_ms IS NULL THEN 0 ELSE output_tokens END) AS timed_output,
    sum(CASE WHEN latency_ms IS NULL THEN cost_usd ELSE 0 END) AS untimed_cost,
    sum(CASE WHEN latency_ms <= $sla_ms THEN 1 ELSE 0 END) AS on_time,
    sum(CASE WHEN latency_ms <= $sla_ms THEN cost_usd ELSE 0 END) AS on_time_cost,
    array_agg(latency_ms) FILTER (WHERE latency_ms IS NOT NULL) AS latencies"""


@dataclass(frozen=True)
class Served:
    """Calls of one task, model and status that lie in the same spans.

    Attributes:
        task_type: As in the log.
        provider: As in the log.
        model: As in the log.
        status: As in the log.
        calls: How many.
        cost: Dollars.
        billed: Calls that cost anything.
        tokens: Input and output.
        first: The moment of the first one.
        timed_ms: The sum of the latencies that are known, milliseconds.
        timed_output: Output tokens of the calls whose latency is known.
        untimed_cost: Dollars of the calls whose latency is not known.
        on_time: Calls within the latency of the service level.
        on_time_cost: Dollars of these.
        latencies: Those that are known, milliseconds, in no particular order.
    """

    task_type: str | None
    provider: str
    model: str
    status: str
    calls: int
    cost: Decimal
    billed: int
    tokens: int
    first: datetime
    timed_ms: int
    timed_output: int
    untimed_cost: Decimal
    on_time: int
    on_time_cost: Decimal
    latencies: npt.NDArray[np.int64]

    @property
    def succeeded(self) -> bool:
        """Whether the calls did not fail."""
        return self.status == SUCCESS


_COLUMNS = tuple(f.name for f in fields(Served) if f.name != "latencies")
# Sums of whole numbers come as decimals.
_COUNTS = ("tokens", "timed_ms", "timed_output", "on_time")


def served(calls: Calls) -> list[list[Served]]:
    """The calls of the period, and of both spans of the comparison if there is one, by task, model and status.

    Args:
        calls: With at least one call in the period.
    """
    table = calls.sql(
        f"SELECT task_type, provider, model, status, {calls.membership}, {_SUMS} "
        "FROM history WHERE timestamp >= $start GROUP BY ALL",
        sla_ms=calls.settings.sla.latency_ms,
        start=calls.reported_from,
    )
    lists = table["latencies"].combine_chunks()
    values, ends = lists.values.to_numpy(), lists.offsets.to_numpy()
    columns = table.drop_columns("latencies").to_pylist()
    found = [
        Served(
            **{name: int(row[name]) if name in _COUNTS else row[name] for name in _COLUMNS},
            latencies=values[start:end],
        )
        for row, start, end in zip(columns, ends[:-1], ends[1:], strict=True)
    ]
    return [
        [one for one, row in zip(found, columns, strict=True) if row[f"in_{i}"]] for i in range(len(calls.reported))
    ]


def percentiles(rows: Iterable[Served], shares: Sequence[float]) -> tuple[float, ...]:
    """Latencies that these shares of the timed calls were not slower than; empty without any. Milliseconds."""
    known = np.concatenate([np.empty(0, np.int64), *(row.latencies for row in rows)])
    return tuple(np.quantile(known, shares).tolist()) if len(known) else ()
