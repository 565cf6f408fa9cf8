"""The cells of reports: each number in the one form that its named unit has."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Literal

from finops_core.money import NANO, usd

Unit = Literal[
    "usd",  # US dollars, decimal
    "tokens",  # whole or mean number of tokens
    "tokens_per_s",
    "ms",
    "percent",  # 12.5 is 12.5 %
    "count",  # whole or mean number of things
    "ratio",  # a plain factor: 1.3 is 1.3 times
    "days",
    "hours",
    "date",  # 2026-01-05
    "time",  # 2026-01-05T08:00:00Z
    "text",
]
TEXT_UNITS = frozenset({"date", "time", "text"})

Number = Decimal | int | float
Cell = Decimal | int | float | str | None
Rows = tuple[tuple[Cell, ...], ...]


def cell(value: Any, unit: Unit) -> Cell:
    """A value in the one form its unit has, so that JSON and back gives an equal report.

    Dollars become decimals of nine digits, times ISO 8601 text in UTC, everything else a number.

    Raises:
        ValueError: NaN, infinity, or a value that is not of the unit.
    """
    if value is None:
        return None
    if unit in TEXT_UNITS:
        if isinstance(value, datetime):
            return value.strftime("%Y-%m-%dT%H:%M:%SZ") if unit == "time" else value.strftime("%Y-%m-%d")
        if isinstance(value, date):
            return value.isoformat()
        return str(value)
    if isinstance(value, bool) or not isinstance(value, (int, float, Decimal, str)):
        raise ValueError(f"{value!r} is not a number of unit {unit}")
    if unit == "usd":
        return usd(value)
    if isinstance(value, int):
        return value
    number = float(value)
    if not math.isfinite(number):
        raise ValueError(f"{value!r} is not a finite number")
    return number


def cells(values: Iterable[Any], unit: Unit) -> list[Cell]:
    """Many values in the form of their unit, see :func:`cell`; those that have it already are taken as they are."""
    if unit == "usd":
        return [v if type(v) is Decimal and v.same_quantum(NANO) else cell(v, unit) for v in values]
    plain = str if unit in TEXT_UNITS else int
    return [v if type(v) is plain else cell(v, unit) for v in values]


def typed_rows(rows: Sequence[Sequence[Any]], units: Sequence[Unit], what: str) -> Rows:
    """Rows of cells, each in the form of its column's unit.

    Raises:
        ValueError: A row has more or fewer cells than there are units, or one that is not of its unit.
    """
    for row in rows:
        if len(row) != len(units):
            raise ValueError(f"{what}: a row of {len(row)} cells for {len(units)} columns")
    columns = zip(*rows, strict=True) if rows else [()] * len(units)
    typed = [cells(column, unit) for column, unit in zip(columns, units, strict=True)]
    return tuple(zip(*typed, strict=True))
