"""From factors to calls: the base class of patterns."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import date
from importlib.metadata import entry_points
from typing import Annotated, Any, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pydantic import Field

from finops_core.call import SCHEMA
from finops_core.errors import PluginError
from finops_core.parallel import ordered_map
from finops_core.plugin_base import Plugin, hookimpl
from finops_core.simulation.calendar import Calendar
from finops_core.simulation.customers import Customers, Population
from finops_core.simulation.run import Event, Run
from finops_core.simulation.slices import Counts, SliceMaker

Floats = npt.NDArray[np.float64]


class AICallSimulator(Plugin):
    """Base of patterns: a subclass says how many times its normal hourly rate each customer calls.

    The normal rate is a customer's calls a day / 24. The base class draws the customers, multiplies their rates
    with :meth:`factor`, draws Poisson counts and turns them into calls. Left as it is, traffic is steady.
    """

    num_customers: Annotated[int, Field(ge=1, le=100_000)] = 100
    """How many customers call."""
    num_days: Annotated[int, Field(ge=1, le=3660)] = 30
    """How many days are simulated, unless the command says so."""
    seed: Annotated[int, Field(ge=0, le=2**63 - 1)] = 0
    """Another seed makes other customers with other calls."""
    start: date | None = None
    """The first day; by default the whole days before today are simulated."""
    minimum_per_day: Annotated[int, Field(ge=0, le=1000)] = 0
    """Calls that a customer makes at least on each day on which its factor is not zero."""

    def factor(self, customers: Customers, calendar: Calendar) -> npt.ArrayLike:  # noqa: ARG002 - a subclass uses them
        """How many times its normal hourly rate each customer calls in each hour; pure.

        Called once for each block of at most 256 customers.

        Args:
            customers: The block; ``customers.rng(what)`` is its own stream for what is drawn.
            calendar: The hours of the whole period.

        Returns:
            None negative; broadcasts to (customers, hours).
        """
        return 1.0

    def events(self, customers: Customers, calendar: Calendar) -> Iterable[Event]:  # noqa: ARG002 - a subclass uses them
        """What the factor of the same block plants; by default nothing. Pure, like the factor."""
        return ()

    @hookimpl
    def generate_calls(self, run: Run) -> Iterator[pa.RecordBatch]:
        """The calls of this pattern, in time order, as the hook of the same name asks."""
        settled = run.settled(start=self.start, days=self.num_days, seed=self.seed)
        return self._settled(settled)._calls(settled)

    def generate(self, **run: Any) -> pa.Table:
        """All calls at once, for Python without the command line.

        Args:
            run: Fields of :class:`Run`, such as ``start``, ``workers`` or ``source``; the source is the name under
                which the class is installed, else it is derived from the class's name.

        Returns:
            The columns of :data:`finops_core.call.SCHEMA`, in time order.
        """
        batches = list(self.generate_calls(self._own_run(**run)))
        return pa.concat_tables([pa.Table.from_batches([b]).cast(SCHEMA) for b in batches] or [SCHEMA.empty_table()])

    def planted(self, **run: Any) -> pa.Table:
        """What :meth:`generate` with the same arguments plants, in :data:`finops_core.call.EVENT_SCHEMA`."""
        own = self._own_run(**run)
        self.generate_calls(own)
        return own.events()

    def _own_run(self, **run: Any) -> Run:
        return Run(**{"source": source_of(type(self)), **run})

    def _settled(self, run: Run) -> Self:
        """This pattern with the period and the seed of a settled run."""
        return self.model_copy(update={"start": run.start, "num_days": run.days, "seed": run.seed})

    def _calls(self, run: Run) -> Iterator[pa.RecordBatch]:
        population = Population(run, max(1, round(self.num_customers * run.scale)))
        calendar = Calendar(*run.period)
        counts = Counts(population.count, len(calendar))
        for block in population.blocks():
            factor = factor_of(self, block, calendar)
            run.plant(_settle_events(self.events(block, calendar), block, calendar, factor))
            counts.draw(block, factor, self.minimum_per_day)
        maker = SliceMaker(run, population, calendar, counts)
        return ordered_map(maker.make, maker.slices(), run.workers)


def factor_of(pattern: AICallSimulator, block: Customers, calendar: Calendar) -> Floats:
    """The factor of a block of customers, checked; shape (customers, hours).

    Raises:
        PluginError: It is not made of numbers, does not broadcast to that shape, or holds what no factor can be.
    """
    returned = pattern.factor(block, calendar)
    no_numbers = PluginError(
        f"factor returned a value of type {type(returned).__name__}, which is no array of numbers",
        hint="Return one value for each customer and hour, or an array that broadcasts to that.",
    )
    if returned is None:
        raise no_numbers
    try:
        factor = np.asarray(returned, dtype=np.float64)
    except (TypeError, ValueError):
        raise no_numbers from None
    shape = (len(block), len(calendar))
    try:
        factor = np.broadcast_to(factor, shape)
    except ValueError:
        raise PluginError(
            f"the factor has shape {factor.shape}, which does not broadcast to (customers, hours) = {shape}",
            hint="Return one value for each customer and hour, or an array that broadcasts to that.",
        ) from None
    wrong = ~(np.isfinite(factor) & (factor >= 0))
    if wrong.any():
        customer, hour = np.argwhere(wrong)[0].tolist()
        raise PluginError(
            f"the factor holds a negative or non-finite value, first {factor[customer, hour]:g} for "
            f"{block.ids[customer]} at {calendar.at(hour)}",
            hint="A factor says how many times its normal rate a customer calls: 0 or more.",
        )
    return factor


def source_of(pattern: type[Plugin]) -> str:
    """The name under which a pattern class is installed, else its class name in snake case without Simulator."""
    target = f"{pattern.__module__}:{pattern.__qualname__}"
    for entry_point in entry_points(group="finops.patterns"):
        if entry_point.value == target:
            return entry_point.name
    name = pattern.__name__.removesuffix("Simulator") or "pattern"
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower()


def _settle_events(events: Iterable[Event], block: Customers, calendar: Calendar, factor: Floats) -> Iterator[Event]:
    """Events with the factor that was really applied; what the factor silences was not planted."""
    rows = {name: row for row, name in enumerate(block.ids)}
    begin = calendar.at(0)
    for event in events:
        if event.factor is None:
            if event.customer_id not in rows:
                raise PluginError(
                    f"it planted an event of {event.customer_id!r}, who is none of the customers it was asked for",
                    hint="events(customers, calendar) tells of customers.ids alone.",
                )
            first = max(0, int((event.start - begin).total_seconds() // 3600))
            last = len(calendar) if event.end is None else -int(-(event.end - begin).total_seconds() // 3600)
            during = factor[rows[event.customer_id], first:last]
            mean = float(during.mean()) if during.size else 0.0
            if mean > 0:
                yield replace(event, factor=round(mean, 6))
        else:
            yield event
