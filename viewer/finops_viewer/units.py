"""How a number of a named unit reads: the server's half.

``assets/format.js`` is the other half, for what a page draws itself. Both round half away from zero on the
exact value, and a test compares them cell by cell.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from decimal import ROUND_HALF_UP, Context, Decimal

from finops_core.cells import TEXT_UNITS, Cell, Unit
from finops_core.money import EXACT

MISSING = "–"
MINUS = "−"
LONGEST_TEXT = 160
"""Characters of a cell's text that are shown; downloads hold all of it."""
UNBROKEN_TEXT = 32
"""Characters up to which a cell's text stays on one line: names and ids."""

_EXACT_HALF_UP = Context(prec=EXACT.prec, rounding=ROUND_HALF_UP)
# Characters that change how the text around them reads: controls, and marks that reverse its direction.
_TREACHEROUS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]")
_SUFFIX: dict[Unit, str] = {
    "tokens_per_s": " tok/s",
    "ms": " ms",
    "percent": "\u00a0%",
    "ratio": "×",
    "days": " days",
    "hours": " h",
}


def plain(text: str) -> str:
    """Text of which every character shows: what would reorder or hide its surroundings becomes U+FFFD."""
    return _TREACHEROUS.sub("\ufffd", text)


def full(value: Cell, unit: Unit, decimals: int | None = None) -> str:
    """A value as tables show it.

    Args:
        value: In its unit.
        unit: Text, dates and times (UTC) stand for themselves.
        decimals: Those of its column; by default as the value alone needs.
    """
    if value is None:
        return MISSING
    if unit == "time":
        return str(value).replace("T", " ").removesuffix("Z").removesuffix(":00")
    if unit in TEXT_UNITS:
        text = str(value)
        return text if len(text) <= LONGEST_TEXT else f"{text[:LONGEST_TEXT]}…"
    number = _number(value)
    return _signed(number, unit, decimals_of([number], unit) if decimals is None else decimals)


def decimals_of(values: Sequence[Cell], unit: Unit, *, each: bool = False) -> int:
    """How many decimals the numbers of one column have in common.

    Dollars have two, below ten cents as many as show three significant digits of the largest; whole numbers have
    none, others fewer the larger they are, two at most.

    Args:
        values: Of the column.
        unit: Their unit.
        each: Whether no price may round to nothing: beside $7 for a customer, a call does not cost $0.00.
    """
    numbers = [abs(_number(value)) for value in values if value is not None] if unit not in TEXT_UNITS else []
    size = max(numbers, default=Decimal(0))
    if unit == "usd":
        decimals = 2 if size >= Decimal("0.1") or not size else _significant(size, 3)
        least = min(filter(None, numbers), default=size)
        # An amount below nothing is a difference, and small differences may round to nothing.
        each = each and all(_number(value) >= 0 for value in values if value is not None)
        return _significant(least, 3) if each and least and not _rounded(least, decimals) else decimals
    if unit in {"percent", "tokens_per_s"}:
        return 1 if size >= Decimal("0.1") or not size else _significant(size, 2)
    if unit == "ratio":
        return 2
    if all(number == number.to_integral_value() for number in numbers):
        return 0
    return 0 if size >= 1000 else 1 if size >= 10 else 2


def cell_class(value: Cell, unit: Unit) -> str:
    """The class of a table cell.

    ``n`` is for numbers, ``u`` for text that stays on one line, ``l`` for a longer name, ``w`` for longer prose.
    """
    if unit not in TEXT_UNITS:
        return "n"
    if value is None or len(str(value)) <= UNBROKEN_TEXT:
        return "u"
    return "w" if " " in str(value) else "l"


def tile(value: Cell, unit: Unit) -> str:
    """A value as a headline: large amounts without their small digits, and seconds where milliseconds are many."""
    if value is None or unit in TEXT_UNITS:
        return full(value, unit)
    number = _number(value)
    size = abs(number)
    if unit == "ms" and size >= 1000:
        return f"{_signed(number / 1000, 'count', 1)}\u00a0s"
    for limit, letter in ((Decimal(10**9), "B"), (Decimal(10**6), "M")):
        if size >= limit:
            scaled = number / limit
            return _signed(scaled, unit, 2 if abs(scaled) < 100 else 1, letter)
    return _signed(number, unit, 0) if unit == "usd" and size >= 1000 else full(value, unit)


def _number(value: Cell) -> Decimal:
    return value if isinstance(value, Decimal) else Decimal(value or 0)


def _significant(size: Decimal, digits: int) -> int:
    """Decimals that show so many significant digits of a number below one, nine at most."""
    return min(9, digits - 1 - size.adjusted())


def _rounded(number: Decimal, decimals: int) -> Decimal:
    return number.quantize(Decimal(1).scaleb(-decimals), context=_EXACT_HALF_UP)


def _signed(number: Decimal, unit: Unit, decimals: int, letter: str = "") -> str:
    rounded = _rounded(number, decimals)
    sign = MINUS if rounded < 0 else ""
    return f"{sign}{'$' if unit == 'usd' else ''}{abs(rounded):,f}{letter}{_SUFFIX.get(unit, '')}"
