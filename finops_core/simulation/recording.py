"""Patterns to the call log: everything is staged beside the log first, and takes its place in one step."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import BinaryIO

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv

from finops_core import calllog
from finops_core.call import EVENT_SCHEMA
from finops_core.encoding import encode, nanos
from finops_core.errors import FinopsError
from finops_core.money import NANO
from finops_core.parallel import ordered_map
from finops_core.simulation.calendar import Calendar
from finops_core.simulation.run import Run

APPEND_BYTES = 8 << 20
Progress = Callable[[str, float, int], None]
"""Gets a pattern's name, the part of its period that is done, and its calls so far."""


@dataclass
class PatternTotals:
    """What one pattern wrote."""

    name: str
    calls: int = 0
    cost_usd: Decimal = Decimal(0)
    tokens: int = 0
    customer_ids: set[str] = field(default_factory=set, repr=False)

    @property
    def customers(self) -> int:
        """How many customers made a call."""
        return len(self.customer_ids)

    def add(self, batch: pa.RecordBatch) -> None:
        """Count a batch."""
        self.calls += batch.num_rows
        self.cost_usd += int(nanos(batch.column("cost_usd")).sum()) * NANO
        self.tokens += pc.sum(batch.column("input_tokens")).as_py() or 0
        self.tokens += pc.sum(batch.column("output_tokens")).as_py() or 0
        self.customer_ids.update(pc.unique(batch.column("customer_id")).to_pylist())


class Stage:
    """A file beside the log that collects the calls of patterns until all of them are there.

    Nothing that happens before :meth:`become` or :meth:`append_to` touches the log.

    Attributes:
        left: What the log is at the moment, for whoever interrupts.
    """

    def __init__(self, log: Path, file: BinaryIO, path: Path) -> None:
        self._log = log
        self._file = file
        self._path = path
        self._events: list[pa.Table] = []
        self.left = "as it was"

    def add(self, run: Run, batches: Iterator[pa.RecordBatch], progress: Progress | None = None) -> PatternTotals:
        """Write the calls of one pattern; on any error nothing of this pattern is left.

        Args:
            run: The settled run that the batches come from.
            batches: In time order, checked.
            progress: Told after each batch.
        """
        totals = PatternTotals(run.source)
        calendar = Calendar(*run.period)
        begin = self._file.tell()
        try:
            for batch, lines in ordered_map(lambda b: (b, encode(b)), batches, run.workers):
                self._file.write(lines)
                totals.add(batch)
                if progress and batch.num_rows:
                    now = batch.column("timestamp")[-1].as_py()
                    progress(run.source, (now - calendar.at(0)).total_seconds() / 3600 / len(calendar), totals.calls)
        except BaseException:
            self._file.seek(begin)
            self._file.truncate()
            raise
        self._events.append(run.events())
        return totals

    def become(self) -> None:
        """Take the place of the log, in one step."""
        self._sync()
        with _told("replace", self._log):
            calllog.replace(self._log, self._path)
            self.left = "the new one, complete"
            _write_events(self._log, pa.concat_tables([EVENT_SCHEMA.empty_table(), *self._events]))

    def append_to(self) -> None:
        """Append what was collected to the log, in slices, each of them whole or not there at all."""
        self._sync()
        kept = read_events(self._log) if self._log.exists() else EVENT_SCHEMA.empty_table()
        self._file.seek(len(calllog.header_line()))
        while block := self._file.read(APPEND_BYTES):
            if not block.endswith(b"\n"):
                block += self._file.readline()
            calllog.append(self._log, [block])
            self.left = "valid: the earlier calls, and whole calls of this run, but not all of them"
        with _told("write the events beside", self._log):
            _write_events(self._log, pa.concat_tables([kept, *self._events]))

    def _sync(self) -> None:
        self._file.flush()
        os.fsync(self._file.fileno())


@contextmanager
def stage(log: Path) -> Iterator[Stage]:
    """A stage beside a log; whatever happens, its file is gone afterwards."""
    path = log.with_name(f"{log.name}.new-{os.getpid()}")
    with _told("prepare", log):
        log.parent.mkdir(parents=True, exist_ok=True)
        _sweep(log)
    try:
        with _told("write beside", log), path.open("w+b") as file:
            file.write(calllog.header_line())
            staged = Stage(log, file, path)
            try:
                yield staged
            except KeyboardInterrupt as interrupt:
                interrupt.add_note(f"{log} is {staged.left}.")
                raise
    finally:
        path.unlink(missing_ok=True)


def events_path(log: Path) -> Path:
    """Where the planted events of a log are."""
    return log.with_name(f"{log.stem}_events.csv")


def read_events(log: Path) -> pa.Table:
    """What was planted in a log, in :data:`finops_core.call.EVENT_SCHEMA`; no rows if nothing was.

    Raises:
        FinopsError: The file is not one that a run wrote.
    """
    path = events_path(log)
    if not path.exists():
        return EVENT_SCHEMA.empty_table()
    try:
        types = {f.name: f.type for f in EVENT_SCHEMA}
        options = pacsv.ConvertOptions(column_types=types, include_columns=EVENT_SCHEMA.names, strings_can_be_null=True)
        return pacsv.read_csv(path, convert_options=options).cast(EVENT_SCHEMA)
    except (pa.ArrowException, KeyError, ValueError, OSError) as e:
        raise FinopsError(
            f"{path} cannot be read as a list of planted events: {e}",
            hint="Delete it: it is used to score the detection of anomalies and for nothing else.",
        ) from e


def _write_events(log: Path, events: pa.Table) -> None:
    path = events_path(log)
    temporary = path.with_name(f"{path.name}.new-{os.getpid()}")
    try:
        pacsv.write_csv(events, temporary)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def _sweep(log: Path) -> None:
    """Delete what killed runs left beside the log."""
    for path in log.parent.glob(f"{log.name}.new-*"):
        process = path.name.rpartition("-")[2]
        if process.isdigit() and not Path(f"/proc/{process}").exists() and Path("/proc").exists():
            with suppress(OSError):
                path.unlink()


@contextmanager
def _told(doing: str, log: Path) -> Iterator[None]:
    """Turns an error of the system into a message that names the log."""
    try:
        yield
    except OSError as e:
        raise FinopsError(
            f"cannot {doing} {log}: {e.strerror or e}; the log is as it was",
            hint="Make room or allow writing there, or choose another place with --log.",
        ) from e


def patterns_summary(totals: Sequence[PatternTotals]) -> PatternTotals:
    """All patterns together."""
    return PatternTotals(
        "all",
        sum(t.calls for t in totals),
        sum((t.cost_usd for t in totals), Decimal(0)),
        sum(t.tokens for t in totals),
        set().union(*(t.customer_ids for t in totals)),
    )
