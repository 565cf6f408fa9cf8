"""Somebody else's CSV file, in blocks of whole records.

RFC 4180 with any of four delimiters: a quoted field may hold newlines. A record that breaks the grammar is set
aside with its line, and an open quote never swallows what comes after it: lines that make no sense as one record
are judged one by one.
"""

from __future__ import annotations

import csv
import hashlib
import os
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv

from finops_core.errors import FinopsError, InputRefusedError, UsageError

Int64s = npt.NDArray[np.int64]
Verdicts = npt.NDArray[np.int8]

DELIMITERS: dict[str, str] = {"comma": ",", "semicolon": ";", "tab": "\t", "bar": "|"}
BLOCK_BYTES = 8 * 2**20
MAX_RECORD_BYTES = 2**20
"""A record that has not ended by then is an open quote."""

BOM = b"\xef\xbb\xbf"

REASONS: dict[str, str] = {
    "E_TOO_LONG": f"the record is longer than {MAX_RECORD_BYTES // 2**20} MiB",
    "E_NUL": "the record holds a NUL byte",
    "E_UTF8": "the record is not UTF-8",
    "E_QUOTE": "a quote is not closed, not doubled, or inside a field without quotes",
    "E_CR": "a carriage return stands inside the line",
    "E_COLS": "the record has another number of fields than the header",
}
"""What makes a record unsound; the first that applies counts. A verdict is the place in this table, from 1."""

SOUND, BLANK = 0, -1


@dataclass(frozen=True)
class BadRow:
    """A record that was set aside.

    Attributes:
        line: The physical line on which it begins; the first line of the file is 1.
        code: As for a line of the call log; what only other files can have is ``E_CR`` and ``E_NEWLINE``.
        reason: What is wrong with it, in words.
    """

    line: int
    code: str
    reason: str


@dataclass(frozen=True)
class Block:
    """Some consecutive records.

    Attributes:
        texts: The wanted columns of the sound records, as text.
        lines: The physical line on which each of them begins. Shape (rows,).
        line_breaks: Whether there may be line breaks in their fields.
        bad: The other records.
        position: How many bytes of the file have been read with it.
    """

    texts: pa.Table
    lines: Int64s
    line_breaks: bool
    bad: list[BadRow]
    position: int


class ForeignCsv:
    """A finished CSV file: its last line counts, with or without a line end.

    Args:
        path: The file.
        wanted: Column names that one hopes to find; they help to tell the delimiter.
        delimiter: A name or character of :data:`DELIMITERS`; ``None`` finds it in the header.

    Attributes:
        columns: The names in the header, without the spaces around them.
        delimiter: The character that separates the fields.
        size: Bytes of the file.

    Raises:
        FinopsError: The file cannot be read.
        InputRefusedError: It is empty, or no text in UTF-8.
        UsageError: The delimiter is not one that is known.
    """

    def __init__(self, path: Path, *, wanted: Collection[str] = (), delimiter: str | None = None) -> None:
        chosen = DELIMITERS.get(delimiter or "", delimiter)
        if chosen is not None and chosen not in DELIMITERS.values():
            raise UsageError(
                f"--delimiter {delimiter!r} is not one that import can read",
                hint=f"Choose {', '.join(DELIMITERS)}, or leave it out: it is found in the header.",
            )
        self.path = path
        self._state = _regular_file(path)
        self.size = self._state.st_size
        header, self._first_line, self._start = _find_header(path)
        splits = {d: _fields(header, d) for d in ([chosen] if chosen else DELIMITERS.values())}
        self.delimiter = max(splits, key=lambda d: (len(set(wanted) & set(splits[d])), len(splits[d])))
        self.columns = splits[self.delimiter]

    def digest(self) -> str:
        """The SHA-256 of the file's bytes, in hex."""
        with _opened(self.path) as file:
            return hashlib.file_digest(file, "sha256").hexdigest()

    def blocks(self, wanted: Collection[str]) -> Iterator[Block]:
        """The records of the file, in order.

        Args:
            wanted: Names of the columns to read; each occurs once in :attr:`columns`.

        Raises:
            FinopsError: The file changed while it was read.
        """
        line, rest, position = self._first_line + 1, b"", self._start
        with _opened(self.path) as file:
            file.seek(self._start)
            while chunk := file.read(BLOCK_BYTES):
                position += len(chunk)
                data = rest + chunk
                last = position >= self.size
                if last and not data.endswith(b"\n"):
                    data += b"\n"
                ends = _record_ends(data)
                done = int(ends[-1]) + 1 if len(ends) else 0
                if last or len(data) - done > MAX_RECORD_BYTES:
                    # What is left is an open quote: its whole lines are taken as one record, to be judged singly.
                    whole = data.rfind(b"\n") + 1
                    if whole > done:
                        ends, done = np.append(ends, whole - 1), whole
                rest = data[done:]
                if done:
                    yield self._block(data[:done], ends, line, wanted, position)
                    line += data.count(b"\n", 0, done)
        if position != self.size or _identity(_regular_file(self.path)) != _identity(self._state):
            raise FinopsError(
                f"{self.path} changed while it was read; nothing was imported",
                hint="Import it when its writer is done.",
            )

    def _block(self, data: bytes, ends: Int64s, first_line: int, wanted: Collection[str], position: int) -> Block:
        verdicts = _verdicts(data, ends, self.delimiter, len(self.columns))
        singled = _singled(data, ends, verdicts)
        if len(singled) > len(ends):
            ends, verdicts = singled, _verdicts(data, singled, self.delimiter, len(self.columns))
        starts = _starts(ends)
        lines = first_line + np.searchsorted(_positions(data, b"\n"), starts)
        codes = tuple(REASONS)
        bad = [
            BadRow(int(lines[i]), codes[verdicts[i] - 1], REASONS[codes[verdicts[i] - 1]])
            for i in np.flatnonzero(verdicts > SOUND)
        ]
        sound = verdicts == SOUND
        if not sound.all():
            kept = np.repeat(sound, ends + 1 - starts)
            data = np.frombuffer(data, np.uint8)[kept].tobytes()
        breaks = data.count(b"\n") > sound.sum() or data.count(b"\r") > data.count(b"\r\n")
        return Block(self._parse(data, wanted), lines[sound], breaks, bad, position)

    def _parse(self, data: bytes, wanted: Collection[str]) -> pa.Table:
        """The wanted columns of sound records."""
        positions = {str(self.columns.index(name)): name for name in wanted}
        if not data or not positions:
            return pa.table({name: pa.array([], pa.string()) for name in wanted})
        table = pacsv.read_csv(
            pa.py_buffer(data),
            read_options=pacsv.ReadOptions(
                column_names=[str(i) for i in range(len(self.columns))], block_size=len(data) + 1
            ),
            parse_options=pacsv.ParseOptions(
                delimiter=self.delimiter, quote_char='"' if b'"' in data else False, newlines_in_values=True
            ),
            convert_options=pacsv.ConvertOptions(
                include_columns=list(positions),
                column_types=dict.fromkeys(positions, pa.string()),
                strings_can_be_null=False,
            ),
        )
        return table.rename_columns(list(positions.values()))


@contextmanager
def _opened(path: Path) -> Iterator[BufferedReader]:
    """The file, opened for reading; an error of the system becomes a message that names it."""
    try:
        with path.open("rb") as file:
            yield file
    except OSError as e:
        raise FinopsError(f"cannot read {path}: {e.strerror or e}", hint="Name a CSV file that you may read.") from e


def _regular_file(path: Path) -> os.stat_result:
    """What the system says about a file that can be read more than once."""
    if path.exists() and not path.is_file():
        raise FinopsError(f"{path} is not a regular file", hint="Name a CSV file.")
    with _opened(path) as file:
        return os.fstat(file.fileno())


def _identity(state: os.stat_result) -> tuple[int, int, int]:
    return state.st_ino, state.st_size, state.st_mtime_ns


def _find_header(path: Path) -> tuple[str, int, int]:
    """The first line that is not blank, its number, and where the next one starts."""
    with _opened(path) as file:
        head = file.read(4)
        file.seek(len(BOM) if head.startswith(BOM) else 0)
        number = 0
        while raw := file.readline(MAX_RECORD_BYTES):
            number += 1
            if raw.strip():
                return _header_text(path, raw, head), number, file.tell()
    raise InputRefusedError("F_EMPTY", f"{path} is empty", hint="Name a CSV file with a header and rows.")


def _header_text(path: Path, raw: bytes, head: bytes) -> str:
    line = raw.rstrip(b"\r\n")
    if head[:2] in (b"\xff\xfe", b"\xfe\xff") or b"\0" in line or len(raw) >= MAX_RECORD_BYTES:
        raise InputRefusedError(
            "F_ENCODING", f"{path} does not begin with a line of UTF-8 text", hint="Name a CSV file saved as UTF-8."
        )
    if b"\r" in line:
        raise InputRefusedError(
            "F_EOL",
            f"the lines of {path} end in a carriage return alone",
            hint="Save it with the line ends of Unix or Windows.",
        )
    try:
        return line.decode()
    except UnicodeDecodeError as e:
        raise InputRefusedError("F_ENCODING", f"the header of {path} is not UTF-8", hint="Save it as UTF-8.") from e


def _fields(header: str, delimiter: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in next(csv.reader([header], delimiter=delimiter)))


def _positions(data: bytes, character: bytes) -> Int64s:
    return np.flatnonzero(np.frombuffer(data, np.uint8) == ord(character))


def _starts(ends: Int64s) -> Int64s:
    return np.append(np.int64(0), ends[:-1] + 1)


def _record_ends(data: bytes) -> Int64s:
    """The newlines outside quotes: those after an even number of quote characters."""
    newlines = _positions(data, b"\n")
    ends: Int64s = newlines[np.searchsorted(_positions(data, b'"'), newlines) % 2 == 0]
    return ends


def _verdicts(data: bytes, ends: Int64s, delimiter: str, fields: int) -> Verdicts:
    """For each record whether it is sound, blank, or unsound and why."""
    starts = _starts(ends)
    out = np.zeros(len(ends), np.int8)
    quotes = _positions(data, b'"')

    def mark(code: str, records: Int64s | npt.NDArray[np.bool_]) -> None:
        out[records] = tuple(REASONS).index(code) + 1

    def record_of(positions: Int64s) -> Int64s:
        records: Int64s = np.searchsorted(ends, positions)
        return records

    def outside_quotes(positions: Int64s) -> Int64s:
        before = np.searchsorted(quotes, positions) - np.searchsorted(quotes, starts[record_of(positions)])
        outside: Int64s = positions[before % 2 == 0]
        return outside

    # From the last reason to the first: a later mark replaces an earlier one.
    separators = np.bincount(record_of(outside_quotes(_positions(data, delimiter.encode()))), minlength=len(ends))
    mark("E_COLS", separators != fields - 1)
    returns = outside_quotes(_positions(data, b"\r"))
    mark("E_CR", record_of(returns[np.frombuffer(data, np.uint8)[returns + 1] != ord("\n")]))
    if len(quotes):
        texts = pa.Array.from_buffers(
            pa.binary(),
            len(ends),
            [None, pa.py_buffer(np.append(0, ends + 1).astype(np.int32)), pa.py_buffer(data)],
        )
        mark("E_QUOTE", ~pc.match_substring_regex(texts, _grammar(delimiter)).to_numpy(zero_copy_only=False))
    mark("E_UTF8", _not_utf8(data, starts, ends))
    mark("E_NUL", record_of(_positions(data, b"\0")))
    mark("E_TOO_LONG", ends - starts > MAX_RECORD_BYTES)
    length = ends - starts
    out[(length == 0) | ((length == 1) & (np.frombuffer(data, np.uint8)[starts] == ord("\r")))] = BLANK
    return out


def _grammar(delimiter: str) -> str:
    """A record of RFC 4180, with its line end."""
    separator = rf"\x{ord(delimiter):02x}"
    field = rf'(?:[^"\n{separator}]*|"(?:[^"]|"")*")'
    return rf"^{field}(?:{separator}{field})*\r?\n$"


def _not_utf8(data: bytes, starts: Int64s, ends: Int64s) -> Int64s:
    """The records that are not UTF-8; they are looked at singly only if there is one."""
    try:
        data.decode()
    except UnicodeDecodeError:
        suspects = np.unique(np.searchsorted(ends, np.flatnonzero(np.frombuffer(data, np.uint8) >= 0x80)))
        return np.array([i for i in suspects if not _is_utf8(data[starts[i] : ends[i]])], np.int64)
    return ends[:0]


def _is_utf8(text: bytes) -> bool:
    try:
        text.decode()
    except UnicodeDecodeError:
        return False
    return True


def _singled(data: bytes, ends: Int64s, verdicts: Verdicts) -> Int64s:
    """The ends with each line of an unsound record a record of its own: quotes may have joined what is apart."""
    newlines = _positions(data, b"\n")
    return np.union1d(ends, newlines[verdicts[np.searchsorted(ends, newlines)] > SOUND])
