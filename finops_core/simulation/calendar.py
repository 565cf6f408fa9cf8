"""The hours of a simulated period, as arrays."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from functools import cached_property

import numpy as np
import numpy.typing as npt


class Calendar:
    """Every hour of a period of whole UTC days; all arrays have shape (hours,) with hours = 24 x days.

    Attributes:
        start: The first day.
        days: How many days.
    """

    def __init__(self, start: date, days: int) -> None:
        self.start = start
        self.days = days

    def __len__(self) -> int:
        return 24 * self.days

    @cached_property
    def day(self) -> npt.NDArray[np.int64]:
        """The day, counted from 0 at the start."""
        return np.repeat(np.arange(self.days), 24)

    @cached_property
    def hour(self) -> npt.NDArray[np.int64]:
        """The clock hour, 0 to 23."""
        return np.tile(np.arange(24), self.days)

    @cached_property
    def weekday(self) -> npt.NDArray[np.int64]:
        """The day of the week, 0 is Monday."""
        return (self.start.weekday() + self.day) % 7

    @cached_property
    def is_weekend(self) -> npt.NDArray[np.bool_]:
        """Whether it is Saturday or Sunday."""
        return self.weekday >= 5

    @cached_property
    def date(self) -> npt.NDArray[np.datetime64]:
        """The date."""
        return np.datetime64(self.start, "D") + self.day

    def at(self, hour: int) -> datetime:
        """The moment at which an hour, counted from the start, begins; one past the last hour is the end."""
        return datetime.combine(self.start, time()) + timedelta(hours=hour)
