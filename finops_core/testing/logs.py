"""Two small logs to try an analyzer on: one by hand, one with something planted in it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from typing import Any

import numpy as np
import numpy.typing as npt

from finops_core.ledger.calls import Calls
from finops_core.simulation import AICallSimulator, Calendar, Customers, Event
from finops_core.testing.calls import calls_from

MONDAY = date(2026, 1, 5)
_NAMES = (
    *("timestamp", "customer_id", "organization_id", "subscription_tier", "feature_id"),
    *("provider", "model", "status", "input_tokens", "output_tokens", "latency_ms", "cost_usd"),
)
_ROWS = (
    ("2026-01-05T09:00", "ada", "north", "pro", "chat", "openai", "gpt-5", "success", 1000, 100, 1200, "2.50"),
    ("2026-01-05T09:01", "ada", "north", "pro", "chat", "openai", "gpt-5", "timeout", 1000, 0, 60000, "0"),
    ("2026-01-05T18:30", "bob", "north", "starter", "chat", "openai", "gpt-4o", "success", 500, 50, 400, "0.50"),
    ("2026-01-06T10:00", "ada", "north", "pro", "notes", "google", "gemini-2.5-pro", "success", 4000, 400, 3000, "4"),
    ("2026-01-06T23:59", "cyd", "south", "enterprise", "notes", "openai", "gpt-5", "success", 1000, 100, 1500, "2"),
    ("2026-01-07T00:00", "dee", None, None, None, "openai", "gpt-4o", "success", 1000, 100, 500, "1"),
)
TINY: tuple[dict[str, Any], ...] = tuple(dict(zip(_NAMES, row, strict=True)) for row in _ROWS)
"""Four customers on three days: one call that failed and cost nothing, one that nobody is charged for."""

BURST_HOURS = (10, 13)
BURST_TIMES = 30.0
BURST_DAY = 17
CHURN_DAY = 20


def tiny() -> Calls:
    """The calls of :data:`TINY`."""
    return calls_from(TINY)


class PlantedSimulator(AICallSimulator):
    """Steady traffic in which every third customer bursts and every third leaves.

    Customers 0, 3, 6 and 9 call thirty times as much from 10:00 to 13:00 on day 17 (from 0); customers 1, 4, 7 and
    10 are silent from day 20 on; the others call all the time as they do.
    """

    num_customers: int = 12
    """How many customers call."""
    num_days: int = 28
    """Four weeks."""
    minimum_per_day: int = 1
    """Nobody is silent by chance."""

    def factor(self, customers: Customers, calendar: Calendar) -> npt.NDArray[np.float64]:
        """One, thirty times that in a burst, nothing after a churn; shape (customers, hours)."""
        who = np.arange(len(customers))[:, None] % 3
        first, last = BURST_HOURS
        bursts = (calendar.day == BURST_DAY) & (calendar.hour >= first) & (calendar.hour < last)
        return np.where((who == 0) & bursts, BURST_TIMES, np.where((who == 1) & (calendar.day >= CHURN_DAY), 0.0, 1.0))

    def events(self, customers: Customers, calendar: Calendar) -> Iterator[Event]:
        """A burst or a churn for two of three customers."""
        for row, name in enumerate(customers.ids):
            if row % 3 == 0:
                start, end = (calendar.at(24 * BURST_DAY + hour) for hour in BURST_HOURS)
                yield Event(name, "burst", start, end)
            elif row % 3 == 1:
                yield Event(name, "churn", calendar.at(24 * CHURN_DAY), factor=0.0)


def planted() -> Calls:
    """The calls of :class:`PlantedSimulator` from Monday 2026-01-05 on, with what was planted in them."""
    simulator = PlantedSimulator()
    return Calls.from_arrow(simulator.generate(start=MONDAY), events=simulator.planted(start=MONDAY))
