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
        """Whether something explains it, and not everything alike."""
        return bool(self.dimension) or self.text.startswith(TOKENS)


def drivers(calls: Calls, use: HourlyUse, incidents: Sequence[Incident]) -> list[Driver]:
    """The explanation of each incident.

    Shares are of calls where there were too many of them, else of cost, and are compared with
    the same customer's calls outside of incidents.
    """
    if not incidents:
        return []
    columns = ", ".join(DIMENSIONS)
    table = calls.sql(
        f"SELECT customer_id, date_trunc('hour', timestamp) AS hour, {columns}, count(*) AS calls, "
        "sum(cost_usd) AS cost, sum(input_tokens + output_tokens) AS tokens FROM history "
        "WHERE timestamp >= $start AND array_contains($customers, customer_id) GROUP BY ALL",
        start=use.start,
        customers=sorted({i.customer for i in incidents}),
    )
    mix = _Mix(use, incidents, table)
    return [mix.driver(i) for i in range(len(incidents))]


class _Mix:
    """Calls, cost and tokens by value, of each incident and of the rest of its customer."""

    def __init__(self, use: HourlyUse, incidents: Sequence[Incident], table: pa.Table) -> None:
        self.incidents = incidents
        members = sorted({i.position for i in incidents})
        self.customer_of = np.searchsorted(members, [i.position for i in incidents])
        names = pa.array([use.customers[m] for m in members])
        self.customer = pc.index_in(table["customer_id"], names).to_numpy()
        since = (np.datetime64(use.start, "us")).astype(np.int64)
        hour = (table["hour"].cast(pa.int64()).to_numpy() - since) // HOUR_US
        key = self.customer * (use.hours + 1) + hour
        first = self.customer_of * (use.hours + 1) + [i.first for i in incidents]
        last = self.customer_of * (use.hours + 1) + [i.last for i in incidents]
        # Incidents come by customer and time and do not overlap.
        place = np.searchsorted(first, key, side="right") - 1
        self.incident = np.where((place >= 0) & (key <= last[place]), place, -1)
        self.weights = {
            "calls": table["calls"].to_numpy(),
            "cost": pc.multiply(table["cost"].cast(pa.float64()), 1e9).to_numpy().round(),
            "tokens": table["tokens"].cast(pa.int64()).to_numpy(),
        }
        self.totals = {what: self._by(what, np.zeros(len(key), np.int64), 1) for what in self.weights}
        self.values: dict[str, tuple[list[str], dict[str, tuple[np.ndarray, np.ndarray]]]] = {}
        for column in DIMENSIONS:
            names = sorted(v for v in pc.unique(table[column]).to_pylist() if v is not None)
            code = pc.fill_null(pc.index_in(table[column], pa.array(names, pa.string())), len(names)).to_numpy()
            self.values[column] = (names, {w: self._by(w, code, len(names) + 1) for w in ("calls", "cost")})

    def _by(self, what: str, code: np.ndarray, codes: int) -> tuple[np.ndarray, np.ndarray]:
        """Sums of shape (incidents, codes) inside, and of shape (customers, codes) outside of incidents."""
        weight, inside = self.weights[what], self.incident >= 0

        def add(group: np.ndarray, rows: np.ndarray, groups: int) -> np.ndarray:
            return np.bincount(group[rows] * codes + code[rows], weight[rows], groups * codes).reshape(groups, codes)

        return (
            add(self.incident, inside, len(self.incidents)),
            add(self.customer, ~inside, int(self.customer_of.max()) + 1),
        )

    def driver(self, i: int) -> Driver:
        what = "calls" if self.incidents[i].by_calls else "cost"
        customer = self.customer_of[i]
        calls_in, calls_out = (float(t[k, 0]) for t, k in zip(self.totals["calls"], (i, customer), strict=True))
        whole_in, whole_out = (float(t[k, 0]) for t, k in zip(self.totals[what], (i, customer), strict=True))
        if not whole_in or not whole_out:
            return Driver("", "", "no calls outside of incidents to compare with")
        best = Driver("", "", "")
        best_rise = MIN_RISE
        for column, (names, sums) in self.values.items():
            share, usual = sums[what][0][i, :-1] / whole_in, sums[what][1][customer, :-1] / whole_out
            if not len(names):
                continue
            v = int(np.argmax(share - usual))
            rise = float(share[v] - usual[v])
            both = (share[v] * calls_in + usual[v] * calls_out) / (calls_in + calls_out)
            noise = float(np.sqrt(both * (1 - both) * (1 / calls_in + 1 / calls_out)))
            if rise >= best_rise and rise >= MIN_SIGMAS * noise and (rise > best_rise or not best.dimension):
                best_rise = rise
                best = Driver(
                    column,
                    names[v],
                    f"{DIMENSIONS[column]} {names[v]}: {percent(100 * share[v], 0)} of {what}, "
                    f"usually {percent(100 * usual[v], 0)}",
                )
        if best.dimension:
            return best
        factor = self._tokens_per_call(0, i) / max(self._tokens_per_call(1, customer), 1.0)
        if self.incidents[i].by_cost and factor >= MIN_TOKEN_FACTOR:
            return Driver("", "", f"{TOKENS} {factor:.1f} times its usual tokens")
        return Driver("", "", "everything alike")

    def _tokens_per_call(self, side: int, k: int) -> float:
        return float(self.totals["tokens"][side][k, 0]) / float(self.totals["calls"][side][k, 0])
