"""What explains an incident: the model, feature, product or task whose share rose with it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from finops_core import Calls, percent
from finops_plugin_domains.realtime.anomalies import Incident
from finops_plugin_domains.realtime.hourly import HOUR_US, HourlyUse

DIMENSIONS = {
    "model": "model",
    "feature_id": "feature",
    "product_id": "product",
    "task_type": "task",
    "region": "region",
    "environment": "environment",
    "status": "status",
}
"""Columns that may explain an incident, with their names in sentences; the first of equals is named."""
MIN_RISE = 0.2
"""A value explains an incident if its share is at least this much above the customer's usual share,"""
MIN_SIGMAS = 5.0
"""and if two samples of these sizes would not differ so much by chance."""
MIN_TOKEN_FACTOR = 1.5
"""Without such a value, dearer calls are explained by tokens per call from this many times the usual on."""
TOKENS = "each call took"
SUMS = {"calls": "count(*)", "cost": "sum(cost_usd)", "tokens": "sum(input_tokens + output_tokens)"}
"""What shares are taken of, and tokens; in SQL."""


@dataclass(frozen=True)
class Driver:
    """What explains an incident.

    Attributes:
        dimension: A column of the call log; empty if it was the tokens of a call, or nothing in particular.
        value: The value in that column.
        text: The explanation in words.
    """

    dimension: str
    value: str
    text: str

    @property
    def specific(self) -> bool:
        """Whether something in particular explains it."""
        return bool(self.dimension) or self.text.startswith(TOKENS)


def drivers(calls: Calls, use: HourlyUse, incidents: Sequence[Incident]) -> list[Driver]:
    """The explanation of each incident.

    Shares are of calls where there were too many of them, else of cost, and are compared with
    the same customer's calls outside of incidents.

    Args:
        calls: What ``use`` was read from.
        use: Calls by customer and hour.
        incidents: By customer and time.
    """
    if not incidents:
        return []
    # To read cost and tokens takes longer than to count, and most logs have no incident that needs them.
    sums = SUMS if any(i.by_cost for i in incidents) else {"calls": SUMS["calls"]}
    table = calls.sql(
        f"SELECT customer_id, date_trunc('hour', timestamp) AS hour, {', '.join(DIMENSIONS)}, "
        f"{', '.join(f'{sql} AS {name}' for name, sql in sums.items())} FROM history "
        "WHERE timestamp >= $start AND array_contains($customers, customer_id) GROUP BY ALL",
        start=use.start,
        customers=sorted({i.customer for i in incidents}),
    )
    mix = _Mix(use, incidents, table)
    comparable, token_factor = mix.comparable(), mix.token_factor()
    rises = [mix.rise(column) for column in DIMENSIONS if table[column].null_count < table.num_rows]
    largest = np.argmax([rise.size for rise in rises], axis=0)
    explained = []
    for i, incident in enumerate(incidents):
        rise = rises[largest[i]]
        if not comparable[i]:
            explained.append(Driver("", "", "no calls outside of incidents to compare with"))
        elif rise.size[i]:
            explained.append(rise.driver(i, "calls" if incident.by_calls else "cost"))
        elif incident.by_cost and token_factor[i] >= MIN_TOKEN_FACTOR:
            explained.append(Driver("", "", f"{TOKENS} {token_factor[i]:.1f} times its usual tokens"))
        else:
            explained.append(Driver("", "", "no single model or feature"))
    return explained


@dataclass(frozen=True)
class _Rise:
    """The value of a dimension whose share rose most in each incident; the arrays have one entry per incident.

    Attributes:
        dimension: The column.
        value: The value in it.
        share: Of the incident's calls or cost.
        usual: The value's share outside of incidents.
        size: How much the share rose; 0 if by less than the limits.
    """

    dimension: str
    value: list[str]
    share: np.ndarray
    usual: np.ndarray
    size: np.ndarray

    def driver(self, i: int, what: str) -> Driver:
        text = (
            f"{DIMENSIONS[self.dimension]} {self.value[i]}: {percent(100 * self.share[i], 0)} of {what}, "
            f"usually {percent(100 * self.usual[i], 0)}"
        )
        return Driver(self.dimension, self.value[i], text)


class _Mix:
    """Calls, cost and tokens by value, inside of each incident and outside of all incidents of its customer."""

    def __init__(self, use: HourlyUse, incidents: Sequence[Incident], table: pa.Table) -> None:
        self.table = table
        self.by_calls = np.array([[i.by_calls] for i in incidents])
        members, customer_of = np.unique([i.position for i in incidents], return_inverse=True)
        customer = pc.index_in(table["customer_id"], pa.array([use.customers[m] for m in members])).to_numpy()
        since = np.datetime64(use.start, "us").astype(np.int64)
        key = customer * use.hours + (table["hour"].cast(pa.int64()).to_numpy() - since) // HOUR_US
        first = customer_of * use.hours + [i.first for i in incidents]
        last = customer_of * use.hours + [i.last for i in incidents]
        # Incidents come by customer and time and do not overlap.
        place = np.searchsorted(first, key, side="right") - 1
        inside = (place >= 0) & (key <= last[place])
        # Sums are made by group: first come the incidents, then what else their customers did.
        self.group = np.where(inside, place, len(incidents) + customer)
        self.outside = len(incidents) + customer_of
        self.weights = {name: table[name].cast(pa.float64()).to_numpy() for name in SUMS if name in table.column_names}
        if "cost" in self.weights:
            # Whole numbers: the sum of others would depend on the order of the rows.
            self.weights["cost"] = (self.weights["cost"] * 1e9).round()
        self.calls, self.whole = self._sums("calls"), self._judged()

    def _sums(self, what: str, code: np.ndarray | int = 0, codes: int = 1) -> tuple[np.ndarray, np.ndarray]:
        """Sums by code inside and outside of incidents, each of shape (incidents, codes)."""
        groups = int(self.outside.max()) + 1
        sums = np.bincount(self.group * codes + code, self.weights[what], groups * codes).reshape(groups, codes)
        return sums[: len(self.outside)], sums[self.outside]

    def _judged(self, code: np.ndarray | int = 0, codes: int = 1) -> tuple[np.ndarray, np.ndarray]:
        """Such sums of calls for incidents with too many of them, and of cost for the others."""
        calls = self._sums("calls", code, codes)
        if "cost" not in self.weights:
            return calls
        cost = self._sums("cost", code, codes)
        return np.where(self.by_calls, calls[0], cost[0]), np.where(self.by_calls, calls[1], cost[1])

    def comparable(self) -> np.ndarray:
        """Mask over incidents with something inside and something outside."""
        return ((self.whole[0] > 0) & (self.whole[1] > 0))[:, 0]

    def rise(self, column: str) -> _Rise:
        """What rose most in a column with at least one value; of equals, the first by name."""
        encoded = self.table[column].combine_chunks().dictionary_encode()
        names = encoded.dictionary
        by_name = pc.sort_indices(names).to_numpy()
        sums = self._judged(encoded.indices.fill_null(len(names)).to_numpy(), len(names) + 1)
        share, usual = (side[:, by_name] / np.maximum(whole, 1) for side, whole in zip(sums, self.whole, strict=True))
        largest = np.argmax(share - usual, axis=1)[:, np.newaxis]
        share, usual = np.take_along_axis(share, largest, 1), np.take_along_axis(usual, largest, 1)
        inside, outside = (np.maximum(side, 1) for side in self.calls)
        both = (share * inside + usual * outside) / (inside + outside)
        noise = np.sqrt(both * (1 - both) * (1 / inside + 1 / outside))
        size = share - usual
        size = np.where((size >= MIN_RISE) & (size >= MIN_SIGMAS * noise), size, 0.0)
        value = names.take(by_name[largest[:, 0]]).to_pylist()
        return _Rise(column, value, share[:, 0], usual[:, 0], size[:, 0])

    def token_factor(self) -> np.ndarray:
        """Of each incident, tokens per call in it over those outside of incidents; 0 if no tokens were read."""
        if "tokens" not in self.weights:
            return np.zeros(len(self.outside))
        inside, outside = (t / np.maximum(c, 1) for t, c in zip(self._sums("tokens"), self.calls, strict=True))
        return (inside / np.maximum(outside, 1))[:, 0]
