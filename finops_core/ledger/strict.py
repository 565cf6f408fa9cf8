"""One line, read strictly in plain Python: the definition of what a line of the log means.

The fast path in :mod:`finops_core.ledger.reading` takes what is surely good by masks over whole columns
and leaves every other line to this module, which accepts it or says why not.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, NamedTuple

from finops_core import calllog
from finops_core.call import COLUMNS, MAX_COUNT, NAMES, Column
from finops_core.ledger.header import Header
from finops_core.money import usd

MAX_COST = Decimal(999_999_999)
BLANK = b" \t\r"

_ZONE = r"(?:([Zz])|([+-])([01]\d|2[0-3]):?([0-5]\d))?"
_TIMES = (
    re.compile(r"(\d{4})-(\d\d)-(\d\d)[Tt ](\d\d):(\d\d)(?::(\d\d)(?:[.,](\d+))?)?" + _ZONE, re.ASCII),
    re.compile(r"(\d{4})(\d\d)(\d\d)[Tt ](\d\d)(\d\d)(?:(\d\d)(?:[.,](\d+))?)?" + _ZONE, re.ASCII),
)
_COUNT = re.compile(r" *([+-]?)([0-9]+) *")
_COST = re.compile(r" *([+-]?)([0-9]+)(?:\.([0-9]+))?(?:[eE]([+-]?)([0-9]+))? *")
_NOT_FINITE = re.compile(r" *[+-]?(?:nan|inf|infinity) *", re.ASCII | re.IGNORECASE)


class Bad(NamedTuple):
    """Why a line is quarantined.

    Attributes:
        code: The stable code, such as ``E_TYPE``.
        reason: What is wrong, in words.
    """

    code: str
    reason: str


@dataclass(frozen=True)
class Call:
    """An accepted line.

    Attributes:
        values: Typed, in the order of :data:`finops_core.call.COLUMNS`.
        naive: Its time had no zone and was read as UTC.
        rounded: Its cost had more than nine fractional digits.
    """

    values: tuple[Any, ...]
    naive: bool = False
    rounded: bool = False


class _BadValueError(Exception):
    def __init__(self, code: str, reason: str) -> None:
        super().__init__(reason)
        self.bad = Bad(code, reason)


def read_line(line: bytes, header: Header) -> Call | Bad | None:
    """What one line of a log is, repeated headers aside.

    Args:
        line: Without its newline.
        header: What the columns are.

    Returns:
        The call, or why it is none; ``None`` if the line is blank.
    """
    if calllog.too_long(line):
        return Bad("E_TOO_LONG", "the line is longer than 64 KiB")
    if not line.strip(BLANK):
        return None
    if b"\0" in line:
        return Bad("E_NUL", "the line has a NUL byte")
    try:
        text = line.rstrip(b"\r").decode()
    except UnicodeDecodeError as error:
        return Bad("E_UTF8", f"byte {error.start + 1} of the line is not UTF-8")
    cells = calllog.cells(text)
    if cells is None:
        return Bad("E_QUOTE", "a quote is broken or left open")
    if len(cells) != len(header.names):
        return Bad("E_COLS", f"{len(cells)} fields where the header has {len(header.names)}")
    try:
        return _call({name: cells[position] for name, position in header.positions.items()})
    except _BadValueError as error:
        return error.bad


def is_object(text: str) -> bool:
    """Whether a text is a JSON object."""
    try:
        return isinstance(json.loads(text, parse_int=str, parse_float=str, parse_constant=_no_constant), dict)
    except (ValueError, RecursionError):
        return False


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _call(cells: dict[str, str]) -> Call:
    values: dict[str, Any] = {}
    naive = rounded = False
    for column in _IN_ORDER_OF_CHECKS:
        cell = cells.get(column.name, "")
        if column.name == "timestamp":
            values[column.name], naive = _time(cell)
        elif column.name == "cost_usd":
            values[column.name], rounded = _cost(cell)
        elif column.kind == "count":
            values[column.name] = _count(column, cell)
        else:
            values[column.name] = _text(column, cell)
        if column.name in _CHECKS_OF_PARTS:
            _CHECKS_OF_PARTS[column.name](values)
    return Call(tuple(values[name] for name in NAMES), naive, rounded)


def _time(cell: str) -> tuple[datetime, bool]:
    match = next(filter(None, (form.fullmatch(cell) for form in _TIMES)), None)
    if match is None:
        what = f"{_shown(cell)} is not an ISO 8601 time" if cell else "is empty"
        raise _BadValueError("E_TS", f"timestamp {what}")
    *parts, fraction, utc, sign, hours, minutes = match.groups(default="")
    year, month, day, hour, minute, second = (int(part or 0) for part in parts)
    try:
        time = datetime(year, month, day, hour, minute, second, int(fraction[:6].ljust(6, "0")))
        if sign:
            offset = timedelta(hours=int(hours), minutes=int(minutes))
            time = time - offset if sign == "+" else time + offset
    except (ValueError, OverflowError):
        raise _BadValueError("E_TS", f"timestamp {_shown(cell)} is a time that does not exist") from None
    if not 2000 <= time.year <= 2099:
        raise _BadValueError("E_TS", f"timestamp {_shown(cell)} is outside 2000-2099")
    return time, not (utc or sign)


def _text(column: Column, cell: str) -> str | None:
    if not cell:
        if column.required:
            raise _BadValueError("E_REQUIRED", f"{column.name} is empty")
        return column.default  # type: ignore[return-value] # a text column's default is text
    if column.name == "tags" and not is_object(cell):
        raise _BadValueError("E_TYPE", f"tags {_shown(cell)} is not a JSON object")
    return cell


def _count(column: Column, cell: str) -> int | None:
    if not column.required and not cell.strip(" "):
        return column.default  # type: ignore[return-value] # a count column's default is a number
    match = _COUNT.fullmatch(cell)
    if match is None:
        what = f"{_shown(cell)} is not a whole number" if cell.strip(" ") else "is empty"
        raise _BadValueError("E_TYPE", f"{column.name} {what}")
    sign, digits = match.groups()
    digits = digits.lstrip("0") or "0"
    if sign == "-" and digits != "0":
        raise _BadValueError("E_RANGE", f"{column.name} {_shown(cell)} is negative")
    if len(digits) > 16 or int(digits) > MAX_COUNT:
        raise _BadValueError("E_RANGE", f"{column.name} {_shown(cell)} is above 2^53")
    return int(digits)


def _cost(cell: str) -> tuple[Decimal, bool]:
    if _NOT_FINITE.fullmatch(cell):
        raise _BadValueError("E_RANGE", f"cost_usd {_shown(cell)} is not a finite amount")
    match = _COST.fullmatch(cell)
    if match is None:
        what = f"{_shown(cell)} is not a decimal number" if cell.strip(" ") else "is empty"
        raise _BadValueError("E_TYPE", f"cost_usd {what}")
    sign, whole, fraction, exponent_sign, exponent = match.groups(default="")
    digits = (whole + fraction).lstrip("0")
    if not digits:
        return usd(0), False
    if sign == "-":
        raise _BadValueError("E_RANGE", f"cost_usd {_shown(cell)} is negative")
    # An exponent may have thousands of digits; a million is as far out of range as any of them.
    power = int(exponent.lstrip("0")[:7] or "0") * (-1 if exponent_sign == "-" else 1)
    if len(digits) - len(fraction) + power < -9:
        return usd(0), True
    amount = Decimal((0, tuple(map(int, digits)), power - len(fraction)))
    if amount > MAX_COST:
        raise _BadValueError("E_RANGE", f"cost_usd {_shown(cell)} is above {MAX_COST:,}")
    rounded = usd(amount)
    return rounded, rounded != amount


def _cache_parts(values: dict[str, Any]) -> None:
    parts = values["cache_read_tokens"] + values["cache_write_tokens"]
    if parts > values["input_tokens"]:
        raise _BadValueError(
            "E_RANGE", f"{parts} tokens read from or written to the cache of {values['input_tokens']} input tokens"
        )


def _reasoning_part(values: dict[str, Any]) -> None:
    if values["reasoning_tokens"] > values["output_tokens"]:
        raise _BadValueError(
            "E_RANGE", f"{values['reasoning_tokens']} reasoning tokens of {values['output_tokens']} output tokens"
        )


_CHECKS_OF_PARTS: dict[str, Callable[[dict[str, Any]], None]] = {
    "cache_write_tokens": _cache_parts,
    "reasoning_tokens": _reasoning_part,
}


def _rank(column: Column) -> int:
    """The order of checks: the time, required texts, tokens, the cost, then the optional columns."""
    return ("time", "text", "count", "money").index(column.kind) if column.required else 4


_IN_ORDER_OF_CHECKS = sorted(COLUMNS, key=_rank)


def _shown(cell: str) -> str:
    return repr(cell if len(cell) <= 40 else cell[:37] + "...")
