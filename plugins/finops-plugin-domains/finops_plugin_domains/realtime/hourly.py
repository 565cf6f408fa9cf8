"""What each customer did in each hour: the one table from which anomalies, churn and decline are read.

Hours without a call have no row, so the size follows the calls and not customers x hours.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import cached_property

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from finops_core import Calls, Period, read_once

HOUR_US = 3_600_000_000
MICRO = 1_000_000

# Each logarithm is taken once, and added as whole millionths: the sum of other floats depends on the order of the rows.
_HOURS = f"""
SELECT customer_id, hour, count(*) AS calls, sum(cost_usd) AS cost, count(log) AS priced,
       sum(round(log * {MICRO})) AS log_cost, sum(round(log * log * {MICRO})) AS log_square
FROM (
    SELECT customer_id, date_trunc('hour', timestamp) AS hour, cost_usd,
           ln(CAST(nullif(cost_usd, 0) AS DOUBLE)) AS log
    FROM history WHERE timestamp >= $start
) AS logged
GROUP BY customer_id, hour
"""


@dataclass(frozen=True)
class HourlyUse:
    """Calls and cost of every customer in the hours in which they called.

    The arrays ``customer`` to ``log_square`` have one entry per row, ordered by customer and hour.

    Attributes:
        start: 00:00 of the first day; hours count from here.
        now: The last accepted call.
        customers: Names, sorted.
        customer: Position in ``customers``.
        hour: Whole hours since ``start``.
        calls: Calls in the hour.
        cost: US dollars in the hour, exact decimals.
        priced: Calls that cost anything.
        log_cost: Sum of the natural logarithms of their costs.
        log_square: Sum of the squares of these logarithms.
    """

    start: datetime
    now: datetime
    customers: tuple[str, ...]
    customer: np.ndarray
    hour: np.ndarray
    calls: np.ndarray
    cost: pa.ChunkedArray
    priced: np.ndarray
    log_cost: np.ndarray
    log_square: np.ndarray

    @cached_property
    def hours(self) -> int:
        """Hours from the start to the last call, its own included."""
        return int(self.hour.max()) + 1

    @cached_property
    def whole_days(self) -> int:
        """Days that can be judged as a whole: the last one counts if calls reach into its last hour."""
        return self.hours // 24

    @cached_property
    def dollars(self) -> np.ndarray:
        """``cost`` as floats, for estimates."""
        return self.cost.cast(pa.float64()).to_numpy()

    @cached_property
    def first_day(self) -> np.ndarray:
        """Of each customer, the day of the first call."""
        return self._reduce(np.minimum)

    @cached_property
    def last_day(self) -> np.ndarray:
        """Of each customer, the day of the last call."""
        return self._reduce(np.maximum)

    @cached_property
    def span_end(self) -> np.ndarray:
        """The hour at which each customer's active span ends: the end of the day of the last call."""
        return np.minimum((self.last_day + 1) * 24, self.hours)

    @cached_property
    def days(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Customer, day and calls of every customer-day with a call, ordered by customer and day."""
        customer, day = self.customer.astype(np.int64), self.hour // 24
        firsts = np.flatnonzero((np.diff(customer, prepend=-1) != 0) | (np.diff(day, prepend=-1) != 0))
        return customer[firsts], day[firsts], np.add.reduceat(self.calls, firsts)

    def at(self, hour: int) -> datetime:
        """The time at which an hour begins."""
        return self.start + timedelta(hours=int(hour))

    def date_of(self, day: int) -> date:
        """The date of a day counted from the start."""
        return (self.start + timedelta(days=int(day))).date()

    @cached_property
    def cost_by_day(self) -> dict[date, Decimal]:
        """The exact cost of all customers on each day with a call."""
        table = pa.table({"day": self.hour // 24, "cost": self.cost})
        sums = table.group_by("day").aggregate([("cost", "sum")])
        return {self.date_of(day): cost for day, cost in zip(*(c.to_pylist() for c in sums.columns), strict=True)}

    def spend(self, span: Period) -> Decimal:
        """The exact cost of a span that was loaded."""
        return sum((c for day, c in self.cost_by_day.items() if span.first <= day <= span.last), Decimal(0))

    def days_without_calls(self, span: Period) -> list[date]:
        """Days of a span that was loaded on which nobody called, up to now and in order."""
        ends = min(span.last, self.now.date())
        days = (span.first + timedelta(days=n) for n in range((ends - span.first).days + 1))
        return [day for day in days if day not in self.cost_by_day]

    def cost_of(self, rows: slice) -> Decimal:
        """The exact cost of some rows."""
        return sum(self.cost[rows].to_pylist(), Decimal(0))

    def _reduce(self, function: np.ufunc) -> np.ndarray:
        firsts = np.flatnonzero(np.diff(self.customer, prepend=-1))
        return function.reduceat(self.hour // 24, firsts)


@read_once
def hourly_use(calls: Calls, days: int) -> HourlyUse:
    """Read the hours of the period, of the span it is compared with, and of at least the last ``days`` days.

    Args:
        calls: A period with at least one call.
        days: How far a customer's usual behaviour is looked up before the end of the period.
    """
    firsts = [calls.period.first, calls.period.last - timedelta(days=days - 1)]
    if calls.comparison is not None:
        firsts.append(calls.comparison.previous.first)
    start = datetime.combine(max(min(firsts), calls.log_period.first), datetime.min.time())
    table = calls.sql(_HOURS, start=start)
    names = table["customer_id"].combine_chunks().dictionary_encode()
    since = table["hour"].cast(pa.int64()).to_numpy() - (start - datetime(1970, 1, 1)) // timedelta(microseconds=1)
    hour, by_name = since // HOUR_US, pc.sort_indices(names.dictionary).to_numpy()
    customer = np.argsort(by_name)[names.indices.to_numpy()]
    # Texts are sorted here once each; SQL would compare them in every row.
    order = np.lexsort((hour, customer))
    table = table.drop_columns(["customer_id", "hour"]).take(order)

    def logs(column: str) -> np.ndarray:
        return table[column].fill_null(0.0).to_numpy() / MICRO

    return HourlyUse(
        start=start,
        now=calls.now,
        customers=tuple(names.dictionary.take(by_name).to_pylist()),
        customer=customer[order],
        hour=hour[order],
        calls=table["calls"].to_numpy(),
        cost=table["cost"],
        priced=table["priced"].to_numpy(),
        log_cost=logs("log_cost"),
        log_square=logs("log_square"),
    )


def grouped_median(values: np.ndarray, group: np.ndarray, groups: int) -> np.ndarray:
    """The median of each group's values; NaN for a group without any."""
    order = np.lexsort((values, group))
    sizes = np.bincount(group, minlength=groups)
    ends = np.cumsum(sizes)
    out = np.full(groups, np.nan)
    some = sizes > 0
    low = (ends - sizes + (sizes - 1) // 2)[some]
    high = (ends - sizes + sizes // 2)[some]
    ranked = values[order]
    out[some] = (ranked[low] + ranked[high]) / 2
    return out
