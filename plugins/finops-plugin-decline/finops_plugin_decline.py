"""Shrinking usage and churn: what a retention team looks for."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

import numpy as np
import numpy.typing as npt
from pydantic import Field

from finops_core import AICallSimulator, Calendar, Customers, Event

CUSTOMER_FACTOR = (0.7, 1.0)


class GradualDeclineSimulator(AICallSimulator):
    """Usage that shrinks week by week, by customers who leave one after the other."""

    num_customers: Annotated[int, Field(ge=1, le=100_000)] = 40
    """How many customers call."""
    seed: Annotated[int, Field(ge=0, le=2**63 - 1)] = 300
    """Another seed makes other customers with other calls."""
    decline_rate: Annotated[float, Field(ge=0, lt=1)] = 0.03
    """The part of usage that is lost in a week."""
    churn_probability: Annotated[float, Field(ge=0, le=1)] = 0.02
    """How likely a customer leaves after each day, never to call again."""
    minimum_per_day: Annotated[int, Field(ge=0, le=1000)] = 1
    """Calls that a customer makes at least on each day before it leaves."""

    def factor(self, customers: Customers, calendar: Calendar) -> npt.NDArray[np.float64]:
        """(1 - decline rate) ^ (day / 7) x a constant of 0.7 to 1.0 for each customer; 0 after it left."""
        # rounded, so that the last bit of a processor's power cannot change a count
        remaining = np.round((1 - self.decline_rate) ** (np.arange(calendar.days) / 7), 12)
        own = customers.rng("customer_factor").uniform(*CUSTOMER_FACTOR, (len(customers), 1))
        active = np.arange(calendar.days) < self.silent_from(customers, calendar)[:, None]
        return (remaining * own * active)[:, calendar.day]

    def events(self, customers: Customers, calendar: Calendar) -> Iterator[Event]:
        """A churn for each customer who left within the period, from its first silent day on."""
        for name, day in zip(customers.ids, self.silent_from(customers, calendar).tolist(), strict=True):
            if day < calendar.days:
                yield Event(name, "churn", calendar.at(24 * day), factor=0.0)

    def silent_from(self, customers: Customers, calendar: Calendar) -> npt.NDArray[np.int64]:
        """Each customer's first silent day, shape (customers,); the number of days for those who stay."""
        leaves = customers.rng("churn").random((len(customers), calendar.days)) < self.churn_probability
        return np.where(leaves.any(axis=1), leaves.argmax(axis=1) + 1, calendar.days)
