"""What a pattern's calls look like hour by hour, to measure its factor in the data."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from finops_core.simulation import AICallSimulator, Run
from finops_core.simulation.customers import Population
from finops_core.simulation.simulator import source_of

HOUR_US = 3_600_000_000


def hourly_calls(simulator: AICallSimulator, **run: Any) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:
    """Generate a pattern's calls and count them by customer and hour, in bounded memory.

    Args:
        simulator: With as many customers and days as the measurement needs.
        run: Fields of :class:`finops_core.Run`, such as ``start``.

    Returns:
        The calls, shape (customers, hours), and each customer's normal calls an hour, shape (customers, 1): their
        quotient is the factor, within the counting noise.
    """
    settled = Run(**{"source": source_of(type(simulator)), "workers": 2, **run}).settled(
        start=simulator.start, days=simulator.num_days, seed=simulator.seed
    )
    start, days = settled.period
    begin = int(np.datetime64(start, "us").astype(np.int64))
    population = Population(settled, simulator.num_customers)
    counts = np.zeros(simulator.num_customers * days * 24, dtype=np.int64)
    for batch in simulator.generate_calls(settled):
        customer = np.array([int(i[-5:]) for i in batch.column("customer_id").dictionary.to_pylist()])
        row = customer[batch.column("customer_id").indices.to_numpy()]
        hour = (batch.column("timestamp").cast(pa.int64()).to_numpy() - begin) // HOUR_US
        counts += np.bincount(row * days * 24 + hour, minlength=len(counts))
    return counts.reshape(simulator.num_customers, days * 24), population.calls_per_day[:, None] / 24
