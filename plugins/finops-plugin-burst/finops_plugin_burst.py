"""Quiet customers with sudden bursts: batch jobs, loops, launches."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, NamedTuple, Self

import numpy as np
import numpy.typing as npt
from pydantic import Field, PositiveFloat, model_validator

from finops_core import AICallSimulator, Calendar, Customers, Event

WINDOW_HOURS = (1, 3)


class Bursts(NamedTuple):
    """The bursts of a block of customers: who, on which day, in which hours of it, how large; each shape (bursts,)."""

    customer: npt.NDArray[np.int64]
    day: npt.NDArray[np.int64]
    first_hour: npt.NDArray[np.int64]
    hours: npt.NDArray[np.int64]
    multiplier: npt.NDArray[np.float64]


class BurstTrafficSimulator(AICallSimulator):
    """Low usage, and now and then a day on which everything happens within a few hours."""

    num_customers: Annotated[int, Field(ge=1, le=100_000)] = 30
    """How many customers call."""
    seed: Annotated[int, Field(ge=0, le=2**63 - 1)] = 200
    """Another seed makes other customers with other calls."""
    burst_probability: Annotated[float, Field(ge=0, le=1)] = 0.15
    """How likely each customer-day is a burst day."""
    burst_multiplier: tuple[PositiveFloat, PositiveFloat] = (5, 20)
    """A burst day has between this and this times the normal day's calls, uniformly."""
    quiet_factor: Annotated[float, Field(ge=0)] = 0.2
    """Usage on other days, times normal."""

    @model_validator(mode="after")
    def _ascending(self) -> Self:
        if self.burst_multiplier[0] > self.burst_multiplier[1]:
            raise ValueError("burst_multiplier: the smaller number comes first")
        return self

    def factor(self, customers: Customers, calendar: Calendar) -> npt.NDArray[np.float64]:
        """Quiet days, and burst days whose calls all lie inside one window of one to three whole hours."""
        bursts = self.bursts(customers, calendar)
        factor = np.full((len(customers), calendar.days, 24), self.quiet_factor)
        hour = np.arange(24)
        inside = (hour >= bursts.first_hour[:, None]) & (hour < (bursts.first_hour + bursts.hours)[:, None])
        factor[bursts.customer, bursts.day] = np.where(inside, (bursts.multiplier * 24 / bursts.hours)[:, None], 0)
        return factor.reshape(len(customers), len(calendar))

    def events(self, customers: Customers, calendar: Calendar) -> Iterator[Event]:
        """One event for each burst."""
        for customer, day, first, hours, _ in zip(*(a.tolist() for a in self.bursts(customers, calendar)), strict=True):
            begin = 24 * day + first
            yield Event(customers.ids[customer], "burst", calendar.at(begin), calendar.at(begin + hours))

    def bursts(self, customers: Customers, calendar: Calendar) -> Bursts:
        """Where the bursts are; the same for the same block of customers."""
        days = (len(customers), calendar.days)
        customer, day = np.nonzero(customers.rng("burst_day").random(days) < self.burst_probability)
        hours = customers.rng("burst_hours").integers(*WINDOW_HOURS, days, endpoint=True)[customer, day]
        place = customers.rng("burst_start").random(days)[customer, day]
        multiplier = customers.rng("burst_multiplier").uniform(*self.burst_multiplier, days)[customer, day]
        # a window lies inside its day: 24 - hours + 1 starts fit
        return Bursts(customer, day, (place * (25 - hours)).astype(np.int64), hours, multiplier)
