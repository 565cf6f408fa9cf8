"""Grouping calls so that each group of a model has one price per token."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, time

import numpy as np
import numpy.typing as npt

from finops_core import Catalog, Price, Rate

CLASSES = ("uncached", "cache_read", "cache_write", "output")
"""Classes of tokens that have prices of their own."""

USD_PER_FEMTO = 1e-15


@dataclass(frozen=True)
class PriceSteps:
    """Where prices differ among the calls of a model: by date, by time of day, by the size of the input.

    Calls are grouped by ``step``, one number for the three; within a step a model has one price. Only the models whose
    prices differ in a way are grouped that way.
    """

    first: datetime
    dates: tuple[datetime, ...]
    minutes: tuple[int, ...]
    inputs: tuple[int, ...]
    dated: tuple[str, ...]
    timed: tuple[str, ...]
    tiered: tuple[str, ...]

    @classmethod
    def of(cls, catalog: Catalog, models: Iterable[tuple[str, str]], start: datetime, end: datetime) -> PriceSteps:
        """The steps of all models between ``start`` and ``end``."""
        dates: dict[datetime, set[str]] = {}
        minutes: dict[int, set[str]] = {}
        inputs: dict[int, set[str]] = {}
        for provider, model in models:
            if not catalog.knows(provider, model):
                continue
            changed = [datetime.combine(d, time()) for d in catalog.changes(provider, model)]
            changed = [moment for moment in changed if start < moment < end]
            times = catalog.daily_changes(provider, model)
            for moment in changed:
                dates.setdefault(moment, set()).add(model)
            for t in times:
                minutes.setdefault(t.hour * 60 + t.minute, set()).add(model)
            for day in (start, *changed):
                for at in (day, *(datetime.combine(day.date(), t) for t in times)):
                    for rate in _rates(catalog.price(provider, model, at)):
                        for threshold, _ in rate.tiers:
                            inputs.setdefault(threshold, set()).add(model)
        return cls(
            start,
            tuple(sorted(dates)),
            tuple(sorted(minutes)),
            tuple(sorted(inputs)),
            *(tuple(sorted(set().union(*by.values()))) for by in (dates, minutes, inputs)),
        )

    @property
    def sql(self) -> str:
        """The step of a call: how many of the dates, times and input sizes it is past, as one number."""
        minute = "hour(timestamp) * 60 + minute(timestamp)"
        day = self._passed("dated", self.dated, [f"timestamp >= TIMESTAMP '{d}'" for d in self.dates])
        moment = self._passed("timed", self.timed, [f"{minute} >= {m}" for m in self.minutes])
        size = self._passed("tiered", self.tiered, [f"input_tokens > {i}" for i in self.inputs])
        return f"({day} * {len(self.minutes) + 1} + {moment}) * {len(self.inputs) + 1} + {size}"

    @property
    def values(self) -> dict[str, str]:
        """What the ``$name`` of :attr:`sql` stand for."""
        kinds = (("dated", self.dated), ("timed", self.timed), ("tiered", self.tiered))
        return {f"{kind}_{i}": model for kind, models in kinds for i, model in enumerate(models)}

    @staticmethod
    def _passed(kind: str, models: tuple[str, ...], conditions: list[str]) -> str:
        if not models:
            return "0"
        those = ", ".join(f"${kind}_{i}" for i in range(len(models)))
        passed = " + ".join(f"CASE WHEN {condition} THEN 1 ELSE 0 END" for condition in conditions)
        return f"CASE WHEN model IN ({those}) THEN {passed} ELSE 0 END"

    def prices(self, catalog: Catalog, provider: str, model: str, step: int) -> npt.NDArray[np.float64]:
        """Dollars per token of each class for the calls of a step; NaN where the model has no price."""
        rest, size = divmod(step, len(self.inputs) + 1)
        day, moment = divmod(rest, len(self.minutes) + 1)
        minute = (0, *self.minutes)[moment]
        at = (self.first, *self.dates)[day].replace(hour=minute // 60, minute=minute % 60)
        if not catalog.knows(provider, model):
            return np.full(len(CLASSES), np.nan)
        passed = self.inputs[size - 1] if size else -1
        return np.array([_at(rate, passed) for rate in _rates(catalog.price(provider, model, at))]) * USD_PER_FEMTO


def _rates(price: Price) -> tuple[Rate, ...]:
    """The price of each of :data:`CLASSES`."""
    return price.input, price.cache_read, price.cache_write, price.output


def _at(rate: Rate, passed: int) -> int:
    """The price per token, in femto-dollars, of a call whose input is larger than ``passed``."""
    return [rate.base, *(price for threshold, price in rate.tiers if threshold <= passed)][-1]
