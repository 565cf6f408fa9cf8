"""The contract of analyzers, as a check."""

from __future__ import annotations

import math
import os
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from decimal import Decimal
from functools import cache
from typing import Any

import numpy as np
import pyarrow as pa

from finops_core.analyzer import Analyzer
from finops_core.ledger.calls import Calls
from finops_core.ledger.periods import PeriodChoice
from finops_core.report import MAX_ROWS, Report, Table
from finops_core.simulation import AICallSimulator
from finops_core.testing.calls import calls_from
from finops_core.testing.contract import Subject, require
from finops_core.testing.memory import check_analyzer_memory

START = date(2026, 1, 5)
DAYS = 35
"""Long enough for weeks to be compared with weeks."""

HOSTILE = (
    "<script>alert(1)</script>",
    "'; DROP VIEW calls; --",
    '=HYPERLINK("http://x.test")',
    "{{ 7 * 7 }}",
    "$name %s \\ \" '",
    "名前 \u202eemag",
)
"""Names as an attacker, or bad luck, would write them into a log."""

NAMED_COLUMNS = ("customer_id", "organization_id", "product_id", "feature_id", "model", "subscription_tier", "region")

RELATIVE = 1e-9
"""Floating-point sums depend on the order of their terms in the last digits, and nothing else may."""


def check_analyzer(analyzer: Any) -> Report:
    """Check that an analyzer keeps its contract.

    Checked are that it can be made and serves its hook alone, the empty log, a period without calls, logs of a single
    call, tables that add up and have at most 20,000 rows, that the report depends neither on the order of rows nor on
    the machine's time zone, that names and titles are text and never markup, numbers that are none, the way through
    JSON and back, and that memory does not grow with the number of calls.

    Args:
        analyzer: A class, which is used with its defaults, or an object with parameters of its own.

    Returns:
        The report on 35 days of simulated calls with hostile names among them.

    Raises:
        AssertionError: Says what is wrong and what the contract is.
    """
    it = Subject.of("analyzers", analyzer)
    _check_without_calls(it)
    for row in ({}, {"status": "server_error"}, {"cost_usd": "12.5", "input_tokens": 1000, "output_tokens": 10}):
        _analyze(it, calls_from([row]), f"a log of the single call {row}")

    log = sample_calls()
    report = _analyze(it, Calls.from_arrow(log), "35 days of simulated calls")
    require(report.state == "ready", f"on {log.num_rows} calls its state is {report.state!r}", "it answers")
    for table in _tables(report):
        _check_adds_up(table)
    _check_text(report)
    shuffled = log.take(np.random.Generator(np.random.PCG64(1)).permutation(log.num_rows))
    _check_same(report, _analyze(it, Calls.from_arrow(shuffled), "shuffled rows"), "the order of the log's rows")
    with _time_zone("America/New_York"):
        abroad = _analyze(it, Calls.from_arrow(log), "the time zone of New York")
    _check_same(report, abroad, "the machine's time zone")
    check_analyzer_memory(it, log)
    return report


@cache
def sample_calls() -> pa.Table:
    """35 days of calls by ten customers: some unallocated, some failed, some with hostile names, in one log."""
    simulator = AICallSimulator(num_customers=10, num_days=DAYS, seed=11)
    table = simulator.generate(start=START, source="sample")
    rng = np.random.Generator(np.random.PCG64(7))
    for name in NAMED_COLUMNS:
        hit = rng.random(table.num_rows) < 0.03
        names = np.array(HOSTILE)[rng.integers(0, len(HOSTILE), table.num_rows)]
        given = table[name].to_numpy()
        missing = (rng.random(table.num_rows) < 0.02) & table.schema.field(name).nullable
        values = pa.array(np.where(hit, names, given), pa.string(), mask=missing)
        table = table.set_column(table.schema.get_field_index(name), table.schema.field(name), values)
    return table


def _analyze(analyzer: Subject, calls: Calls, on: str) -> Report:
    report: Report = analyzer.call(on, calls=calls)
    require(isinstance(report, Report), f"on {on} it returned a {type(report).__name__}", "analyze returns a Report")
    require(report.state != "failed", f"on {on} its report is 'failed'", "an analyzer that fails raises")
    if isinstance(analyzer.instance, Analyzer):
        name = analyzer.instance.report_name
        require(
            report.name == name,
            f"on {on} the report is called {report.name!r}",
            f"it is always called by the report_name, {name!r}",
        )
    for table in _tables(report):
        require(
            len(table.rows) <= MAX_ROWS,
            f"on {on}, table {table.id!r} has {len(table.rows):,} rows",
            f"a table has at most {MAX_ROWS:,} rows; Table.of keeps the first ones and adds up the others",
        )
    for place, value in _leaves(report):
        require(
            not isinstance(value, float) or math.isfinite(value),
            f"on {on}, {place} is {value}",
            "a number that is not known is None, never NaN or infinity",
        )
    require(
        Report.model_validate_json(report.model_dump_json()) == report,
        f"on {on} the report is another one after it went through JSON",
        "a report is data; a number has the form of its unit",
    )
    return report


def _tables(report: Report) -> list[Table]:
    return [block for section in report.sections for block in section.blocks if isinstance(block, Table)]


def _check_without_calls(analyzer: Subject) -> None:
    later = START + timedelta(days=400)
    for on, calls in (
        ("an empty log", calls_from([])),
        ("a period without calls", calls_from([{}], choice=PeriodChoice(first=later, last=later))),
    ):
        report = _analyze(analyzer, calls, on)
        require(
            report.state == "empty",
            f"on {on} its state is {report.state!r}",
            "without calls the state is 'empty'; see Analyzer.empty",
        )


def _check_adds_up(table: Table) -> None:
    require(
        (table.other is None) == (table.other_rows == 0),
        f"table {table.id!r} says that {table.other_rows} rows were cut, and other is {table.other}",
        "what is cut is in other, and other_rows counts it",
    )
    if table.total is None or not any(c.role == "dimension" for c in table.columns):
        return
    for index, column in enumerate(table.columns):
        if column.role != "measure":
            continue
        cells = [row[index] for row in (*table.rows, *([table.other] if table.other else ()))]
        added = sum((c for c in cells if c is not None), Decimal(0) if column.unit == "usd" else 0)
        require(
            _close(added, table.total[index]),
            f"table {table.id!r}: the column {column.name!r} adds up to {added}, but the total row says "
            f"{table.total[index]}",
            "rows and other add up to the total, money to the last digit (finops_core.split shares out a rest)",
        )


def _check_text(report: Report) -> None:
    for place, value in _leaves(report):
        if not isinstance(value, str):
            continue
        rest = value
        for name in HOSTILE:
            rest = rest.replace(name, "")
        markup = re.search(r"<[a-zA-Z/!]|&[a-z]+;|&#\d+;", rest)
        require(
            markup is None,
            f"{place} holds markup or an escaped name: {value!r}",
            "a report is text, never markup: names stand in it as they are in the log, and the viewer escapes them",
        )


def _check_same(one: Report, other: Report, because_of: str) -> None:
    left, right = list(_leaves(one)), list(_leaves(other))
    for (place, value), (other_place, other_value) in zip(left, right, strict=False):
        require(
            place == other_place and _close(value, other_value),
            f"{because_of} changes the report: {place} is {value!r}, then {other_place} is {other_value!r}",
            "the same calls give the same report: order every query whose rows are shown, break ties by name, "
            "and take the time from the calls",
        )
    require(len(left) == len(right), f"{because_of} changes the report's length", "the same calls, the same report")


def _close(one: Any, other: Any) -> bool:
    if isinstance(one, float) and isinstance(other, (int, float)):
        return math.isclose(one, other, rel_tol=RELATIVE, abs_tol=1e-12)
    return bool(one == other)


def _leaves(value: Any, place: str = "report") -> Iterator[tuple[str, Any]]:
    """Every plain value of a report with the place where it is."""
    if isinstance(value, Report):
        value = value.model_dump()
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _leaves(item, f"{place}.{key}")
    elif isinstance(value, (list, tuple)):
        for index, item in enumerate(value):
            yield from _leaves(item, f"{place}[{index}]")
    else:
        yield place, value


@contextmanager
def _time_zone(name: str) -> Iterator[None]:
    """The machine in another time zone, where the platform can do that."""
    before = os.environ.get("TZ")
    os.environ["TZ"] = name
    _tell_the_c_library()
    try:
        yield
    finally:
        if before is None:
            del os.environ["TZ"]
        else:
            os.environ["TZ"] = before
        _tell_the_c_library()


def _tell_the_c_library() -> None:
    if hasattr(time, "tzset"):
        time.tzset()
