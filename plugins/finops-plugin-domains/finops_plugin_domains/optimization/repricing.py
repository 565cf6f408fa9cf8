"""Calls priced again: by the catalogue at their own date, on another model, with answers of another length.

Everything is priced call by call in whole nano-dollars and compared catalogue with catalogue; what the log says
a call cost serves to check the catalogue against (:class:`Match`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

import numpy as np
import numpy.typing as npt

from finops_core import Calls, UnknownPriceError, usd
from finops_plugin_domains.optimization.billed import BilledCalls, Int64s

NEAR = 100
"""A logged cost is near the catalogue's if it differs by at most one part in this many."""

TRUSTED = Fraction(95, 100)
"""From this share of calls near the catalogue on, savings are not scaled."""


def is_near(logged: Int64s, catalogue: Int64s) -> npt.NDArray[np.bool_]:
    """Which calls are logged near what they cost by the catalogue."""
    return np.abs(logged - catalogue) <= catalogue // NEAR


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
        self.near += int(is_near(logged, catalogue).sum())
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

    Prices are the catalogue's at each call's date on both sides. Where under 95 % of the calls to a model are logged
    within 1 % of the catalogue, the amounts of its calls are scaled by logged / catalogue, on both sides alike, unless
    the log has no costs at all. Calls of models without a price are left out on both sides.

    Attributes:
        task: The task; ``None`` for all calls.
        provider: Of the model asked about.
        model: The model asked about.
        output_percent: The assumed change of the number of output tokens, from and to, in percent. It is
            an assumption of whoever asks: the log cannot say how long another model's answers would be.
        calls: Billed calls that were priced again.
        unpriced_calls: Billed calls of the task on models without a price.
        unpriced_cost: What those cost, by the log.
        factors: Logged dollars for a catalogue dollar, by provider and model that the calls ran on.
        now: What the calls cost on the models they ran on, dollars.
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
    factors: Mapping[tuple[str, str], Fraction]
    now: Decimal
    low: Decimal
    same: Decimal
    high: Decimal
    period_cost: Decimal

    @property
    def saving(self) -> tuple[Decimal, Decimal]:
        """What the switch saves, from (most output) to (least), negative if it costs more."""
        return self.now - self.high, self.now - self.low

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
    billed: BilledCalls | None = None,
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
        billed: The billed calls of the period, so that several questions read them once.

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
    matches: dict[tuple[str, str], Match] = {}
    # Of the calls that ran on a model: how many, and nano-dollars now, with the least, the same and the most output.
    sums: dict[tuple[str, str], Int64s] = {}
    unpriced_calls, unpriced = 0, 0
    for group, tasks in billed or BilledCalls(calls):
        name = group.provider, group.model
        rows = slice(0, len(group.us)) if task is None else tasks.get(task, slice(0, 0))
        if not catalog.knows(*name):
            unpriced_calls += rows.stop - rows.start
            unpriced += int(group.logged[rows].sum())
            continue
        # All calls to a model tell how it is billed, whatever their task, as in the rest of the report.
        own = group.cost(catalog, *name)
        matches.setdefault(name, Match()).add(group.logged, own)
        if rows.stop > rows.start:
            then = group.take(rows).cost(catalog, provider, model, (least, 0, most)).sum(axis=1)
            sums[name] = sums.get(name, 0) + np.array([rows.stop - rows.start, own[rows].sum(), *then])
    period_cost = usd(calls.rows("SELECT sum(cost_usd) AS cost FROM calls")[0]["cost"] or 0)
    factors = {name: matches[name].factor if period_cost else Fraction(1) for name in sums}
    now, low, same, high = (
        dollars_of(round(sum((factors[name] * int(of[i]) for name, of in sums.items()), Fraction(0))))
        for i in range(1, 5)
    )
    return WhatIf(
        task,
        provider,
        model,
        output_percent,
        sum(int(of[0]) for of in sums.values()),
        unpriced_calls,
        dollars_of(unpriced),
        factors,
        now,
        low,
        same,
        high,
        period_cost,
    )


def dollars_of(nanos: int) -> Decimal:
    """Nano-dollars as dollars."""
    return usd(Decimal(nanos).scaleb(-9))
