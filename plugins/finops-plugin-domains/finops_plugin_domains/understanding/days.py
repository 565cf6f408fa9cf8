"""What was used: on each day which models, in the period by whom and for what; and which days are whole."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from functools import cached_property
from statistics import median
from typing import Any

import numpy as np
import numpy.typing as npt

from finops_core import USAGE_COLUMNS, Calls, Period, read_once
from finops_plugin_domains.understanding.usage import SUMS, Usage, added, grouped, usage

SLACK_MINUTES = 30
"""A day at an end of the log is whole unless its calls begin later, or end earlier, than usual by more than this."""


@dataclass(frozen=True)
class Days:
    """Consecutive days up to the one of the last call, with the usage of each.

    Attributes:
        first: The first day.
        models: For each day its usage by provider and model; nothing on a day without calls.
        begins_late: Whether the log begins in the middle of the first day.
        unfinished: How many of the last days are not whole: 1 if the log ends in the middle of a day, else 0.
        history_days: The most days that a forecast is fitted on.
        last_day_covers: From the first to the last call of the last day.
        groups: The usage of the period by each of :data:`~finops_core.USAGE_COLUMNS`.
    """

    first: date
    models: tuple[tuple[Usage, ...], ...]
    begins_late: bool
    unfinished: int
    history_days: int
    last_day_covers: timedelta
    groups: Mapping[str, Sequence[Usage]]

    def date(self, i: int) -> date:
        """The date of the i-th day; those after the last one are still to come."""
        return self.first + timedelta(days=i)

    @cached_property
    def usage(self) -> tuple[Usage, ...]:
        """The usage of each day; a day without calls is all zero."""
        return tuple(added(models) for models in self.models)

    def of(self, period: Period) -> list[Usage]:
        """The usage of every day of a period; days outside of these are zero."""
        start = (period.first - self.first).days
        return [self.usage[i] if 0 <= i < len(self.usage) else added(()) for i in range(start, start + period.days)]

    def models_by_day(self, period: Period) -> list[tuple[Usage, ...]]:
        """The usage of every day of a period by provider and model; nothing on days outside of these."""
        start = (period.first - self.first).days
        return [self.models[i] if 0 <= i < len(self.models) else () for i in range(start, start + period.days)]

    def models_of(self, period: Period) -> list[Usage]:
        """The usage of a period by provider and model, the dearest first."""
        return grouped((u for day in self.models_by_day(period) for u in day), 2)

    @property
    def model_names(self) -> frozenset[tuple[str, str]]:
        """Provider and model of every call."""
        return frozenset((str(u.names[0]), str(u.names[1])) for day in self.models for u in day)

    def costs(self, until: date | None = None) -> npt.NDArray[np.float64]:
        """Dollars of the last whole days up to one of them, or to the last of all: what a forecast is fitted on."""
        end = len(self.usage) - self.unfinished
        if until is not None:
            end = min(end, (until - self.first).days + 1)
        return np.array([float(u.cost) for u in self.usage[max(int(self.begins_late), end - self.history_days) : end]])

    def without_calls(self, period: Period) -> list[Period]:
        """The days of a period on which nobody called, as the longest stretches of them."""
        stretches: list[Period] = []
        for i, u in enumerate(self.of(period)):
            day = period.first + timedelta(days=i)
            if u.calls:
                continue
            if stretches and stretches[-1].last == day - timedelta(days=1):
                stretches[-1] = Period(stretches[-1].first, day)
            else:
                stretches.append(Period(day, day))
        return stretches

    def monthly_rate(self) -> tuple[float, int]:
        """Dollars in 30 days at the mean of the last whole days, and how many these are: at most 30."""
        recent = self.costs()[-30:]
        return float(recent.mean()) * 30, len(recent)


@read_once
def days_of(calls: Calls, history_days: int) -> Days:
    """The days that are reported or compared, and those that a forecast is fitted on: now, and before the later span.

    Raises:
        ValueError: There is no call in the period.
    """
    if calls.period is None or calls.log_period is None or calls.now is None:
        raise ValueError("a period without calls has no days")
    last = calls.now.date()
    first = min(calls.period.first, last - timedelta(days=history_days - 1))
    if calls.comparison is not None:
        before = calls.comparison.previous
        first = min(first, before.first, before.last - timedelta(days=history_days - 1))
    first = max(first, calls.log_period.first)
    days: dict[date, list[dict[str, Any]]] = {}
    for row in _read(calls, first):
        days.setdefault(row["day"], []).append(row)
    groups = {
        column: [usage(row, (row[column],)) for row in calls.usage(column).to_pylist()] for column in USAGE_COLUMNS
    }
    dates = [first + timedelta(days=i) for i in range((last - first).days + 1)]
    models = tuple(tuple(usage(row, (row["provider"], row["model"])) for row in days.get(day, ())) for day in dates)
    begins = {day: min(_minutes(row["first_call"]) for row in rows) for day, rows in days.items()}
    ends = {day: max(_minutes(row["last_call"]) for row in rows) for day, rows in days.items()}
    begins_late = first == calls.log_period.first and _beyond(begins, first) > SLACK_MINUTES
    unfinished = int(last == calls.log_period.last and _beyond(ends, last) < -SLACK_MINUTES)
    covers = max(row["last_call"] for row in days[last]) - min(row["first_call"] for row in days[last])
    return Days(first, models, begins_late, unfinished, history_days, covers, groups)


def _read(calls: Calls, first: date) -> list[dict[str, Any]]:
    """Usage from a day on, by day and model."""
    return calls.rows(
        "SELECT CAST(timestamp AS DATE) AS day, provider, model, min(timestamp) AS first_call, "
        f"max(timestamp) AS last_call, {SUMS} FROM history WHERE timestamp >= $first "
        "GROUP BY CAST(timestamp AS DATE), provider, model",
        first=datetime.combine(first, time()),
    )


def _beyond(minutes: dict[date, float], day: date) -> float:
    """How many minutes later than on the median other day; 0 without another day."""
    others = [value for other, value in minutes.items() if other != day]
    return minutes[day] - median(others) if others else 0.0


def _minutes(moment: datetime) -> float:
    return moment.hour * 60 + moment.minute + moment.second / 60
