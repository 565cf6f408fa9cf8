"""The ledger of one log: every accepted call, typed and columnar, brought up to date by reading what is new."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
from filelock import FileLock

from finops_core import calllog
from finops_core.call import SCHEMA
from finops_core.catalog import Catalog
from finops_core.errors import FinopsError
from finops_core.ledger.calls import Calls, LogCounts
from finops_core.ledger.header import open_log
from finops_core.ledger.intake import Intake, Tally, crc_of
from finops_core.ledger.periods import PeriodChoice
from finops_core.ledger.store import Snapshot, State, Store
from finops_core.settings import Settings

_EPOCH = datetime(1970, 1, 1)

SHOWN = 200
"""How many characters of a quarantined line are shown."""


@dataclass(frozen=True)
class IngestResult:
    """What one ingest did.

    Attributes:
        bytes_read: How much of the log was read; 0 if it has not changed.
        accepted: How many calls the ledger has more than before, or in all if it was made again.
        again: Whether the log was read from its start although there was a ledger.
    """

    bytes_read: int
    accepted: int
    again: bool


class Ledger:
    """The accepted calls of a call log, in ``<log>.ledger/`` beside it.

    A ledger is only a faster form of its log: delete the folder, and :meth:`ingest` makes it again. Any number of
    processes may use it at once; one of them at a time brings it up to date, and the others see it as it was.

    Attributes:
        log: The call log.
        folder: Where the ledger is.
    """

    def __init__(self, log: Path) -> None:
        self.log = log
        self.folder = log.with_name(log.name + ".ledger")
        self._store = Store(self.folder)
        self._loaded: Snapshot | None = None

    def ingest(self, progress: Callable[[int, int], None] | None = None) -> IngestResult:
        """Bring the ledger up to date.

        If the log has only grown since the last time, only the new bytes are read: it is the same file, and the
        first 64 KiB and the 64 KiB before the offset reached are the same. A log of the same size that was touched,
        a shorter one and another file are read from the start. An edit of old bytes at equal length together with
        growth goes unnoticed here; ``finops check --full`` finds it.

        Args:
            progress: Told now and then how many of the new bytes are read, and how many there are.

        Raises:
            InputRefusedError: The file is not a call log; the ledger stays as it was.
            FinopsError: The log cannot be read, the ledger cannot be written, or the lines do not add up.
        """
        with open_log(self.log) as file:
            try:
                self.folder.mkdir(parents=True, exist_ok=True)
                with FileLock(self.folder / "ingest.lock"):
                    return self._ingest(file, progress)
            except OSError as error:
                raise FinopsError(
                    f"{self.folder}: the ledger cannot be written: {error.strerror or error}",
                    hint="Check the free space and the permissions of the folder; the log itself is untouched.",
                ) from error

    @property
    def counts(self) -> LogCounts:
        """The conservation counts of what was read of the log."""
        return self._tally.counts

    @property
    def cost_usd(self) -> Decimal:
        """What the accepted calls cost, US dollars, exact."""
        return self._tally.cost_usd

    @property
    def offset(self) -> int:
        """How far the log was read: the byte after the last complete line."""
        return self._tally.offset

    @property
    def fingerprint(self) -> str:
        """A name for what was read; the same for the same bytes, however many steps they were read in."""
        tally = self._tally
        return hashlib.sha256(f"{tally.offset} {tally.crc} {tally.counts.pending}".encode()).hexdigest()[:16]

    def matches(self, file: int) -> bool:
        """Whether every byte that was read is still the same in an open log; reads all of them."""
        return crc_of(file, 0, self._tally.offset) == self._tally.crc

    @property
    def segments(self) -> list[Path]:
        """The Parquet files with the accepted calls, in the order of the log."""
        return [self._store.parquet(segment) for segment in self._snapshot.segments]

    def quarantine(self, limit: int | None = None) -> list[dict[str, Any]]:
        """The quarantined lines in the order of the log.

        Args:
            limit: At most this many; all of them without it.

        Returns:
            For each its ``line`` (number, from 1), ``offset`` (in bytes), ``code``, ``reason`` and ``text``
            (its beginning; what is not UTF-8 is shown as escapes).
        """
        return [
            {
                "line": bad.line,
                "offset": bad.offset,
                "code": bad.code,
                "reason": bad.reason,
                "text": shown(bad.raw),
            }
            for bad in self._store.quarantine(limit)
        ]

    def calls(
        self,
        settings: Settings | None = None,
        catalog: Catalog | None = None,
        choice: PeriodChoice | None = None,
        events: pa.Table | None = None,
    ) -> Calls:
        """The calls for analyzers, as they were read last.

        Args:
            settings: ``finops.toml``.
            catalog: Models and prices; by default those of the settings.
            choice: The period; by default the whole log.
            events: What was planted, for scoring.
        """
        extent, source = None, SCHEMA.empty_table()
        if self.segments:
            first = min(segment.first for segment in self._snapshot.segments)
            last = max(segment.last for segment in self._snapshot.segments)
            extent = _EPOCH + timedelta(microseconds=first), _EPOCH + timedelta(microseconds=last)
            paths = ", ".join("'{}'".format(str(path).replace("'", "''")) for path in self.segments)
            source = f"read_parquet([{paths}])"
        return Calls(
            source,
            settings=settings,
            catalog=catalog,
            counts=self.counts,
            choice=choice,
            events=events,
            extent=extent,
        )

    @property
    def _snapshot(self) -> Snapshot:
        if self._loaded is None:
            self._loaded = self._store.read()
        return self._loaded

    @property
    def _tally(self) -> Tally:
        state = self._snapshot.state
        return state.tally if state else Tally()

    def _ingest(self, file: int, progress: Callable[[int, int], None] | None) -> IngestResult:
        before = self._loaded = self._store.read()
        status = os.fstat(file)
        whole = self._store.whole(before.segments)
        if whole and before.state and _unchanged(before.state, status):
            return IngestResult(0, 0, again=False)
        grown = whole and before.state is not None and _grown(before.state, file, status)
        old = before.state.tally if before.state and grown else Tally()
        with self._store.change() as change:
            if grown:
                change.go_on()
            else:
                change.start_over()
            intake = Intake(self.log, file, old, change.seen, change.accept, change.quarantine)
            tally = intake.run(status.st_size, progress)
            if os.fstat(file).st_size < status.st_size:
                raise FinopsError(
                    f"{self.log}: the log was cut short while it was being read", hint="Run the command again."
                )
            mark = calllog.mark(file, tally.offset)
            self._loaded = change.finish(State(mark, status.st_size, status.st_mtime_ns, tally))
        self._store.sweep(self._loaded.segments)
        return IngestResult(
            bytes_read=tally.offset - old.offset,
            accepted=tally.counts.accepted - old.counts.accepted,
            again=before.state is not None and not grown,
        )


def shown(raw: bytes) -> str:
    """The beginning of a quarantined line, fit to be printed."""
    text = raw[: 4 * SHOWN].decode(errors="backslashreplace")
    text = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text[: SHOWN + 1])
    return text if len(text) <= SHOWN else text[:SHOWN] + "..."


def _unchanged(state: State, status: os.stat_result) -> bool:
    return (state.mark.inode, state.size, state.mtime_ns) == (status.st_ino, status.st_size, status.st_mtime_ns)


def _grown(state: State, file: int, status: os.stat_result) -> bool:
    return status.st_size > state.size and calllog.mark(file, state.mark.offset) == state.mark
