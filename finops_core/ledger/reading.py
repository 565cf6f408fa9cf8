"""Whole blocks of lines, read by columns: as strict as :mod:`finops_core.ledger.strict`, a hundred times as fast.

A block is parsed with every column as text. Masks over whole columns say which cells are surely good; those are
cast. A line that is not surely good in every column goes through the strict reader, whose word is final, so a
mask may be narrower than the rules but never wider.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv

from finops_core import calllog
from finops_core.call import COLUMNS, MONEY, NAMES, SCHEMA, Column
from finops_core.ledger import strict
from finops_core.ledger.header import Header

Mask = npt.NDArray[np.bool_]
Numbers = npt.NDArray[np.int64]

_NEWLINE = 10
_CELL = r'(?:[^",\r\n\x00]*|"(?:[^"\r\n\x00]|"")*")'

_DAY = (
    r"20(?:[0-9]{2}-(?:(?:0[13578]|1[02])-(?:0[1-9]|[12][0-9]|3[01])|(?:0[469]|11)-(?:0[1-9]|[12][0-9]|30)"
    r"|02-(?:0[1-9]|1[0-9]|2[0-8]))|(?:[02468][048]|[13579][26])-02-29)"
)
_TIME = _DAY + r"[T ](?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:\.[0-9]{1,6})?"
_NAIVE = f"^{_TIME}$"
_ZONED = f"^{_TIME}(?:Z|[+-](?:[01][0-9]|2[0-3]):?[0-5][0-9])$"
_BEYOND_MICROS = r"^(.{19}\.[0-9]{6})[0-9]+"
_FIRST_TIME = pa.scalar(np.datetime64("2000-01-01", "us"), pa.timestamp("us"))
_END_OF_TIME = pa.scalar(np.datetime64("2100-01-01", "us"), pa.timestamp("us"))

_COUNT_DIGITS = 15  # any number of so many is below 2^53
_COUNT = rf"^[0-9]{{1,{_COUNT_DIGITS}}}$"
_COST = r"^[0-9]{1,8}(?:\.[0-9]{1,9})?$"
_LONG_COST = r"^(?:[0-9]{1,8}\.[0-9]{1,20}|[0-9](?:\.[0-9]{1,18})?[eE](?:-0?[0-9]|\+?0?[0-7]))$"
_LONG = pa.decimal128(38, 28)

_JSON_VALUE = r'(?:"[^"\\\x00-\x1f]*"|-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?|true|false|null)'
_JSON_PAIR = rf'"[^"\\\x00-\x1f]*": ?{_JSON_VALUE}'
_FLAT_OBJECT = rf"^\{{(?:{_JSON_PAIR}(?:, ?{_JSON_PAIR})*)?\}}$"


@dataclass(frozen=True)
class Rows:
    """What a block of lines holds.

    Attributes:
        table: The good calls in the order of their lines; duplicates are not looked for here.
        index: For each call, which line of the block it is.
        naive: For each call, whether its time had no zone.
        rounded: For each call, whether its cost was rounded.
        bad: Which lines are bad, and why.
        blank: How many lines are blank.
        starts: Where each line starts in the block, and where the block ends.
    """

    table: pa.Table
    index: Numbers
    naive: Mask
    rounded: Mask
    bad: list[tuple[int, strict.Bad]]
    blank: int
    starts: Numbers

    def line(self, data: bytes, index: int) -> bytes:
        """The raw bytes of a line of the block, without its newline."""
        return data[self.starts[index] : self.starts[index + 1] - 1]


def read_block(data: bytes, header: Header, skipped: Collection[int] = ()) -> Rows:
    """Read whole lines.

    Args:
        data: The lines, ending in a newline.
        header: What their columns are.
        skipped: Where lines start that are neither good nor bad: the header again.
    """
    ends = np.flatnonzero(np.frombuffer(data, np.uint8) == _NEWLINE).astype(np.int64)
    starts = np.concatenate([np.zeros(1, np.int64), ends + 1])
    candidates, cells = _parse(data, starts, header)
    columns, good, naive, rounded = _typed(cells, len(candidates))
    table = pa.table(columns, schema=SCHEMA)
    index = candidates
    if not good.all():
        kept = pa.array(good)
        table, index, naive, rounded = table.filter(kept), index[good], naive[good], rounded[good]
    rows = Rows(table, index, naive, rounded, [], 0, starts)
    if len(index) == len(ends):
        return rows
    missing = np.ones(len(ends), bool)
    missing[index] = False
    missing[np.searchsorted(starts, np.array(list(skipped), np.int64))] = False
    return _with_strictly_read(rows, missing, data, header)


def _with_strictly_read(rows: Rows, missing: Mask, data: bytes, header: Header) -> Rows:
    """Add what the strict reader says about the lines that are missing among the rows."""
    empty = np.diff(rows.starts) == 1
    blank = int(empty.sum())
    bad: list[tuple[int, strict.Bad]] = []
    calls: list[tuple[int, strict.Call]] = []
    for line in map(int, np.flatnonzero(missing & ~empty)):
        found = strict.read_line(rows.line(data, line), header)
        if found is None:
            blank += 1
        elif isinstance(found, strict.Bad):
            bad.append((line, found))
        else:
            calls.append((line, found))
    if not calls:
        return Rows(rows.table, rows.index, rows.naive, rows.rounded, bad, blank, rows.starts)
    columns = zip(*(call.values for _, call in calls), strict=True)
    arrays = [pa.array(values, type_) for values, type_ in zip(columns, SCHEMA.types, strict=True)]
    index = np.concatenate([rows.index, np.array([line for line, _ in calls], np.int64)])
    order = np.argsort(index)
    return Rows(
        pa.concat_tables([rows.table, pa.table(arrays, schema=SCHEMA)]).take(pa.array(order)),
        index[order],
        np.concatenate([rows.naive, np.array([call.naive for _, call in calls])])[order],
        np.concatenate([rows.rounded, np.array([call.rounded for _, call in calls])])[order],
        bad,
        blank,
        rows.starts,
    )


def _parse(data: bytes, starts: Numbers, header: Header) -> tuple[Numbers, dict[str, pa.Array]]:
    """Split lines into cells.

    Returns:
        Which lines were split, and the text of their cells by column; an empty cell is null.
    """
    if _is_plain(data, starts):
        try:
            cells = _cells(pa.py_buffer(data), header, quote=False)
        except pa.ArrowInvalid:  # some line has another number of fields
            pass
        else:
            return np.arange(len(starts) - 1), cells
    offsets = pa.py_buffer(starts.astype(np.int32))
    lines = pa.Array.from_buffers(pa.binary(), len(starts) - 1, [None, offsets, pa.py_buffer(data)])
    grammar = rf"^(?:{_CELL},){{{len(header.names) - 1}}}{_CELL}\r?\n$" if len(header.names) > 1 else rf"^{_CELL}\r?\n$"
    good = _matches(lines, grammar) & (np.diff(starts) <= calllog.MAX_LINE) & _is_utf8(data, starts)
    # The parser would take a BOM at the start of its input for one at the start of a file.
    good &= ~np.asarray(pc.starts_with(lines, calllog.BOM))
    if not good.any():
        return np.zeros(0, np.int64), _no_cells(header)
    matching = lines if good.all() else lines.filter(pa.array(good))
    return np.flatnonzero(good), _cells(matching.buffers()[2], header, quote='"')


def _is_plain(data: bytes, starts: Numbers) -> bool:
    """Whether lines can be split at every comma, with nothing else to look at."""
    if b'"' in data or b"\0" in data or data.startswith(calllog.BOM):
        return False
    if b"\r" in data and data.count(b"\r") != data.count(b"\r\n"):
        return False
    if int(np.diff(starts).max()) > calllog.MAX_LINE:
        return False
    try:
        return data.isascii() or bool(data.decode())
    except UnicodeDecodeError:
        return False


def _is_utf8(data: bytes, starts: Numbers) -> Mask:
    """For each line whether it is UTF-8."""
    good = np.ones(len(starts) - 1, bool)
    try:
        data.isascii() or data.decode()
    except UnicodeDecodeError:
        beyond_ascii = np.flatnonzero(np.frombuffer(data, np.uint8) >= 128)
        for index in map(int, np.unique(np.searchsorted(starts, beyond_ascii, side="right") - 1)):
            try:
                data[starts[index] : starts[index + 1]].decode()
            except UnicodeDecodeError:
                good[index] = False
    return good


def _cells(data: pa.Buffer, header: Header, quote: str | bool) -> dict[str, pa.Array]:
    keys = [str(position) for position in range(len(header.names))]
    wanted = [str(position) for position in header.positions.values()]
    table = csv.read_csv(
        pa.BufferReader(data),
        read_options=csv.ReadOptions(use_threads=False, block_size=data.size + 1, column_names=keys),
        parse_options=csv.ParseOptions(quote_char=quote, newlines_in_values=False, ignore_empty_lines=False),
        convert_options=csv.ConvertOptions(
            column_types=dict.fromkeys(wanted, pa.string()),
            include_columns=wanted,
            strings_can_be_null=True,
            null_values=[""],
            check_utf8=False,
        ),
    )
    return {name: table[str(position)].combine_chunks() for name, position in header.positions.items()}


def _no_cells(header: Header) -> dict[str, pa.Array]:
    return {name: pa.array([], pa.string()) for name in header.positions}


def _typed(cells: dict[str, pa.Array], rows: int) -> tuple[list[pa.Array], Mask, Mask, Mask]:
    """Cast the cells that are surely good.

    Returns:
        The columns of a call; for each row whether all of it is good (other rows hold anything), whether its time
        has no zone, and whether its cost was rounded.
    """
    columns: dict[str, pa.Array] = {}
    good = np.ones(rows, bool)
    naive = rounded = np.zeros(rows, bool)
    for column in COLUMNS:
        text = cells.get(column.name)
        if text is None:
            columns[column.name] = pa.repeat(pa.scalar(column.default, SCHEMA.field(column.name).type), rows)
            continue
        if column.kind == "time":
            values, surely, naive = _times(text)
        elif column.kind == "money":
            values, surely, rounded = _costs(text)
        elif column.kind == "count":
            values, surely = _counts(text, column)
        else:
            values, surely = _texts(text, column)
        columns[column.name] = values
        good &= surely
    counts = {name: _numpy(columns[name]) for name in ("input_tokens", "output_tokens", *_PARTS)}
    good &= counts["cache_read_tokens"] + counts["cache_write_tokens"] <= counts["input_tokens"]
    good &= counts["reasoning_tokens"] <= counts["output_tokens"]
    return [columns[name] for name in NAMES], good, naive, rounded


_PARTS = ("cache_read_tokens", "cache_write_tokens", "reasoning_tokens")


def _times(text: pa.Array) -> tuple[pa.Array, Mask, Mask]:
    zoned = _matches(text, _ZONED)
    if zoned.all():
        values, naive = _utc(text), np.zeros(len(text), bool)
    else:
        text = pc.replace_substring_regex(text, _BEYOND_MICROS, r"\1")
        zoned, naive = _matches(text, _ZONED), _matches(text, _NAIVE)
        local = pc.cast(_only(text, naive), pa.timestamp("us"))
        values = pc.coalesce(_utc(_only(text, zoned)), local)
    inside = pc.and_(pc.greater_equal(values, _FIRST_TIME), pc.less(values, _END_OF_TIME))
    return values, _numpy(inside.fill_null(False)), naive


def _utc(text: pa.Array) -> pa.Array:
    return pc.cast(pc.cast(text, pa.timestamp("us", "UTC")), pa.timestamp("us"))


def _texts(text: pa.Array, column: Column) -> tuple[pa.Array, Mask]:
    if column.required:
        return text, _numpy(text.is_valid())
    if column.name == "tags":
        return text, _objects(text)
    return text if column.default is None else text.fill_null(column.default), np.ones(len(text), bool)


def _objects(text: pa.Array) -> Mask:
    """For each cell whether it is a JSON object or empty."""
    good = np.asarray(text.is_null(), bool) | _matches(text, _FLAT_OBJECT)
    if not good.all():
        others = [other for other in pc.unique(_only(text, ~good)).to_pylist() if other is not None]
        objects = pa.array([other for other in others if strict.is_object(other)], pa.string())
        good |= np.asarray(pc.is_in(text, value_set=objects), bool)
    return good


def _counts(text: pa.Array, column: Column) -> tuple[pa.Array, Mask]:
    digits = np.asarray(text.is_valid(), bool) if _is_only_digits(text) else _matches(text, _COUNT)
    values = pc.cast(_only(text, digits), pa.int64())
    good = digits if column.required else digits | _numpy(text.is_null())
    return values if column.default is None else values.fill_null(column.default), good


def _is_only_digits(text: pa.Array) -> bool:
    """Whether every cell is a count or empty, which the bytes of all of them tell at once."""
    _, offset_buffer, byte_buffer = text.buffers()
    if byte_buffer is None:
        return True
    offsets = np.frombuffer(offset_buffer, np.int32)[text.offset : text.offset + len(text) + 1]
    digits = np.frombuffer(byte_buffer, np.uint8)[offsets[0] : offsets[-1]] - np.uint8(ord("0"))
    return bool(np.diff(offsets).max(initial=0) <= _COUNT_DIGITS and digits.max(initial=0) <= 9)


def _costs(text: pa.Array) -> tuple[pa.Array, Mask, Mask]:
    short = _matches(text, _COST)
    values = pc.cast(_only(text, short), MONEY)
    if short.all():
        return values, short, np.zeros(len(text), bool)
    long = ~short & _matches(text, _LONG_COST)
    exact = pc.cast(_only(text, long), _LONG)
    nearest = pc.round(exact, ndigits=MONEY.scale, round_mode="half_to_even")
    rounded = _numpy(pc.not_equal(nearest, exact).fill_null(False))
    return pc.coalesce(values, pc.cast(nearest, MONEY)), short | long, rounded


def _matches(text: pa.Array, pattern: str) -> Mask:
    """For each cell whether it matches; an empty one does not."""
    return np.asarray(pc.match_substring_regex(text, pattern).fill_null(False), bool)


def _only(text: pa.Array, mask: Mask) -> pa.Array:
    """The cells where the mask holds, null elsewhere."""
    return text if mask.all() else pc.if_else(pa.array(mask), text, None)


def _numpy(array: pa.Array) -> Any:
    return array.fill_null(0).to_numpy(zero_copy_only=False) if pa.types.is_integer(array.type) else np.asarray(array)
