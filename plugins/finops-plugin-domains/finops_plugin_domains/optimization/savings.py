"""What could be saved on calls, measure by measure, and together without counting a call twice.

A measure is one of :data:`MEASURES`. What each saves alone is worked out call by call in whole nano-dollars.
Together, a call that several measures would make cheaper counts once, with the largest of its savings; a call
that the switch of its task makes dearer counts that loss in full. So what is counted never exceeds the sum.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

import numpy as np
import numpy.typing as npt

from finops_core import Period
from finops_plugin_domains.optimization.billed import Int64s
from finops_plugin_domains.optimization.repricing import dollars_of

MEASURES = ("switch", "cache", "batch", "failed")
CAUTIOUS, HOPEFUL = 0, 1
ENDS = (CAUTIOUS, HOPEFUL)


@dataclass(frozen=True)
class Plan:
    """The terms under which savings are worked out.

    Attributes:
        output_percent: The assumed change of output tokens after a switch, from and to, in percent.
        prefix_tokens: The least repeated prefix that providers cache.
        batch_percent: The discount for batches of each provider that has one.
        batch_tasks: The tasks that can wait.
        bins_per_day: In how many equal parts a day's savings are kept.
    """

    output_percent: tuple[int, int]
    prefix_tokens: int
    batch_percent: Mapping[str, float]
    batch_tasks: frozenset[str]
    bins_per_day: int = 1

    def waits(self, task: str | None, provider: str) -> bool:
        """Whether a task's calls to a provider can go in batches."""
        return task in self.batch_tasks and provider in self.batch_percent


@dataclass
class Bins:
    """Amounts over the equal stretches of a period, mostly nano-dollars; a call's are at the stretch of its start."""

    period: Period
    per_day: int = 1
    amounts: Int64s = field(init=False)

    def __post_init__(self) -> None:
        self.amounts = np.zeros(self.period.days * self.per_day, dtype=np.int64)

    def of(self, us: Int64s) -> Int64s:
        """The stretch that each moment lies in."""
        start = int((self.period.start - datetime(1970, 1, 1)).total_seconds()) * 1_000_000
        bins: Int64s = (us - start) // (86_400_000_000 // self.per_day)
        return bins

    def count(self, stretches: Int64s) -> None:
        """Count calls in these stretches."""
        self.amounts += np.bincount(stretches, minlength=len(self.amounts))

    def within(self, span: Period) -> Int64s:
        """The amounts of the stretches of a span."""
        first = (span.first - self.period.first).days * self.per_day
        return self.amounts[first : first + span.days * self.per_day]

    def total(self, span: Period) -> int:
        """The amount of a span."""
        return int(self.within(span).sum())

    def days(self) -> Int64s:
        """The amount of each day."""
        days: Int64s = self.amounts.reshape(self.period.days, self.per_day).sum(axis=1)
        return days


@dataclass
class Outcome:
    """What a group of calls would save, under one choice of model for it.

    Attributes:
        alone: For each end of the range, nano-dollars of each measure as if it were the only one.
        counted: The same with every call counted once.
        over_time: What is counted, for each end, in stretches of the period.
        now: Catalogue cost of the calls on their present model, in logged dollars (nano).
    """

    over_time: tuple[Bins, Bins]
    alone: tuple[dict[str, int], dict[str, int]] = field(
        default_factory=lambda: (dict.fromkeys(MEASURES, 0), dict.fromkeys(MEASURES, 0))
    )
    counted: tuple[dict[str, int], dict[str, int]] = field(
        default_factory=lambda: (dict.fromkeys(MEASURES, 0), dict.fromkeys(MEASURES, 0))
    )
    now: int = 0
    same: int = 0
    """What the switch saves with as many output tokens as logged, nano-dollars."""

    def saving(self, end: int) -> Decimal:
        """What the switch alone saves at an end of the range, dollars."""
        return dollars_of(self.alone[end]["switch"])

    def add(self, end: int, savings: Mapping[str, Int64s], bins: Int64s) -> None:
        """Add calls whose measures save so much each, at one end of the range; a measure left out saves nothing."""
        if not savings:
            return
        once, winner = count_once(savings)
        counted = np.zeros(len(savings), dtype=np.int64)
        np.add.at(counted, winner, once)
        for (measure, amounts), nanos in zip(savings.items(), counted.tolist(), strict=True):
            self.alone[end][measure] += int(amounts.sum())
            self.counted[end][measure] += nanos
        np.add.at(self.over_time[end].amounts, bins, once)


def count_once(savings: Mapping[str, Int64s]) -> tuple[Int64s, npt.NDArray[np.intp]]:
    """What each call saves if several measures are taken and no dollar is counted twice.

    Args:
        savings: What each measure saves alone, shape (calls,). Only ``switch`` may be negative, and then comes first:
            it is decided for all calls of a task together, and its loss on a call cannot be declined.

    Returns:
        The saving of each call, and the position of the measure that it comes from, shape (calls,).
    """
    first, *others = savings.values()
    once, winner = first, np.zeros(len(first), dtype=np.intp)
    for i, amounts in enumerate(others, 1):
        larger = (amounts > once) & (first >= 0)
        once, winner = np.where(larger, amounts, once), np.where(larger, i, winner)
    return once, winner
