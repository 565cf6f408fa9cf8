"""Taking in the lines of a log from an offset on: in order, in parallel, without duplicates, all of them counted."""

from __future__ import annotations

import os
import zlib
from bisect import bisect_right
from collections import Counter, deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from finops_core import calllog
from finops_core.call import NAMES
from finops_core.errors import FinopsError
from finops_core.ledger.calls import LogCounts
from finops_core.ledger.header import Header, header_at, read_opening
from finops_core.ledger.reading import Rows, read_block
from finops_core.ledger.seen import Index, Seen, hashes
from finops_core.ledger.strict import Bad, Call, read_line
from finops_core.money import EXACT

Progress = Callable[[int, int], None]

_WORKERS = max(1, min(4, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1))
_CALL_ID = NAMES.index("call_id")


class Quarantined(NamedTuple):
    """A line that is not a call.

    Attributes:
        line: Its number in the file, from 1.
        offset: Where it starts, in bytes.
        code: Why, as a stable code.
        reason: Why, in words.
        raw: Its bytes without the newline; of a line longer than that, just over 64 KiB.
    """

    line: int
    offset: int
    code: str
    reason: str
    raw: bytes


@dataclass(frozen=True)
class Tally:
    """What was read of a log up to an offset; an intake goes on from there.

    Attributes:
        offset: The byte after the last complete line.
        crc: CRC-32 of every byte before the offset.
        headers: Where the headers are that changed what the columns are.
        counts: The lines by what became of them.
        cost_usd: The cost of the accepted calls.
    """

    offset: int = 0
    crc: int = 0
    headers: tuple[int, ...] = ()
    counts: LogCounts = field(default_factory=LogCounts)
    cost_usd: Decimal = Decimal(0)


@dataclass(frozen=True)
class _Part:
    """Lines under one header, as read; ``repeated`` are the starts of headers among them that change nothing."""

    data: bytes
    start: int
    header: Header
    repeated: list[int]


class Intake:
    """One pass over the new lines of a log.

    Args:
        log: The path, for messages.
        file: The open log.
        tally: What was read before.
        seen: The call ids that were read before; new ones are added.
        accept: Given the new calls, in order, after their ids were added to ``seen``.
        quarantine: Given the bad lines of some part of the log, in no particular order within it.
    """

    def __init__(
        self,
        log: Path,
        file: int,
        tally: Tally,
        seen: Seen,
        accept: Callable[[pa.Table], None],
        quarantine: Callable[[list[Quarantined]], None],
    ) -> None:
        self._log = log
        self._file = file
        self._seen = seen
        self._accept = accept
        self._quarantine = quarantine
        self._offset = tally.offset
        self._crc = tally.crc
        self._headers = list(tally.headers)
        # A line that was pending is read again, whole or still pending.
        self._counts = replace(tally.counts, lines=tally.counts.lines - tally.counts.pending, pending=0)
        self._line = self._counts.lines
        self._cost = tally.cost_usd
        self._latest_header: tuple[int, Header] | None = None

    def run(self, end: int, progress: Progress | None = None) -> Tally:
        """Read up to an offset.

        Args:
            end: The size of the log.
            progress: Told now and then how many of the new bytes are read, and how many there are.

        Returns:
            What is read now.

        Raises:
            InputRefusedError: The file is not a call log.
            FinopsError: The lines do not add up.
        """
        begin = self._offset
        if self._headers or self._open(end):
            waiting: deque[tuple[_Part, Future[Rows]]] = deque()
            with ThreadPoolExecutor(_WORKERS) as pool:
                try:
                    for part in self._parts(end):
                        waiting.append((part, pool.submit(read_block, part.data, part.header, part.repeated)))
                        if len(waiting) > _WORKERS + 1:
                            self._take(*waiting.popleft())
                            if progress:
                                progress(part.start - begin, end - begin)
                    while waiting:
                        self._take(*waiting.popleft())
                except BaseException:
                    pool.shutdown(cancel_futures=True)
                    raise
        if progress:
            progress(end - begin, end - begin)
        return self._tally(end)

    def _open(self, end: int) -> bool:
        """Read the header; ``False`` if it is still being written."""
        opening = read_opening(self._log, self._file, end)
        if opening.header is None:
            self._counts = LogCounts(lines=opening.blank, blank=opening.blank)
            return False
        self._counts = LogCounts()  # the blank lines before a header that was pending are read again with it
        self._advance(os.pread(self._file, opening.end, 0), opening.end)
        self._headers.append(opening.start)
        self._line = opening.blank + 1
        self._counts += LogCounts(header=1, blank=opening.blank, unknown_columns=opening.header.unknown)
        return True

    def _parts(self, end: int) -> Iterator[_Part]:
        """The lines up to the last newline, cut where a repeated header changes what the columns are."""
        header = header_at(self._file, self._headers[-1])
        for block in calllog.blocks(self._file, self._offset, end):
            self._advance(block.data, block.end)
            start = 0
            repeated: list[int] = []
            for first, names in _headers_in(block.data):
                if names != header.names:
                    if first > start:
                        yield _Part(block.data[start:first], block.start + start, header, repeated)
                    start, repeated, header = first, [], Header(names)
                    self._headers.append(block.start + first)
                repeated.append(first - start)
                self._counts += LogCounts(repeated_headers=1, unknown_columns=header.unknown)
            yield _Part(block.data[start:], block.start + start, header, repeated)

    def _advance(self, data: bytes, end: int) -> None:
        """Count the lines and the bytes up to an offset, for themselves: what becomes of them must add up to this."""
        self._counts += LogCounts(lines=data.count(b"\n"))
        if len(data) == end - self._offset:
            self._crc = zlib.crc32(data, self._crc)
        else:  # the middle of a line that is too long was left out
            self._crc = crc_of(self._file, self._offset, end, self._crc)
        self._offset = end

    def _take(self, part: _Part, future: Future[Rows]) -> None:
        rows = future.result()
        bad = list(rows.bad)
        table, naive, rounded = rows.table, rows.naive, rows.rounded
        if len(rows.index):
            duplicates = self._duplicates(part, rows)
            if duplicates:
                bad += duplicates
                kept = ~np.isin(rows.index, [index for index, _ in duplicates])
                table, naive, rounded = table.filter(pa.array(kept)), naive[kept], rounded[kept]
            self._accept(table)
        if bad:
            self._quarantine(
                [
                    Quarantined(
                        self._line + index + 1, part.start + int(rows.starts[index]), *why, rows.line(part.data, index)
                    )
                    for index, why in bad
                ]
            )
        if table.num_rows:
            self._cost = EXACT.add(self._cost, pc.sum(table["cost_usd"]).as_py())
        self._line += len(rows.starts) - 1
        self._counts += LogCounts(
            accepted=table.num_rows,
            quarantined=len(bad),
            blank=rows.blank,
            naive_timestamps=int(naive.sum()),
            rounded_costs=int(rounded.sum()),
            reasons=Counter(why.code for _, why in bad),
        )

    def _duplicates(self, part: _Part, rows: Rows) -> list[tuple[int, Bad]]:
        """Which of the calls have an id that was seen before; the ids of the others have been seen from now on."""
        ids = hashes(rows.table["call_id"].combine_chunks())
        offsets = (rows.starts[rows.index] + part.start).astype(np.uint64)
        order = np.argsort(ids, kind="stable")
        suspects = self._seen.suspects(ids[order])
        found: list[tuple[int, Bad]] = []
        if len(suspects):
            places = self._seen.lines(suspects)
            for row in map(int, np.flatnonzero(np.isin(ids, suspects))):
                index = int(rows.index[row])
                earlier = places.setdefault(int(ids[row]), [])
                why = self._compare(part, rows.line(part.data, index), earlier)
                if why:
                    found.append((index, why))
                else:
                    earlier.append(int(offsets[row]))
            kept = ~np.isin(rows.index, [index for index, _ in found])
            order = order[kept[order]]
        self._seen.add(Index(ids[order], offsets[order]))
        return found

    def _compare(self, part: _Part, line: bytes, earlier: list[int]) -> Bad | None:
        """Why a line is a duplicate of one of the earlier lines with the same hash; ``None`` if it is not."""
        for offset in earlier:
            other, header = calllog.line_at(self._file, offset), self._header_of(offset)
            if (line, part.header) == (other, header):
                return Bad("E_DUP_ID", f"the call at byte {offset} again")
            new, old = read_line(line, part.header), read_line(other, header)
            if not isinstance(new, Call) or not isinstance(old, Call) or new.values[_CALL_ID] != old.values[_CALL_ID]:
                continue
            names = [name for name, a, b in zip(NAMES, new.values, old.values, strict=True) if a != b]
            if not names:
                return Bad("E_DUP_ID", f"the call at byte {offset} again")
            return Bad("E_DUP_CONFLICT", f"the call_id of the call at byte {offset}, with another {', '.join(names)}")
        return None

    def _header_of(self, offset: int) -> Header:
        place = self._headers[bisect_right(self._headers, offset) - 1]
        if self._latest_header is None or self._latest_header[0] != place:
            self._latest_header = place, header_at(self._file, place)
        return self._latest_header[1]

    def _tally(self, end: int) -> Tally:
        pending = int(self._offset < end)
        counts = self._counts + LogCounts(lines=pending, pending=pending)
        if not counts.add_up():
            raise FinopsError(
                f"{self._log}: its {counts.lines} lines do not add up: {counts}",
                hint="Nothing was made of it. Run again; if it stays like this, it is a mistake in finops: report it.",
            )
        return Tally(self._offset, self._crc, tuple(self._headers), counts, self._cost)


def crc_of(file: int, start: int, end: int, crc: int = 0) -> int:
    """CRC-32 of the bytes of an open log between two offsets, going on from that of the bytes before."""
    while start < end:
        data = os.pread(file, min(calllog.BLOCK, end - start), start)
        if not data:
            break
        crc = zlib.crc32(data, crc)
        start += len(data)
    return crc


def _headers_in(data: bytes) -> Iterator[tuple[int, tuple[str, ...]]]:
    """Where lines that are headers start, and the names in them."""
    found = data.find(calllog.MARK)
    while found >= 0:
        first = data.rfind(b"\n", 0, found) + 1
        last = data.find(b"\n", found)
        names = calllog.header_names(data[first:last])
        if names is not None:
            yield first, names
        found = data.find(calllog.MARK, last)
