"""Several patterns over the same customers: their factors multiply."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Self

import numpy as np
from pydantic import PrivateAttr

from finops_core.errors import UsageError
from finops_core.simulation.calendar import Calendar
from finops_core.simulation.customers import Customers
from finops_core.simulation.run import Event, Run
from finops_core.simulation.simulator import AICallSimulator, Floats, factor_of

JOINED_BY = "+"


@dataclass(frozen=True)
class Member:
    """A pattern within a mix.

    Attributes:
        name: The pattern's name; its random streams are kept apart by it.
        pattern: Its parameters.
        contained: Makes the context in which its methods run, given what they are to do, so that whoever loaded the
            pattern can put its name on what it raises.
    """

    name: str
    pattern: AICallSimulator
    contained: Callable[[str], AbstractContextManager[Any]] = nullcontext


class Mix(AICallSimulator):
    """A pattern like any other, whose factor is the product of its members' factors.

    The first member gives the number of customers, the seed and the period; the largest minimum of calls a day
    holds. Each member draws from streams of its own within those of the mix's run.
    """

    _members: tuple[Member, ...] = PrivateAttr(default=())

    @classmethod
    def of(cls, members: Sequence[Member]) -> Mix:
        """A mix of patterns; of their order only who comes first matters.

        Raises:
            UsageError: There are fewer than two, one is named twice, or one is more than a factor.
        """
        names = mix_names(member.name for member in members)
        by_name = {member.name: member for member in members}
        for member in members:
            _check_mixable(member)
        first = members[0].pattern
        # the values were checked by their own classes, which may allow more than the base class does
        mixed = cls.model_construct(
            num_customers=first.num_customers,
            num_days=first.num_days,
            seed=first.seed,
            start=first.start,
            minimum_per_day=max(member.pattern.minimum_per_day for member in members),
        )
        mixed._members = tuple(by_name[name] for name in names)
        return mixed

    @property
    def source(self) -> str:
        """The name under which the mix runs, such as ``seasonal+burst``."""
        return JOINED_BY.join(member.name for member in self._members)

    def factor(self, customers: Customers, calendar: Calendar) -> Floats:
        """The product of the members' factors, shape (customers, hours)."""
        product = np.ones((len(customers), len(calendar)))
        for member in self._members:
            with member.contained(f"factor in {self.source}"):
                product *= factor_of(member.pattern, customers.member(member.name), calendar)
        return product

    def events(self, customers: Customers, calendar: Calendar) -> list[Event]:
        """What the members plant, but what begins after a customer has fallen silent for good.

        A factor of 0 that a member declares, such as a churn's, stays 0 whatever it is multiplied with. Any other
        is left open, so that it becomes the mean of the product.
        """
        planted: list[Event] = []
        for member in self._members:
            with member.contained(f"events in {self.source}"):
                planted += member.pattern.events(customers.member(member.name), calendar)
        planted.sort(key=lambda event: event.start)
        silent_from: dict[str, datetime] = {}
        kept = []
        for event in planted:
            if event.customer_id in silent_from:
                continue
            if event.factor == 0 and event.end is None:
                silent_from[event.customer_id] = event.start
            kept.append(event if event.factor == 0 else replace(event, factor=None))
        return kept

    def _settled(self, run: Run) -> Self:
        mixed = super()._settled(run)
        shared = {"num_customers": self.num_customers}
        mixed._members = tuple(
            replace(member, pattern=member.pattern._settled(run).model_copy(update=shared)) for member in self._members
        )
        return mixed

    def _own_run(self, **run: Any) -> Run:
        return super()._own_run(**{"source": self.source, **run})


def mix(**patterns: AICallSimulator) -> AICallSimulator:
    """Several patterns over the same customers, as one pattern: ``mix(seasonal=..., burst=...)``.

    Their factors multiply. Customers, seed and period come from the first; events carry the product's mean factor.

    Args:
        patterns: At least two, by the names under which their random streams are kept apart.

    Raises:
        UsageError: There are fewer than two, or one is more than a factor.
    """
    return Mix.of([Member(name, pattern) for name, pattern in patterns.items()])


def mix_names(names: Iterable[str]) -> tuple[str, ...]:
    """The names of a mix's members in the one order that they run in: the first, then the others by alphabet.

    Raises:
        UsageError: There are fewer than two names, or one is given twice.
    """
    first, *others = [*names] or [""]
    if not others:
        raise UsageError(
            f"a mix of {first!r} alone is no mix",
            hint=f"Name two patterns or more, such as seasonal{JOINED_BY}burst.",
        )
    for name in others:
        if [first, *others].count(name) > 1:
            raise UsageError(
                f"a mix names {name!r} twice", hint="Name each pattern once: a mix multiplies different ones."
            )
    return first, *sorted(others)


def _check_mixable(member: Member) -> None:
    kind = type(member.pattern)
    if not isinstance(member.pattern, AICallSimulator) or kind.generate_calls is not AICallSimulator.generate_calls:
        raise UsageError(
            f"pattern {member.name!r} cannot be mixed: it makes its calls itself, and only factors multiply",
            hint="Leave it out of the mix, or run it by itself with --plugins.",
        )
