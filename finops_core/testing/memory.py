"""Whether a pattern makes its calls bit by bit, or holds them all at once."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from finops_core.simulation import Run
from finops_core.simulation.slices import SLICE_CALLS
from finops_core.testing.contract import require

CALLS = 50_000
"""Calls of the smaller run: more than a slice has, so that slices are full in both."""
TIMES = 4
"""So many times the customers has the larger run."""
BYTES_PER_CUSTOMER = 768
"""What a customer may take: its name, its properties, its counts of a day, what is planted in it."""


@dataclass
class _Held:
    """What a run came to hold while it handed over its batches."""

    calls: int
    customers: int
    bytes: int
    bytes_per_call: float


def check_memory(simulator: Any, calls: pa.Table, run: Run) -> None:
    """Check that memory does not grow with the number of calls.

    The busiest day of ``calls`` is simulated twice, with customers for some 50,000 calls and with four times as
    many. What is held in the moment at which a batch is handed over may grow by what the further customers take, and
    by one slice more. A pattern that makes the same calls for any ``run.scale`` cannot be measured, and passes.

    Args:
        simulator: The pattern.
        calls: What it made in ``run``.
        run: A settled run.

    Raises:
        AssertionError: Memory grows in proportion to the calls.
    """
    days, counts = np.unique(calls["timestamp"].to_numpy().astype("datetime64[D]"), return_counts=True)
    scale = run.scale * CALLS / int(counts.max())
    day = replace(run, start=days[counts.argmax()].item(), days=1, workers=1)
    small = _held(simulator, replace(day, scale=scale, planted=[]))
    large = _held(simulator, replace(day, scale=TIMES * scale, planted=[]))
    more = large.calls - small.calls
    if more < SLICE_CALLS:
        return
    allowed = SLICE_CALLS * large.bytes_per_call + BYTES_PER_CUSTOMER * (large.customers - small.customers)
    grown = large.bytes - small.bytes
    require(
        grown <= allowed,
        f"with {more:,} more calls it holds {grown / 1e6:.0f} MB more, {grown / more:.0f} bytes for each call",
        "memory does not grow with the number of calls: yield batches of some ten thousand calls as they are made, "
        "and keep none of them",
    )


def _held(simulator: Any, run: Run) -> _Held:
    names: set[str] = set()
    calls, most, bytes_per_call = 0, 0, 0.0
    with _traced():
        before = _now()
        for batch in simulator.generate_calls(run):
            most = max(most, _now() - before)
            if batch.num_rows:
                calls += batch.num_rows
                bytes_per_call = max(bytes_per_call, batch.nbytes / batch.num_rows)
                names.update(pc.unique(batch.column("customer_id")).to_pylist())
    return _Held(calls, len(names), most, bytes_per_call)


def _now() -> int:
    """Bytes that Python, numpy and Arrow hold."""
    return tracemalloc.get_traced_memory()[0] + int(pa.total_allocated_bytes())


@contextmanager
def _traced() -> Iterator[None]:
    if tracemalloc.is_tracing():
        yield
        return
    tracemalloc.start()
    try:
        yield
    finally:
        tracemalloc.stop()
