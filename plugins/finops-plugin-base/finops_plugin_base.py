"""Steady office-hours usage: the baseline of a software business."""

from __future__ import annotations

from typing import Annotated

import numpy as np
import numpy.typing as npt
from pydantic import Field

from finops_core import AICallSimulator, Calendar, Customers

FIRST_HOUR, LAST_HOUR = 8, 20


class BaseSimulator(AICallSimulator):
    """Usage from 8:00 to 20:59, quieter on weekends, with every customer's days a little different."""

    num_customers: Annotated[int, Field(ge=1, le=100_000)] = 100
    """How many customers call."""
    seed: Annotated[int, Field(ge=0, le=2**63 - 1)] = 42
    """Another seed makes other customers with other calls."""
    weekend_factor: Annotated[float, Field(ge=0)] = 0.7
    """Usage on Saturdays and Sundays, times a weekday's."""
    day_spread: Annotated[float, Field(ge=0, le=1)] = 0.2
    """Each customer-day varies uniformly by 1 plus or minus this."""

    def factor(self, customers: Customers, calendar: Calendar) -> npt.NDArray[np.float64]:
        """All of a day's calls in the office hours, evenly; see the page of this plugin."""
        hours = LAST_HOUR - FIRST_HOUR + 1
        office = np.where((calendar.hour >= FIRST_HOUR) & (calendar.hour <= LAST_HOUR), 24 / hours, 0.0)
        week = np.where(calendar.is_weekend, self.weekend_factor, 1.0)
        spread = (1 - self.day_spread, 1 + self.day_spread)
        days = customers.rng("day").uniform(*spread, (len(customers), calendar.days))
        return office * week * days[:, calendar.day]
