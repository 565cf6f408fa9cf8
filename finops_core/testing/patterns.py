"""The contract of patterns, as a check."""

from __future__ import annotations

import math
import re
from datetime import date
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from finops_core.call import NAMES, SCHEMA
from finops_core.catalog import UNBILLED_STATUS
from finops_core.encoding import nanos
from finops_core.errors import PluginError
from finops_core.ledger.periods import Period
from finops_core.money import NANO
from finops_core.simulation import Run
from finops_core.simulation.checks import BatchChecker
from finops_core.testing.contract import Subject, broken, require
from finops_core.testing.memory import check_pattern_memory

PERIOD = Period(date(2026, 1, 5), date(2026, 1, 18))
"""Two weeks, from a Monday to a Sunday."""


def check_pattern(pattern: Any) -> pa.Table:
    """Check that a pattern keeps its contract, over two weeks of January 2026.

    Checked are that it can be made and serves its hook alone, what every run checks of each batch (schema, missing
    values, order in time, the period, tokens, texts), names of customers and calls, the cost of every call by the
    catalogue, planted events, that one and three workers, and a second run, make the same calls, and that memory does
    not grow with the number of calls.

    Args:
        pattern: A class, which is run with its defaults, or an object with parameters of its own (a class with
            very many customers is quicker to check with fewer).

    Returns:
        The calls, for checks of the pattern's own rule.

    Raises:
        AssertionError: Says what is wrong and what the contract is.
    """
    subject = Subject.of("patterns", pattern)
    run = _run(subject)
    calls = _generate(subject, run)
    require(calls.num_rows > 0, f"it made no call in {PERIOD}", "a pattern can only be checked by its calls")
    _check_names(calls, run)
    _check_cost(calls, run)
    _check_events(run)
    for workers, what in ((1, "a second run"), (3, "a run with three workers")):
        again = _run(subject, workers)
        _check_same(calls, _generate(subject, again), f"{what} made other calls")
        _check_same(run.events(), again.events(), f"{what} planted other events")
    check_pattern_memory(subject, calls, run)
    return calls


def _run(subject: Subject, workers: int = 1) -> Run:
    return Run(
        source=subject.name,
        start=PERIOD.first,
        days=PERIOD.days,
        seed=getattr(subject.instance, "seed", 0),
        workers=workers,
    )


def _generate(subject: Subject, run: Run) -> pa.Table:
    checker = BatchChecker(run)
    batches = []
    for batch in subject.iterate(run=run):
        try:
            batches.append(pa.Table.from_batches([checker.check(batch)]).select(NAMES).cast(SCHEMA))
        except PluginError as e:
            raise broken(e.message, e.hint) from e
    return pa.concat_tables(batches or [SCHEMA.empty_table()])


def _check_names(calls: pa.Table, run: Run) -> None:
    for customer in pc.unique(calls["customer_id"]).to_pylist():
        _check_customer(customer, run)
    repeated = calls.num_rows - pc.count_distinct(calls["call_id"]).as_py()
    require(not repeated, f"{repeated} call ids are used again", "a call_id is unique")


def _check_customer(customer: str, run: Run) -> None:
    form = rf"{re.escape(run.source)}-{run.seed}-\d{{5,}}"
    require(
        re.fullmatch(form, str(customer)) is not None,
        f"a customer is called {customer!r}",
        f"customers are called {{source}}-{{seed}}-{{index:05d}}, here {run.source}-{run.seed}-00000 and on",
    )


def _check_cost(calls: pa.Table, run: Run) -> None:
    catalogue = run.catalog.costs(calls)
    for row in _first(calls, catalogue < 0):
        raise broken(
            f"model {row['model']!r} of provider {row['provider']!r} has no price",
            "every simulated model is in the catalogue",
        )
    unbilled = pc.is_in(calls["status"], value_set=pa.array(sorted(UNBILLED_STATUS))).to_numpy()
    expected = np.where(unbilled, 0, catalogue)
    wrong = nanos(calls["cost_usd"].combine_chunks()) != expected
    for row in _first(calls, wrong):
        raise broken(
            f"{wrong.sum()} of {calls.num_rows} calls cost something else than the catalogue says, the first "
            f"({row['model']}, {row['status']}) {row['cost_usd']} instead of {int(expected[wrong][0]) * NANO}",
            f"cost_usd is run.catalog's price of the call's tokens at its time, and 0 for {sorted(UNBILLED_STATUS)}",
        )


def _first(calls: pa.Table, where: npt.NDArray[np.bool_]) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = calls.filter(pa.array(where)).slice(0, 1).to_pylist()
    return rows


def _check_events(run: Run) -> None:
    for event in run.events().to_pylist():
        _check_customer(event["customer_id"], run)
        what = f"the {event['kind'] or 'unnamed'} of {event['customer_id']}"
        require(bool(event["kind"]), f"an event of {event['customer_id']} has no kind", "an event says what it is")
        require(
            PERIOD.start <= event["start"] < PERIOD.end and (event["end"] is None or event["end"] <= PERIOD.end),
            f"{what} lasts from {event['start']} to {event['end']}, outside {PERIOD}",
            "events are inside the period; one without an end lasts for good",
        )
        require(
            event["end"] is None or event["start"] < event["end"],
            f"{what} ends ({event['end']}) before it begins ({event['start']})",
            "an event begins before it ends",
        )
        require(
            event["factor"] is not None and 0 <= event["factor"] < math.inf,
            f"{what} has the factor {event['factor']}",
            "an event's factor is a number of times the normal rate, 0 or more",
        )


def _check_same(one: pa.Table, other: pa.Table, what_is_wrong: str) -> None:
    require(
        one.num_rows == other.num_rows,
        f"{what_is_wrong}: {other.num_rows} instead of {one.num_rows}",
        "the same run makes the same calls and events, for any number of workers",
    )
    differing = [name for name in one.column_names if not one[name].equals(other[name])]
    require(
        not differing,
        f"{what_is_wrong}: they differ in {', '.join(differing)}",
        "draw from run.rng(what, ...) or customers.rng(what) only, and never use the clock",
    )
