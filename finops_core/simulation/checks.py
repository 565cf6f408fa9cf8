"""What a pattern may not do: checked on every batch before a row of it reaches the log."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from finops_core.call import COLUMNS, MAX_COUNT, NAMES, SCHEMA, SIMULATED_ID_PREFIX
from finops_core.encoding import nanos
from finops_core.errors import PluginError
from finops_core.ledger.seen import Index, Seen, hashes
from finops_core.simulation.calendar import Calendar
from finops_core.simulation.run import Run

MAX_NANOS = 10**18 - 1
MAX_TEXT_BYTES = 30_000
"""What all texts of a call may have together, so that its line is read even if every character has to be quoted."""
PIECE = 32_768
"""How many calls are looked through at a time where that takes a copy of them."""
PARTS = (("cache_read_tokens", "cache_write_tokens"), ("reasoning_tokens",))


class BatchChecker:
    """Checks the batches of one run in the order in which they come.

    Args:
        run: The settled run.
    """

    def __init__(self, run: Run) -> None:
        self._run = run
        calendar = Calendar(*run.period)
        self._begin = int(np.datetime64(calendar.at(0), "us").astype(np.int64))
        self._end = int(np.datetime64(calendar.at(len(calendar)), "us").astype(np.int64))
        self._last = self._begin
        self._customers = f"{run.source}-{run.seed}-"
        self._first_ids = Seen()
        self._is_first = True

    def check(self, batch: Any) -> pa.RecordBatch:
        """The batch itself, if it keeps the contract of ``generate_calls``.

        Raises:
            PluginError: It does not; says which column and what is expected.
        """
        if not isinstance(batch, pa.RecordBatch):
            raise _broken(f"it yielded a {type(batch).__name__} instead of a pyarrow.RecordBatch")
        self._check_types(batch)
        try:
            batch.validate(full=True)
        except pa.ArrowInvalid as e:
            raise _broken(f"its batch is not valid Arrow data: {e}") from e
        if batch.num_rows == 0:
            return batch
        for column in COLUMNS:
            if (column.required or column.default is not None) and batch.column(column.name).null_count:
                raise _broken(f"column {column.name} has empty values, which it must not have")
        self._check_times(batch)
        self._check_numbers(batch)
        self._check_texts(batch)
        self._check_names(batch)
        self._check_ids(batch)
        return batch

    def check_events(self) -> None:
        """Check what the pattern planted; nothing is returned.

        Raises:
            PluginError: Something of it is not an event of one of its own customers.
        """
        try:
            customers = self._run.events()["customer_id"]
        except (AttributeError, TypeError, ValueError) as e:
            raise _broken(f"it planted something that is not an Event: {e}") from e
        prefix = self._customers
        if not pc.all(pc.starts_with(customers, prefix), min_count=0).as_py():
            raise _broken(f"it planted an event of a customer whose name does not start with {prefix!r}")

    def _check_types(self, batch: pa.RecordBatch) -> None:
        names = batch.schema.names
        if sorted(names) != sorted(NAMES):
            missing, extra = sorted(set(NAMES) - set(names)), sorted(set(names) - set(NAMES))
            what = f"column {missing[0]} is missing" if missing else f"column {(extra or names)[0]} is not a call's"
            raise _broken(f"its batches do not have the columns of a call: {what}")
        for field in SCHEMA:
            actual = batch.schema.field(field.name).type
            plain = actual.value_type if pa.types.is_dictionary(actual) and field.type == pa.string() else actual
            if plain != field.type:
                raise _broken(f"column {field.name} has type {actual} instead of {field.type}")

    def _check_times(self, batch: pa.RecordBatch) -> None:
        us = batch.column("timestamp").cast(pa.int64()).to_numpy()
        if us.min() < self._begin or us.max() >= self._end:
            raise _broken("it yielded calls outside the period of the run")
        if us[0] < self._last or (np.diff(us) < 0).any():
            raise _broken("its calls are not in time order")
        self._last = int(us[-1])

    def _check_numbers(self, batch: pa.RecordBatch) -> None:
        cost = nanos(batch.column("cost_usd"))
        if cost.min() < 0 or cost.max() > MAX_NANOS:
            raise _broken("column cost_usd has values below 0 or above 999,999,999")
        for column in COLUMNS:
            if column.kind == "count":
                bounds = pc.min_max(batch.column(column.name))
                low, high = bounds["min"].as_py(), bounds["max"].as_py()
                if low is not None and (low < 0 or high > MAX_COUNT):
                    raise _broken(f"column {column.name} has values below 0 or above 2^53")
        for whole, parts in zip(("input_tokens", "output_tokens"), PARTS, strict=True):
            used = sum(batch.column(part).to_numpy() for part in parts)
            if (used > batch.column(whole).to_numpy()).any():
                raise _broken(f"{' + '.join(parts)} exceed {whole}")

    def _check_texts(self, batch: pa.RecordBatch) -> None:
        for piece in _pieces(batch):
            self._check_texts_of(piece)

    def _check_texts_of(self, batch: pa.RecordBatch) -> None:
        longest = 0
        for column in COLUMNS:
            if column.kind != "text":
                continue
            texts = batch.column(column.name)
            if pa.types.is_dictionary(texts.type):  # quicker to look through, but it may hold what no row uses
                good = not _fault(texts.dictionary, column.required)
                texts = texts.dictionary if good else texts.dictionary_decode()
            if fault := _fault(texts, column.required):
                raise _broken(f"column {column.name} has {fault}")
            longest += pc.max(pc.binary_length(texts)).as_py() or 0
        if longest > MAX_TEXT_BYTES:
            raise _broken(f"the texts of a call have {longest:,} bytes together, more than {MAX_TEXT_BYTES:,}")

    def _check_names(self, batch: pa.RecordBatch) -> None:
        source = self._run.source
        expected = (
            ("source", pc.equal, source, f"be {source!r}"),
            ("customer_id", pc.starts_with, self._customers, f"start with {self._customers!r}"),
            ("call_id", pc.starts_with, SIMULATED_ID_PREFIX, f"start with {SIMULATED_ID_PREFIX!r}"),
        )
        for name, test, value, must in expected:
            column = batch.column(name)
            values = column.dictionary if pa.types.is_dictionary(column.type) else column
            if not pc.all(test(values, value)).as_py() and not pc.all(test(_texts(column), value)).as_py():
                raise _broken(f"every {name} must {must}, so that nobody takes its rows for somebody's data")

    def _check_ids(self, batch: pa.RecordBatch) -> None:
        """Compares ids within the batch and with the first one's: that finds who counts anew, in little memory."""
        ids = np.sort(np.concatenate([hashes(_texts(piece.column("call_id"))) for piece in _pieces(batch)]))
        if self._first_ids.suspects(ids).size:
            raise _broken("column call_id has a value that another call has too")
        if self._is_first:
            self._first_ids.keep(Index(ids, np.zeros_like(ids)))
            self._is_first = False


def _pieces(batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
    """The batch bit by bit: that of a busy hour may be large, and some checks take a copy."""
    for start in range(0, max(1, batch.num_rows), PIECE):
        yield batch.slice(start, PIECE)


def _texts(column: pa.Array) -> pa.Array:
    return column.dictionary_decode() if pa.types.is_dictionary(column.type) else column


def _fault(texts: pa.Array, required: bool) -> str:
    """What keeps texts from being cells of a line; empty if nothing does."""
    _, offsets, data = texts.buffers()
    first, last = np.frombuffer(offsets, np.int32)[[texts.offset, texts.offset + len(texts)]].tolist()
    text = b"" if data is None else data.slice(first, last - first).to_pybytes()
    if b"\n" in text or b"\0" in text:
        return "texts with line breaks or NUL bytes, which no line can hold"
    if required and pc.min(pc.binary_length(texts)).as_py() == 0:
        return "empty values, which it must not have"
    return ""


def _broken(message: str) -> PluginError:
    return PluginError(message, hint="See the contract of generate_calls in finops_core.hookspecs.")
