"""Why cost moved between two spans: volume, intensity, price and mix, exact to the last digit.

The leaf is a customer using a model in a feature. With n calls, k tokens per call of each class (uncached input,
cache read, cache write, output), p the catalogue's mean price per token of the class at the calls' dates, and d what
was logged over what the catalogue says, a span of a leaf costs ``n * sum(k * p) * d``. Between two spans, every other
factor at the mean of both:

* volume is the change of n,
* intensity the change of k,
* price the change of p,
* mix is what is left of the change: d (discounts, calls that were not billed), the factors moving together, and the
  ninth digit.

What the number of calls explains of a group's volume is the change of its calls times its mean cost of a call at the
midpoint, ``sum(n * sum(k * p) * d) / sum(n)`` over its leaves; the rest is calls that shifted among the leaves.

A leaf that exists in one span only is all volume. Where the catalogue has no price, or a span has no tokens to put a
price on, tokens and prices cannot be told apart: volume is valued at the logged cost per call and the rest is mix.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from finops_core import NANO, Calls, Catalog, Comparison, read_once
from finops_plugin_domains.understanding.price_steps import CLASSES, PriceSteps

Floats = npt.NDArray[np.float64]
Int64s = npt.NDArray[np.int64]

LEAF = ("customer_id", "provider", "model", "feature_id")
EFFECTS = ("volume", "intensity", "price", "mix")

DRIVERS = ("feature_id", "provider", "model")
"""The grouping in whose words a change is told: a feature on a model."""

GROUPINGS: tuple[tuple[str, ...], ...] = (
    DRIVERS,
    ("provider",),
    ("provider", "model"),
    ("customer_id",),
    ("feature_id",),
)
"""What the change is shown by."""

SAFE_NANOS = 2**61
"""Above so many nano-dollars in all, sums no longer fit 64 bits and are made of Python's integers."""


@dataclass(frozen=True)
class Movement:
    """How the cost of a group moved between two spans; dollars of the spans, not of a month.

    ``from_calls`` is the part of volume that the number of calls explains; it has the sign of their change.
    """

    names: tuple[str | None, ...]
    previous_calls: int
    current_calls: int
    previous: Decimal
    current: Decimal
    volume: Decimal
    intensity: Decimal
    price: Decimal
    mix: Decimal
    from_calls: Decimal

    @property
    def shift(self) -> Decimal:
        """The rest of volume: calls that went to dearer, or cheaper, leaves within the group."""
        return self.volume - self.from_calls

    @property
    def causes(self) -> dict[str, Decimal]:
        """What the change is told with: the effects, volume in its two parts."""
        return {
            "calls": self.from_calls,
            "shift": self.shift,
            "intensity": self.intensity,
            "price": self.price,
            "mix": self.mix,
        }

    @property
    def change(self) -> Decimal:
        """Current minus previous; the sum of the four effects."""
        return self.current - self.previous


@dataclass(frozen=True)
class CostChange:
    """The change of every leaf, ready to be added up along any of the leaf's dimensions.

    Attributes:
        comparison: The two spans.
        codes: For each dimension of the leaf, which name each leaf has; shape (leaves,).
        names: For each dimension of the leaf, what the codes stand for.
        calls: Calls in the previous and the current span, shape (2, leaves).
        cost: Nano-dollars in both spans, shape (2, leaves).
        effects: Nano-dollars of volume, intensity, price and mix, shape (4, leaves).
        midpoint: Nano-dollars of a span with every factor, the number of calls too, at the mean of both; shape
            (leaves,).
        unpriced: Nano-dollars of both spans in leaves whose tokens and prices could not be told apart.
    """

    comparison: Comparison
    codes: dict[str, Int64s]
    names: dict[str, list[str | None]]
    calls: Int64s
    cost: npt.NDArray[Any]
    effects: npt.NDArray[Any]
    midpoint: npt.NDArray[Any]
    unpriced: int

    def by(self, *dimensions: str) -> list[Movement]:
        """The movement of every group, the largest change first (ties by name)."""
        first, index = _grouped([(self.codes[d], len(self.names[d])) for d in dimensions])
        columns = self._columns
        sums = np.zeros((len(columns), len(first)), dtype=columns.dtype)
        for total, column in zip(sums, columns, strict=True):
            np.add.at(total, index, column)
        moves = sums[3] - sums[2]
        labels = [[self.names[d][code] for code in self.codes[d][first].tolist()] for d in dimensions]
        order = sorted(
            range(len(first)), key=lambda g: (-abs(int(moves[g])), *((row[g] is None, row[g] or "") for row in labels))
        )
        rows = sums.T.tolist()
        return [_movement(tuple(row[g] for row in labels), rows[g]) for g in order]

    @cached_property
    def groups(self) -> dict[tuple[str, ...], list[Movement]]:
        """The movements by each of :data:`GROUPINGS`."""
        return {grouping: self.by(*grouping) for grouping in GROUPINGS}

    @cached_property
    def total(self) -> Movement:
        """The movement of everything."""
        return _movement((), self._columns.sum(axis=1).tolist())

    @cached_property
    def _columns(self) -> npt.NDArray[Any]:
        """What :func:`_movement` takes of every leaf."""
        leaves = np.ones_like(self.calls[0])
        return np.vstack([self.calls, self.cost, self.effects, self.midpoint, leaves])

    @property
    def customers(self) -> tuple[int, int]:
        """Customers with a call in the previous and in the current span."""
        previous, current = (len(np.unique(self.codes["customer_id"][span > 0])) for span in self.calls)
        return previous, current


def _movement(names: tuple[str | None, ...], row: Sequence[int]) -> Movement:
    previous_calls, current_calls, *nanos, midpoint, leaves = map(int, row)
    moved, volume = current_calls - previous_calls, nanos[2]
    both = previous_calls + current_calls
    from_calls = (4 * moved * midpoint + both) // (2 * both)  # 2 * moved * midpoint / both, rounded without floats
    # Every leaf rounds its volume and its midpoint, as floats and to the ninth digit: what that leaves is no shift.
    if abs(volume - from_calls) <= 2 * leaves + abs(volume) // 10**12 and moved * volume > 0:
        from_calls = volume
    return Movement(names, previous_calls, current_calls, *(n * NANO for n in (*nanos, from_calls)))


@read_once
def cost_change(calls: Calls, models: frozenset[tuple[str, str]]) -> CostChange | None:
    """Split the change of cost between the spans of ``calls.comparison``; ``None`` without one.

    Args:
        calls: The calls.
        models: Provider and model of every call in the two spans.
    """
    if calls.comparison is None:
        return None
    first, split, last = calls.comparison.previous.start, calls.comparison.current.start, calls.comparison.current.end
    steps = PriceSteps.of(calls.catalog, models, first, last)
    table = calls.sql(
        f"""
        SELECT {", ".join(LEAF)}, timestamp >= $split AS late, {steps.sql} AS step,
            count(*) AS calls, sum(cost_usd) AS cost,
            sum(input_tokens - cache_read_tokens - cache_write_tokens) AS uncached,
            sum(cache_read_tokens) AS cache_read, sum(cache_write_tokens) AS cache_write,
            sum(output_tokens) AS output
        FROM history WHERE timestamp >= $first AND timestamp < $last
        GROUP BY ALL
        """,
        first=first,
        split=split,
        last=last,
        **steps.values,
    )
    return _split(table, calls.comparison, steps, calls.catalog)


def _split(table: pa.Table, comparison: Comparison, steps: PriceSteps, catalog: Catalog) -> CostChange:
    codes, names = {}, {}
    for dimension in LEAF:
        encoded = table[dimension].combine_chunks().dictionary_encode(null_encoding="encode")
        codes[dimension] = encoded.indices.to_numpy().astype(np.int64)
        names[dimension] = encoded.dictionary.to_pylist()
    first, leaf = _grouped([(codes[d], len(names[d])) for d in LEAF])
    late = table["late"].to_numpy().astype(np.int64)
    step = table["step"].to_numpy().astype(np.int64)
    priced = _row_prices(codes, names, step, steps, catalog)

    row_tokens = np.vstack([table[c].cast(pa.int64()).to_numpy() for c in CLASSES])
    slot = late * len(first) + leaf
    shape = (2, len(first))
    calls = _sum_by(slot, table["calls"].to_numpy(), shape)
    tokens = np.stack([_sum_by(slot, row, shape) for row in row_tokens])
    # A leaf's steps are added in the order of the steps: sums of floats must not depend on the order of rows.
    order = np.argsort(step, kind="stable")
    with np.errstate(invalid="ignore"):
        worth = np.stack([_sum_by(slot[order], row[order], shape) for row in row_tokens * priced])
    row_cost = _nanos(table["cost"])
    cost = _sum_by(slot, row_cost, shape)
    effects, midpoint, clear = _effects(calls, tokens.astype(np.float64), worth, cost)
    return CostChange(
        comparison,
        {d: codes[d][first] for d in LEAF},
        names,
        calls,
        cost,
        effects,
        midpoint,
        int(cost[:, ~clear].sum()),
    )


def _row_prices(
    codes: dict[str, Int64s], names: dict[str, list[str | None]], step: Int64s, steps: PriceSteps, catalog: Catalog
) -> Floats:
    """Dollars per token of each class for every row, shape (4, rows)."""
    pairs = [(codes[d], len(names[d])) for d in ("provider", "model")]
    first, index = _grouped([*pairs, (step, int(step.max(initial=0)) + 1)])
    known = [
        steps.prices(catalog, str(names["provider"][provider]), str(names["model"][model]), at)
        for provider, model, at in zip(
            codes["provider"][first].tolist(), codes["model"][first].tolist(), step[first].tolist(), strict=True
        )
    ]
    return np.array(known).reshape(-1, len(CLASSES)).T[:, index]


def _grouped(columns: Sequence[tuple[Int64s, int]]) -> tuple[Int64s, Int64s]:
    """Groups of equal codes: where each group first occurs, and the group of each row.

    Args:
        columns: For each column its codes, shape (rows,), and how many codes there can be.
    """
    keys, size = columns[0]
    for codes, width in columns[1:]:
        keys, size = keys * width + codes, size * width
    if size > 8 * len(keys) + 1024:
        _, first, index = np.unique(keys, return_index=True, return_inverse=True)
        return first, index
    # Few possible keys: a table of them is ten times as fast as sorting.
    seen = np.full(size, -1, dtype=np.int64)
    seen[keys[::-1]] = np.arange(len(keys) - 1, -1, -1)
    present = np.flatnonzero(seen >= 0)
    number = np.zeros(size, dtype=np.int64)
    number[present] = np.arange(len(present))
    return seen[present], number[keys]


def _effects(
    calls: Int64s, tokens: Floats, worth: Floats, cost: npt.NDArray[Any]
) -> tuple[npt.NDArray[Any], npt.NDArray[Any], npt.NDArray[np.bool_]]:
    """The effects and the midpoint of every leaf in nano-dollars, and where tokens and prices could be told apart.

    Args:
        calls: Shape (2, leaves).
        tokens: Shape (4, 2, leaves).
        worth: Catalogue dollars of the tokens, like ``tokens``; NaN without a price.
        cost: Logged nano-dollars, shape (2, leaves).
    """
    present = calls > 0
    with np.errstate(invalid="ignore", divide="ignore"):
        per_call = _other_span(tokens / calls, present)
        price = _other_span(worth / tokens, tokens > 0)
        price = np.where(np.isnan(price) & (tokens == 0).all(axis=1, keepdims=True), 0.0, price)
        logged = _other_span(cost.astype(np.float64) / calls, present)
        catalogue = (per_call * price).sum(axis=0)
        rate = logged / catalogue
        clear = np.isfinite(rate).all(axis=0)
        n, change = calls.mean(axis=0), np.diff(calls, axis=0)[0]
        d = rate.mean(axis=0)
        k, p = per_call.mean(axis=1), price.mean(axis=1)
        worth_of_call = np.where(clear, (k * p).sum(axis=0) * d, logged.mean(axis=0))
        intensity = np.where(clear, n * (np.diff(per_call, axis=1)[:, 0] * p).sum(axis=0) * d, 0.0)
        prices = np.where(clear, n * (k * np.diff(price, axis=1)[:, 0]).sum(axis=0) * d, 0.0)
    moved = cost[1] - cost[0]
    # A leaf of one span is its calls, to the last digit, whatever its floats round to.
    *whole, midpoint = _whole(np.vstack([change * worth_of_call, intensity, prices, n * worth_of_call]), cost.dtype)
    whole[0] = np.where(present.all(axis=0), whole[0], moved)
    return np.vstack([whole, [moved - sum(whole)]]), midpoint, clear


def _other_span(values: Floats, known: npt.NDArray[np.bool_]) -> Floats:
    """Values of both spans (the second last axis), each taken from the other span where it is not known."""
    return np.where(known, values, np.flip(values, axis=-2))


def _sum_by(slot: Int64s, values: npt.NDArray[Any], shape: tuple[int, int]) -> npt.NDArray[Any]:
    sums = np.zeros(shape[0] * shape[1], dtype=values.dtype)
    np.add.at(sums, slot, values)
    return sums.reshape(shape)


def _nanos(column: pa.ChunkedArray) -> npt.NDArray[Any]:
    """Decimals of nine digits as whole nano-dollars: 64-bit integers, or Python's where their sum needs more."""
    array = column.combine_chunks().cast(pa.decimal128(38, 9))
    words = np.frombuffer(array.buffers()[1], dtype="<i8")[2 * array.offset :][: 2 * len(array)].reshape(-1, 2)
    low, high = words[:, 0], words[:, 1]
    if not high.any() and (low >= 0).all() and low.astype(np.float64).sum() < SAFE_NANOS:
        return low.copy()
    return np.array([int(value / NANO) for value in array.to_pylist()], dtype=object)


def _whole(values: Floats, dtype: np.dtype[Any]) -> npt.NDArray[Any]:
    rounded = np.rint(values)
    if dtype == np.int64:
        return rounded.astype(np.int64)
    return np.array([[int(v) for v in row] for row in rounded.tolist()], dtype=object)
