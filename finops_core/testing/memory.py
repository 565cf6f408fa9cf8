"""Whether a pattern makes its calls bit by bit or holds them all at once, and whether an analyzer counts in SQL."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from finops_core.ledger.calls import Calls
from finops_core.simulation import Run
from finops_core.simulation.slices import SLICE_CALLS
from finops_core.testing.contract import Subject, require

CALLS = 50_000
"""Calls of the smaller run: more than a slice has, so that slices are full in both."""
TIMES = 4
"""So many times the customers has the larger run."""
BYTES_PER_CUSTOMER = 768
"""What a customer may take: its name, its properties, its counts of a day, what is planted in it."""


BYTES_PER_CALL = 100
"""What an analyzer may take for a further call: some columns as numpy arrays, but no Python object."""


@dataclass
class _Held:
    """What a run came to hold while it handed over its batches."""

    calls: int
    customers: int
    bytes: int
    bytes_per_call: float


def check_pattern_memory(pattern: Subject, calls: pa.Table, run: Run) -> None:
    """Check that memory does not grow with the number of calls.

    The busiest day of ``calls`` is simulated twice, with customers for some 50,000 calls and with four times as
    many. What is held in the moment at which a batch is handed over may grow by what the further customers take, and
    by one slice more. A pattern that makes the same calls for any ``run.scale`` cannot be measured, and passes.

    Args:
        pattern: The pattern.
        calls: What it made in ``run``.
        run: A settled run.

    Raises:
        AssertionError: Memory grows in proportion to the calls.
    """
    days, counts = np.unique(calls["timestamp"].to_numpy().astype("datetime64[D]"), return_counts=True)
    scale = run.scale * CALLS / int(counts.max())
    day = replace(run, start=days[counts.argmax()].item(), days=1, workers=1)
    small = _held(pattern, replace(day, scale=scale, planted=[]))
    large = _held(pattern, replace(day, scale=TIMES * scale, planted=[]))
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


def check_analyzer_memory(analyzer: Subject, log: pa.Table) -> None:
    """Check that an analyzer holds no Python object for each call.

    The log is analyzed once as it is and once with every call four times.

    Args:
        analyzer: The analyzer.
        log: Calls in the call schema.

    Raises:
        AssertionError: What Python and numpy hold at most grows by more than 100 bytes a call.
    """
    small, large = (_peak(analyzer, _repeated(log, times)) for times in (1, TIMES))
    more = (TIMES - 1) * log.num_rows
    grown = large - small
    require(
        grown <= BYTES_PER_CALL * more,
        f"with {more:,} more calls it holds {grown / 1e6:.0f} MB more, {grown / more:.0f} bytes for each call",
        "memory does not grow with the number of calls: count and add up in SQL, and make no Python object of a call",
    )


def _repeated(log: pa.Table, times: int) -> pa.Table:
    """Every call as often, under ids of its own."""
    field = log.schema.field("call_id")
    copies = [
        log.set_column(
            log.schema.get_field_index(field.name),
            field,
            pc.binary_join_element_wise(log[field.name], str(number), "_"),
        )
        for number in range(times)
    ]
    return pa.concat_tables(copies)


def _peak(analyzer: Subject, log: pa.Table) -> int:
    calls = Calls.from_arrow(log)
    with _traced():
        before = tracemalloc.get_traced_memory()[0]
        tracemalloc.reset_peak()
        analyzer.call(f"{log.num_rows} calls", calls=calls)
        return tracemalloc.get_traced_memory()[1] - before


def _held(pattern: Subject, run: Run) -> _Held:
    names: set[str] = set()
    calls, most, bytes_per_call = 0, 0, 0.0
    with _traced():
        before = _now()
        for batch in pattern.iterate(run=run):
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
