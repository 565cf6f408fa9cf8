"""Usage in weekly, daily and monthly cycles."""

from __future__ import annotations

import math
from datetime import timedelta
from typing import Annotated

import numpy as np
import numpy.typing as npt
from pydantic import Field

from finops_core import AICallSimulator, Calendar, Customers

# Monday to Sunday
WEEKLY = (1.3, 1.3, 1.3, 1.0, 1.0, 0.5, 0.5)
# inclusive clock hours: 9-11 is 9:00 to 11:59
DAILY = ((9, 11, 1.4), (13, 15, 1.3), (16, 18, 1.1), (19, 20, 0.8))
OTHER_HOURS = 0.6
MONTH_DAYS = 30


class SeasonalPatternSimulator(AICallSimulator):
    """Usage that follows the week, the working day and the month."""

    num_customers: Annotated[int, Field(ge=1, le=100_000)] = 50
    """How many customers call."""
    seed: Annotated[int, Field(ge=0, le=2**63 - 1)] = 100
    """Another seed makes other customers with other calls."""
    monthly_amplitude: Annotated[float, Field(ge=0, le=1)] = 0.2
    """How far the 30-day wave swings around 1."""

    def factor(self, customers: Customers, calendar: Calendar) -> npt.NDArray[np.float64]:  # noqa: ARG002 - the same for all
        """The seasonal factor of every hour, the same for every customer."""
        return np.array(
            [
                self.seasonal_factor(day, hour)
                for day, hour in zip(calendar.day.tolist(), calendar.hour.tolist(), strict=True)
            ],
            dtype=np.float64,
        )

    def seasonal_factor(self, day: int, hour: int) -> float:
        """Times the normal rate in one hour: weekly x daily x monthly. Override it for seasons of your own.

        Args:
            day: Counts from 0 at the start; ``self.weekday(day)`` is its real weekday.
            hour: The clock hour, 0 to 23.
        """
        return WEEKLY[self.weekday(day)] * self.daily_factor(hour) * self.monthly_factor(day)

    def daily_factor(self, hour: int) -> float:
        """The working day's peaks."""
        return next((factor for first, last, factor in DAILY if first <= hour <= last), OTHER_HOURS)

    def monthly_factor(self, day: int) -> float:
        """1 + amplitude x sin(2 pi day / 30)."""
        # rounded, so that the last bit of a processor's sine cannot change a count
        return round(1 + self.monthly_amplitude * math.sin(2 * math.pi * day / MONTH_DAYS), 12)

    def weekday(self, day: int) -> int:
        """The weekday of a day of the period, 0 is Monday."""
        if self.start is None:
            raise ValueError("the start is not known before the period is: assign simulator.start first")
        return (self.start + timedelta(days=day)).weekday()
