"""The ledger on disk: Parquet segments, and one SQLite file that says which of them count.

Everything that a reader must agree on - the segments, how far the log was read, the counts, the quarantine -
changes in one transaction of the SQLite file. Segments are written before it and never changed after it, so that
a reader sees the ledger of before or of after, and a killed writer leaves nothing but files that nobody knows.
"""

from __future__ import annotations

import dataclasses
import json
import os
import secrets
import sqlite3
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from finops_core.call import COLUMNS, SCHEMA
from finops_core.calllog import Mark
from finops_core.errors import FinopsError
from finops_core.ledger.calls import LogCounts
from finops_core.ledger.intake import Quarantined, Tally
from finops_core.ledger.seen import Index, Seen, merged

FORMAT = 1
"""Of what is in the folder; a ledger of another format is made again from the log."""

SEGMENT_ROWS = 1 << 20
GROUP_ROWS = 1 << 17
SUPERSEDED_SECONDS = 600
"""How long a segment that no longer counts is kept for those who are still reading it."""

_STATE = "state.sqlite"
_TABLES = f"""
BEGIN IMMEDIATE;
DROP TABLE IF EXISTS state;
DROP TABLE IF EXISTS segment;
DROP TABLE IF EXISTS quarantine;
CREATE TABLE state (document TEXT NOT NULL);
CREATE TABLE segment (
    name TEXT NOT NULL, rows INTEGER NOT NULL, bytes INTEGER NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL
);
CREATE TABLE quarantine (
    line INTEGER PRIMARY KEY, offset INTEGER NOT NULL, code TEXT NOT NULL, reason TEXT NOT NULL, raw BLOB NOT NULL
);
PRAGMA user_version = {FORMAT};
COMMIT;
"""
# Ids are unique or nearly so: a dictionary of them would only be built and thrown away.
_UNIQUE = {"call_id", "request_id", "trace_id", "session_id"}
_DICTIONARIES = [column.name for column in COLUMNS if column.kind == "text" and column.name not in _UNIQUE]
# They hardly compress either, and trying hard takes a tenth of a first read.
_COMPRESSION = {column.name: "snappy" if column.name in _UNIQUE else "zstd" for column in COLUMNS}


class Segment(NamedTuple):
    """Accepted calls of one stretch of the log.

    Attributes:
        name: Of its files in the folder, without their ends.
        rows: How many calls.
        bytes: The size of its Parquet file, to notice one that a crash cut short.
        first: The time of the first call, in microseconds since 1970.
        last: The time of the last call.
    """

    name: str
    rows: int
    bytes: int
    first: int
    last: int


@dataclasses.dataclass(frozen=True)
class State:
    """How far the log was read, and what it looked like then.

    Attributes:
        mark: The log up to the offset reached.
        size: Of the whole log, in bytes.
        mtime_ns: When it was last changed.
        tally: What was read.
    """

    mark: Mark
    size: int
    mtime_ns: int
    tally: Tally


class Snapshot(NamedTuple):
    """One consistent view of the ledger; without a state there is none yet."""

    state: State | None = None
    segments: tuple[Segment, ...] = ()


class Store:
    """The folder of a ledger."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def read(self) -> Snapshot:
        """What the ledger holds now; creates nothing."""
        if not self._path.exists():
            return Snapshot()
        with self._connection() as connection:
            connection.execute("BEGIN")
            return self._snapshot(connection)

    def quarantine(self, limit: int | None = None) -> list[Quarantined]:
        """The quarantined lines in the order of the log, at most ``limit`` of them."""
        if not self._path.exists():
            return []
        with self._connection() as connection:
            if not _is_current(connection):
                return []
            rows = connection.execute(
                "SELECT line, offset, code, reason, raw FROM quarantine ORDER BY line LIMIT ?",
                (-1 if limit is None else limit,),
            )
            return [Quarantined(*row) for row in rows]

    def parquet(self, segment: Segment) -> Path:
        """Where the calls of a segment are."""
        return self.folder / f"{segment.name}.parquet"

    def index(self, segment: Segment) -> Index:
        """The sorted hashes of the call ids of a segment."""
        return Index(*np.load(self.index_path(segment), mmap_mode="r"))

    def whole(self, segments: Iterable[Segment]) -> bool:
        """Whether all files of some segments are there, in full."""
        try:
            return all(
                self.parquet(segment).stat().st_size == segment.bytes and self.index_path(segment).exists()
                for segment in segments
            )
        except FileNotFoundError:
            return False

    @contextmanager
    def change(self) -> Iterator[Change]:
        """One transaction: what is done to the change counts as a whole when the block ends, or not at all.

        The caller keeps other writers out.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        with self._connection() as connection:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = NORMAL")
            if not _is_current(connection):
                connection.executescript(_TABLES)
            connection.execute("BEGIN IMMEDIATE")
            change = Change(self, connection, self._snapshot(connection))
            try:
                yield change
            except BaseException:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                change.discard()
                raise
            connection.execute("COMMIT")

    def sweep(self, segments: Iterable[Segment]) -> None:
        """Delete the files of segments that have not counted for a while; those that count are given."""
        counting = {segment.name for segment in segments}
        old = time.time() - SUPERSEDED_SECONDS
        for path in self.folder.glob("*.parquet*"):
            with suppress(FileNotFoundError):
                if path.name.partition(".")[0] not in counting and path.stat().st_mtime < old:
                    path.unlink()

    def index_path(self, segment: Segment) -> Path:
        """Where the hashes of the call ids of a segment are."""
        return self.folder / f"{segment.name}.parquet.ids.npy"

    @property
    def _path(self) -> Path:
        return self.folder / _STATE

    @contextmanager
    def _connection(self) -> Iterator[sqlite3.Connection]:
        try:
            with closing(sqlite3.connect(self._path, timeout=60, isolation_level=None)) as connection:
                yield connection
        except sqlite3.Error as error:
            raise FinopsError(
                f"{self._path}: the ledger cannot be read or written: {error}",
                hint=f"If the disk is fine, delete the folder {self.folder}; it is made again from the log.",
            ) from error

    @staticmethod
    def _snapshot(connection: sqlite3.Connection) -> Snapshot:
        found = connection.execute("SELECT document FROM state").fetchone() if _is_current(connection) else None
        if found is None:
            return Snapshot()
        rows = connection.execute("SELECT name, rows, bytes, first, last FROM segment ORDER BY rowid").fetchall()
        return Snapshot(_state(json.loads(found[0])), tuple(Segment(*row) for row in rows))


class Change:
    """What is being done to a ledger in one transaction.

    Attributes:
        before: The ledger as it was.
        segments: Those that will count.
        seen: The call ids in them.
    """

    def __init__(self, store: Store, connection: sqlite3.Connection, before: Snapshot) -> None:
        self.before = before
        self.segments = list(before.segments)
        self.seen = Seen()
        self._store = store
        self._connection = connection
        self._writer = _SegmentWriter(store)

    def start_over(self) -> None:
        """Forget what the ledger holds."""
        self.segments.clear()
        self._connection.execute("DELETE FROM quarantine")

    def go_on(self) -> None:
        """Keep what the ledger holds, and know its call ids."""
        for segment in self.segments:
            self.seen.keep(self._store.index(segment))

    def accept(self, table: pa.Table) -> None:
        """Add calls whose ids were just added to ``seen``."""
        self._writer.add(table)
        if self._writer.rows >= SEGMENT_ROWS:
            self._close_segment()

    def quarantine(self, lines: Sequence[Quarantined]) -> None:
        """Add quarantined lines."""
        self._connection.executemany("INSERT INTO quarantine VALUES (?, ?, ?, ?, ?)", lines)

    def finish(self, state: State) -> Snapshot:
        """Make everything ready to count when the transaction ends.

        Returns:
            The ledger as it will be.
        """
        if self._writer.rows:
            self._close_segment()
            self._merge_small()
        self._connection.execute("DELETE FROM state")
        self._connection.execute("INSERT INTO state VALUES (?)", (_document(state),))
        self._connection.execute("DELETE FROM segment")
        self._connection.executemany("INSERT INTO segment VALUES (?, ?, ?, ?, ?)", self.segments)
        for segment in set(self.before.segments) - set(self.segments):
            with suppress(FileNotFoundError):
                # The time from which the sweep counts.
                os.utime(self._store.parquet(segment))
                os.utime(self._store.index_path(segment))
        return Snapshot(state, tuple(self.segments))

    def discard(self) -> None:
        """Delete what was written for nothing."""
        self._writer.discard()

    def _close_segment(self) -> None:
        segment = self._writer.close(self.seen.take_recent())
        self.segments.append(segment)
        self.seen.keep(self._store.index(segment))

    def _merge_small(self) -> None:
        """Merge the last segments into one, unless one is more than twice as large as all after it.

        Sizes then at least halve from segment to segment, so that a thousand appends leave about ten segments, and
        a call is rewritten about ten times in its life.
        """
        first, rows = len(self.segments) - 1, self.segments[-1].rows
        while first and self.segments[first - 1].rows <= min(2 * rows, SEGMENT_ROWS - rows):
            first -= 1
            rows += self.segments[first].rows
        small = self.segments[first:]
        if len(small) > 1:
            for segment in small:
                with pq.ParquetFile(self._store.parquet(segment)) as file:
                    for batch in file.iter_batches(GROUP_ROWS):
                        self._writer.add(pa.Table.from_batches([batch]).cast(SCHEMA))
            self.segments[first:] = [self._writer.close(merged(self._store.index(segment) for segment in small))]


class _SegmentWriter:
    """Writes one segment after the other, a row group of a good size at a time."""

    def __init__(self, store: Store) -> None:
        self.rows = 0
        self._store = store
        self._written: list[Path] = []
        self._buffer: list[pa.Table] = []
        self._buffered = 0
        self._file: pq.ParquetWriter | None = None
        self._times: list[int] = []

    def add(self, table: pa.Table) -> None:
        if not table.num_rows:
            return
        self._buffer.append(table)
        self._times += [limit.value for limit in pc.min_max(table["timestamp"]).values()]
        self._buffered += table.num_rows
        self.rows += table.num_rows
        if self._buffered >= GROUP_ROWS:
            self._flush()

    def close(self, index: Index) -> Segment:
        self._flush()
        assert self._file is not None
        self._file.close()
        path = self._written[-1]
        index_path = path.with_name(path.name + ".ids.npy")
        self._written.append(index_path)
        np.save(index_path, np.stack(index))
        segment = Segment(path.stem, self.rows, path.stat().st_size, min(self._times), max(self._times))
        self._file, self.rows, self._times = None, 0, []
        return segment

    def discard(self) -> None:
        if self._file is not None:
            with suppress(OSError):
                self._file.close()
        for path in self._written:
            path.unlink(missing_ok=True)

    def _flush(self) -> None:
        if self._file is None:
            path = self._store.folder / f"{secrets.token_hex(8)}.parquet"
            self._written.append(path)
            self._file = pq.ParquetWriter(
                path,
                SCHEMA,
                compression=_COMPRESSION,
                use_dictionary=_DICTIONARIES,
                write_statistics=["timestamp"],
                store_schema=False,
            )
        if self._buffer:
            self._file.write_table(pa.concat_tables(self._buffer), row_group_size=self._buffered)
            self._buffer, self._buffered = [], 0


def _is_current(connection: sqlite3.Connection) -> bool:
    return bool(connection.execute("PRAGMA user_version").fetchone()[0] == FORMAT)


def _document(state: State) -> str:
    return json.dumps(dataclasses.asdict(state), default=str)


def _state(document: dict[str, Any]) -> State:
    tally = document["tally"]
    counts = tally["counts"]
    return State(
        Mark(*document["mark"]),
        document["size"],
        document["mtime_ns"],
        Tally(
            tally["offset"],
            tally["crc"],
            tuple(tally["headers"]),
            LogCounts(**{**counts, "unknown_columns": tuple(counts["unknown_columns"])}),
            Decimal(tally["cost_usd"]),
        ),
    )
