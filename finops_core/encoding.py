"""Calls as text: Arrow batches in the call schema to lines of the call log.

Times are written as fixed-width text and money with nine fractional digits, because pyarrow's CSV writer
spends more on zoned timestamps than on the rest of a row and writes small decimals with an exponent.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.csv as pacsv

from finops_core.call import NAMES

Bytes = npt.NDArray[np.uint8]
Int64s = npt.NDArray[np.int64]

US_PER_DAY = 86_400_000_000
US_PER_MINUTE = 60_000_000


def encode(batch: pa.RecordBatch | pa.Table) -> bytes:
    """The calls of a batch as lines of the call log, without a header.

    Args:
        batch: The columns of :data:`finops_core.call.SCHEMA`; text columns may be dictionary-encoded.

    Returns:
        UTF-8 text, one line a call, each ending in a newline. A text is quoted only if it has to be.
    """
    columns = []
    for name in NAMES:
        column = batch.column(name)
        if isinstance(column, pa.ChunkedArray):
            column = column.combine_chunks() if column.num_chunks != 1 else column.chunk(0)
        if name == "timestamp":
            column = timestamp_text(column.cast(pa.timestamp("us")).cast(pa.int64()).to_numpy())
        elif name == "cost_usd":
            column = money_text(nanos(column))
        columns.append(column)
    return csv_lines(pa.table(columns, names=list(NAMES)))


def csv_lines(table: pa.Table) -> bytes:
    """Columns of text and whole numbers as CSV lines without a header; a text is quoted only if it has to be."""
    try:
        return _write(table, "none")
    except pa.ArrowInvalid:  # some text holds a comma, a quote or a newline
        return _write(table, "needed")


def timestamp_text(us: Int64s) -> pa.StringArray:
    """Times as ISO 8601 text in UTC with three fractional digits, or six where the batch needs them.

    Args:
        us: Microseconds since 1970, in the years 1 to 9999. Shape (calls,).
    """
    days, of_day = np.divmod(us, US_PER_DAY)
    minute, of_minute = np.divmod(of_day, US_PER_MINUTE)
    ms, rest = np.divmod(of_minute, 1000)
    width = 27 if rest.any() else 24
    out = np.empty((len(us), width), dtype=np.uint8)
    first = int(days.min(initial=0))
    if len(us) and int(days.max()) - first < 4096:
        dates = _text_table(np.arange(first, int(days.max()) + 1).astype("M8[D]").astype("S10"))
        out[:, :10] = dates[days - first]
    else:
        out[:, :10] = _text_table(days.astype("M8[D]").astype("S10"))
    out[:, 10:17] = _minutes()[minute]
    out[:, 17:23] = _milliseconds()[ms]
    if width == 27:
        out[:, 23:26] = _three_digits()[rest]
    out[:, -1] = ord("Z")
    return _fixed_width(out)


def money_text(nano: Int64s) -> pa.StringArray:
    """Amounts as decimal text with nine fractional digits.

    Args:
        nano: Nano-dollars, none negative. Shape (calls,).
    """
    dollars, fraction = np.divmod(nano, 1_000_000_000)
    whole = len(str(int(dollars.max(initial=0))))
    out = np.empty((len(nano), whole + 10), dtype=np.uint8)
    rest = dollars
    for place in range(whole - 1, -1, -1):
        rest, digit = np.divmod(rest, 10)
        out[:, place] = digit + ord("0")
    out[:, whole] = ord(".")
    high, low = np.divmod(fraction, 1000)
    high, middle = np.divmod(high, 1000)
    for place, group in enumerate((high, middle, low)):
        start = whole + 1 + 3 * place
        out[:, start : start + 3] = _three_digits()[group]
    if whole == 1:
        return _fixed_width(out)
    digits = np.searchsorted(10 ** np.arange(1, whole, dtype=np.int64), dollars, side="right") + 1
    keep = np.arange(out.shape[1]) >= (whole - digits)[:, None]
    offsets = np.concatenate(([0], np.cumsum(digits + 10))).astype(np.int32)
    return pa.StringArray.from_buffers(len(nano), pa.py_buffer(offsets), pa.py_buffer(out[keep]))


def nanos(money: pa.Array) -> Int64s:
    """A DECIMAL(18,9) array without nulls as nano-dollars, without a copy. Shape (calls,)."""
    words = np.frombuffer(money.buffers()[1], dtype=np.int64)
    low: Int64s = words[2 * money.offset : 2 * (money.offset + len(money)) : 2]
    return low


def money_array(nano: Int64s) -> pa.Array:
    """Nano-dollars as a DECIMAL(18,9) array. Shape (calls,)."""
    words = np.empty((len(nano), 2), dtype=np.int64)
    words[:, 0] = nano
    words[:, 1] = nano >> 63  # the sign fills the high word
    return pa.Array.from_buffers(pa.decimal128(18, 9), len(nano), [None, pa.py_buffer(words)])


def _write(table: pa.Table, quoting: str) -> bytes:
    sink = pa.BufferOutputStream()
    options = pacsv.WriteOptions(include_header=False, quoting_style=quoting, batch_size=16_384)
    pacsv.write_csv(table, sink, options)
    lines: bytes = sink.getvalue().to_pybytes()
    return lines


def _fixed_width(text: Bytes) -> pa.StringArray:
    rows, width = text.shape
    offsets = np.arange(0, (rows + 1) * width, width, dtype=np.int32)
    return pa.StringArray.from_buffers(rows, pa.py_buffer(offsets), pa.py_buffer(text))


def _text_table(texts: npt.NDArray[np.bytes_]) -> Bytes:
    return np.ascontiguousarray(texts).view(np.uint8).reshape(len(texts), texts.dtype.itemsize)


@cache
def _minutes() -> Bytes:
    return _text_table(np.array([f"T{m // 60:02}:{m % 60:02}:" for m in range(1440)], dtype="S7"))


@cache
def _milliseconds() -> Bytes:
    return _text_table(np.array([f"{ms // 1000:02}.{ms % 1000:03}" for ms in range(60_000)], dtype="S6"))


@cache
def _three_digits() -> Bytes:
    return _text_table(np.array([f"{n:03}" for n in range(1000)], dtype="S3"))
