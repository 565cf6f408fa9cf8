"""Calls priced again: by the catalogue at their own date, on another model, with answers of another length.

Everything is priced call by call in whole nano-dollars and compared catalogue with catalogue; what the log says
a call cost serves to check the catalogue against (:class:`Match`). A failed call that cost nothing was not
billed, and costs nothing on any model.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from decimal import Decimal
from fractions import Fraction
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from finops_core import Calls, Catalog, UnknownPriceError, usd

Int64s = npt.NDArray[np.int64]

BATCH_CALLS = 2_000_000
"""About how many calls are held in memory at a time."""

NEAR = 100
"""A logged cost is near the catalogue's if it differs by at most one part in this many."""

TRUSTED = Fraction(95, 100)
"""From this share of calls near the catalogue on, savings are not scaled."""


@dataclass(frozen=True)
class ModelCalls:
    """Billed calls of one task on one model, column by column, each of shape (calls,).

    Attributes:
        task: The task type; ``None`` if the log does not say.
        provider: As in the log.
        model: As in the log.
        us: Microseconds since 1970, UTC.
        input: All input tokens, like the cache parts below at least 0.
        output: Output tokens.
        cache_read: Part of the input.
        cache_write: Part of the input.
        logged: What the log says the call cost, nano-dollars.
        succeeded: False for a failed call that was billed.
        session: A number for each session of a customer, 63 bits of a hash; -1 where there is none, or the call has too
            few input tokens.
    """

    task: str | None
    provider: str
    model: str
    us: Int64s
    input: Int64s
    output: Int64s
    cache_read: Int64s
    cache_write: Int64s
    logged: Int64s
    succeeded: npt.NDArray[np.bool_]
    session: Int64s

    def cost(self, catalog: Catalog, provider: str, model: str, output_percent: int | tuple[int, ...] = 0) -> Int64s:
        """What each call costs on a model at the call's date, nano-dollars.

        Args:
            catalog: The prices.
            provider: Of the model.
            model: The model to price the calls on.
            output_percent: How much longer (or, negative, shorter) its answers are, in percent of the
                tokens logged; rounded to whole tokens, a half up. Several changes are priced at once.

        Returns:
            Shape (calls,); with several changes (changes, calls).

        Raises:
            UnknownPriceError: The model has no price.
        """
        output = self.output
        if output_percent != 0:
            output = (output * (100 + np.array(output_percent)[..., np.newaxis]) + 50) // 100
        return catalog.cost_nanos(provider, model, self.us, self.input, output, self.cache_read, self.cache_write)

    def take(self, rows: npt.NDArray[np.intp]) -> ModelCalls:
        """Some of the calls."""
        columns = {name: getattr(self, name)[rows] for name in _ARRAYS}
        return replace(self, **columns)


_ARRAYS = ("us", "input", "output", "cache_read", "cache_write", "logged", "succeeded", "session")


class BilledCalls:
    """The billed calls of a view, grouped by task and model; a log of any length in bounded memory.

    Args:
        calls: The log.
        view: ``calls`` or ``previous``.
        prefix_tokens: Calls with fewer input tokens are not given their session.
        batch_calls: About how many calls to hold at a time.
    """

    def __init__(
        self, calls: Calls, view: str = "calls", *, prefix_tokens: int = 0, batch_calls: int = BATCH_CALLS
    ) -> None:
        self._calls = calls
        self._view = view
        self._prefix_tokens = prefix_tokens
        total = calls.total if view == "calls" else calls.rows(f"SELECT count(*) AS n FROM {view}")[0]["n"]
        self._batches = -(-total // batch_calls)
        self._only: list[ModelCalls] | None = None

    def __iter__(self) -> Iterator[ModelCalls]:
        """Every billed call once; the calls of a session are in the same batch."""
        if self._batches == 1:
            if self._only is None:
                self._only = list(self._read(0))
            yield from self._only
        else:
            for batch in range(self._batches):
                yield from self._read(batch)

    def _read(self, batch: int) -> Iterator[ModelCalls]:
        part = ""
        if self._batches > 1:
            thing = "CASE WHEN session_id IS NULL THEN hash(timestamp) ELSE hash(session_id) END"
            part = f"AND abs({thing}) % $batches = $batch"
        values = {} if self._batches == 1 else {"batches": self._batches, "batch": batch}
        # The lists of a group are filled together, call by call, so that they are in the same order.
        table = self._calls.sql(
            f"""
            SELECT task_type, provider, model, array_agg(timestamp) AS us, array_agg(input_tokens) AS input,
                array_agg(output_tokens) AS output, array_agg(cache_read_tokens) AS cache_read,
                array_agg(cache_write_tokens) AS cache_write, array_agg(cost_usd) AS logged,
                array_agg(status = 'success') AS succeeded,
                array_agg(CASE WHEN input_tokens >= $prefix_tokens AND session_id IS NOT NULL
                          THEN hash(customer_id, session_id) END) AS session
            FROM {self._view}
            WHERE (status = 'success' OR cost_usd > 0) {part}
            GROUP BY task_type, provider, model
            """,
            prefix_tokens=self._prefix_tokens,
            **values,
        )
        lists = {name: table[name].combine_chunks() for name in _ARRAYS}
        ends = lists["us"].offsets.to_numpy()
        columns = {name: _numbers(array.values) for name, array in lists.items()}
        names = (table[name].to_pylist() for name in ("task_type", "provider", "model"))
        for task, provider, model, start, end in zip(*names, ends[:-1], ends[1:], strict=True):
            yield ModelCalls(task, provider, model, **{name: values[start:end] for name, values in columns.items()})


def _numbers(values: pa.Array) -> npt.NDArray[Any]:
    """A column of calls as numbers: microseconds, nano-dollars, and half of each hash; -1 where null."""
    if pa.types.is_timestamp(values.type):
        values = values.cast(pa.timestamp("us")).view(pa.int64())
    elif pa.types.is_decimal(values.type):
        values = values.cast(pa.decimal64(18, 9)).view(pa.int64())  # such a decimal is a whole number of them
    elif pa.types.is_unsigned_integer(values.type):
        values = pc.shift_right(values, pa.scalar(1, values.type)).cast(pa.int64()).fill_null(-1)
    return values.to_numpy(zero_copy_only=False)


@dataclass
class Match:
    """How the log's costs agree with the catalogue's, over some billed calls that have a price.

    Attributes:
        calls: How many.
        near: How many of them are logged within 1 % of the catalogue.
        logged: What they cost by the log, nano-dollars.
        catalogue: What they cost by the catalogue, nano-dollars.
    """

    calls: int = 0
    near: int = 0
    logged: int = 0
    catalogue: int = 0

    def add(self, logged: Int64s, catalogue: Int64s) -> None:
        """Count more calls."""
        self.calls += len(logged)
        self.near += int((np.abs(logged - catalogue) <= catalogue // NEAR).sum())
        self.logged += int(logged.sum())
        self.catalogue += int(catalogue.sum())

    def merge(self, other: Match) -> None:
        """Count the calls of another match as well."""
        self.calls += other.calls
        self.near += other.near
        self.logged += other.logged
        self.catalogue += other.catalogue

    @property
    def near_percent(self) -> float | None:
        """The share of calls near the catalogue; ``None`` without calls."""
        return 100 * self.near / self.calls if self.calls else None

    @property
    def factor(self) -> Fraction:
        """What a catalogue dollar is worth in logged dollars: 1 if the catalogue is near enough."""
        if not self.catalogue or Fraction(self.near, self.calls) >= TRUSTED:
            return Fraction(1)
        return Fraction(self.logged, self.catalogue)


@dataclass(frozen=True)
class WhatIf:
    """What a period would have cost if a task had run on another model.

    Dollars of the catalogue at each call's date, calls of models without a price left out on both sides.

    Attributes:
        task: The task; ``None`` for all calls.
        provider: Of the model asked about.
        model: The model asked about.
        output_percent: The assumed change of the number of output tokens, from and to, in percent. It is
            an assumption of whoever asks: the log cannot say how long another model's answers would be.
        calls: Billed calls that were priced again.
        unpriced_calls: Billed calls of the task on models without a price.
        unpriced_cost: What those cost, by the log.
        match: How the log's costs agree with the catalogue's on the calls priced again.
        now: What the calls cost on the models they ran on.
        low: What they cost on the other model with the fewest output tokens assumed.
        same: With as many output tokens as logged.
        high: With the most.
        period_cost: What all calls of the period cost, by the log.
    """

    task: str | None
    provider: str
    model: str
    output_percent: tuple[int, int]
    calls: int
    unpriced_calls: int
    unpriced_cost: Decimal
    match: Match
    now: Decimal
    low: Decimal
    same: Decimal
    high: Decimal
    period_cost: Decimal

    @cached_property
    def saving(self) -> tuple[Decimal, Decimal]:
        """What the switch saves, from (most output) to (least), negative if it costs more.

        Where under 95 % of the calls are logged within 1 % of the catalogue, scaled by logged / catalogue.
        """
        factor = self.match.factor
        return scaled(self.now - self.high, factor), scaled(self.now - self.low, factor)

    @property
    def period_range(self) -> tuple[Decimal, Decimal]:
        """What the whole period would have cost, from (least output) to (most)."""
        return self.period_cost - self.saving[1], self.period_cost - self.saving[0]


def what_if(
    calls: Calls,
    *,
    task: str | None = None,
    provider: str,
    model: str,
    output_percent: tuple[int, int] = (-20, 20),
) -> WhatIf:
    """What the period would have cost if a task had run on another model, call by call.

    Each call is priced at its own date, cached tokens at cache prices, in the tier of its input; input and
    cached tokens are taken as logged.

    Args:
        calls: The log and its period.
        task: The task type; ``None`` moves every call.
        provider: Of the model to price the calls on.
        model: As in the log or the catalogue; the log need not use it.
        output_percent: The change of the number of output tokens to assume, from and to, in percent.

    Raises:
        UnknownPriceError: The model has no price.
        ValueError: ``output_percent`` is not a range from -100 on.
    """
    least, most = output_percent
    if not -100 <= least <= most:
        raise ValueError(f"output_percent {output_percent} is not a range of changes from -100 on")
    catalog = calls.catalog
    if not catalog.knows(provider, model):
        raise UnknownPriceError(provider, model)
    match, low, same, high, unpriced_calls, unpriced = Match(), 0, 0, 0, 0, 0
    for group in BilledCalls(calls):
        if task is not None and group.task != task:
            continue
        if not catalog.knows(group.provider, group.model):
            unpriced_calls += len(group.us)
            unpriced += int(group.logged.sum())
            continue
        match.add(group.logged, group.cost(catalog, group.provider, group.model))
        costs = group.cost(catalog, provider, model, (least, 0, most)).sum(axis=1).tolist()
        low, same, high = low + costs[0], same + costs[1], high + costs[2]
    return WhatIf(
        task,
        provider,
        model,
        output_percent,
        match.calls,
        unpriced_calls,
        dollars_of(unpriced),
        match,
        dollars_of(match.catalogue),
        dollars_of(low),
        dollars_of(same),
        dollars_of(high),
        usd(calls.rows("SELECT sum(cost_usd) AS cost FROM calls")[0]["cost"] or 0),
    )


def dollars_of(nanos: int) -> Decimal:
    """Nano-dollars as dollars."""
    return usd(Decimal(nanos).scaleb(-9))


def scaled(amount: Decimal, factor: Fraction) -> Decimal:
    """A catalogue amount in logged dollars, rounded half-even to nine digits."""
    return dollars_of(round(Fraction(amount) * factor * 10**9))
