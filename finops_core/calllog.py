"""The call log on disk: one CSV that anyone may append to, and nobody may damage.

Everything in finops that writes to a log goes through :func:`append` or :func:`replace`; everything
that reads one goes through :func:`blocks`. What a line means is none of this module's business, with
one exception: it must know a header when it sees one, because a header says what the lines after it hold.
"""

from __future__ import annotations

import errno
import hashlib
import os
import re
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from filelock import FileLock, Timeout

from finops_core.call import NAMES, REQUIRED
from finops_core.errors import FinopsError, InputRefusedError

MAX_LINE = 64 * 1024
"""The longest line, in bytes without its end, that can be a call."""

BLOCK = 4 * 1024 * 1024
"""How many bytes are read at once."""

MARKED = 64 * 1024
"""How many bytes at the start of a log and before an offset tell whether it has only grown."""

BOM = b"\xef\xbb\xbf"
LOCK_SECONDS = 300.0

MARK = b"output_tokens"
"""A name that every header has and hardly another line: where it does not occur, there is no header."""

_REQUIRED = tuple(name.encode() for name in REQUIRED)
_CELL = re.compile(r'(?:"([^"]*(?:""[^"]*)*)"|([^",]*))(?:,|\Z)')


def header_line() -> bytes:
    """The header that finops writes: every column's name in order, and the end of the line."""
    return ",".join(NAMES).encode() + b"\n"


def cells(line: str) -> list[str] | None:
    """The fields of one line by RFC 4180, without a line end; ``None`` if a quote is broken or left open.

    A field is either quoted as a whole, with quotes inside it doubled, or holds no quote at all.
    """
    if '"' not in line:
        return line.split(",")
    fields = []
    match = _CELL.match(line)
    while match is not None:
        quoted, plain = match.groups()
        fields.append(plain if quoted is None else quoted.replace('""', '"'))
        if not match.group().endswith(","):
            return fields
        match = _CELL.match(line, match.end())
    return None


def column_names(line: bytes) -> tuple[str, ...]:
    """The names in a header, compared without BOM, carriage returns and quotes.

    Raises:
        UnicodeDecodeError: The line is not UTF-8.
    """
    text = line.removeprefix(BOM).rstrip(b"\r\n").decode()
    return tuple(cells(text) or text.replace('"', "").split(","))


def too_long(line: bytes) -> bool:
    """Whether a line, given without its newline, is too long to be anything but quarantined."""
    return len(line.removesuffix(b"\r")) > MAX_LINE


def header_names(line: bytes) -> tuple[str, ...] | None:
    """The names in a line that is a header: it has every required name, and none twice. Else ``None``."""
    if too_long(line) or b"\0" in line or not all(name in line for name in _REQUIRED):
        return None
    try:
        names = column_names(line)
    except UnicodeDecodeError:
        return None
    named = [name for name in names if name]
    if len(set(named)) < len(named) or not set(REQUIRED) <= set(named):
        return None
    return names


class Block(NamedTuple):
    """Whole lines of a log.

    Attributes:
        start: The byte offset of the first line.
        end: The byte offset after the last line.
        data: The bytes between, ending in a newline. A line too long to be a call comes alone, and
            cut to just over :data:`MAX_LINE` bytes and a newline.
    """

    start: int
    end: int
    data: bytes


class Mark(NamedTuple):
    """What a log looked like up to an offset: the file, and a hash of the first and the last 64 KiB before it."""

    inode: int
    offset: int
    head: str
    tail: str


def mark(file: int, offset: int) -> Mark:
    """Mark a place in an open log; as long as the log only grows, the mark of the same offset stays equal."""
    head = os.pread(file, min(MARKED, offset), 0)
    tail = os.pread(file, min(MARKED, offset), max(0, offset - MARKED))
    return Mark(os.fstat(file).st_ino, offset, hashlib.sha256(head).hexdigest(), hashlib.sha256(tail).hexdigest())


def blocks(file: int, start: int, end: int, size: int = BLOCK) -> Iterator[Block]:
    """The complete lines of an open log, a few megabytes at a time, in bounded memory.

    What follows the last newline before ``end`` is not yielded: it is still being written.

    Args:
        file: A file descriptor.
        start: The byte offset to begin at, the start of a line.
        end: The byte offset to stop at, such as the size of the file.
        size: About how many bytes a block has.
    """
    size = max(size, MAX_LINE + 3)
    while start < end:
        data = os.pread(file, min(size, end - start), start)
        whole = data.rfind(b"\n") + 1
        if whole:
            yield Block(start, start + whole, data[:whole])
            start += whole
        elif len(data) < size:
            return
        else:
            after = _after_newline(file, start + len(data), end)
            if after is None:
                return
            yield Block(start, after, data[: MAX_LINE + 2] + b"\n")
            start = after


def _after_newline(file: int, start: int, end: int) -> int | None:
    while start < end:
        data = os.pread(file, min(BLOCK, end - start), start)
        if not data:
            return None
        found = data.find(b"\n")
        if found >= 0:
            return start + found + 1
        start += len(data)
    return None


def line_at(file: int, offset: int) -> bytes:
    """The line that starts at an offset, without its newline and cut to just over :data:`MAX_LINE` bytes."""
    return os.pread(file, MAX_LINE + 2, offset).partition(b"\n")[0]


@contextmanager
def lock(log: Path, timeout: float = LOCK_SECONDS) -> Iterator[None]:
    """Keep every other writer out of a log; ``<log>.lock`` beside it is what they agree on.

    Args:
        log: The call log; its folder is made if there is none.
        timeout: Seconds to wait for another writer.

    Raises:
        FinopsError: Another process kept the lock for longer than that, or it cannot be taken.
    """
    path = log.with_name(log.name + ".lock")
    guard = FileLock(path)
    try:
        log.parent.mkdir(parents=True, exist_ok=True)
        guard.acquire(timeout=timeout)
    except Timeout:
        raise FinopsError(
            f"{log}: another process has been writing for more than {timeout:g} seconds (it holds {path})",
            hint="Wait for it to finish, then run the command again.",
        ) from None
    except OSError as error:
        raise FinopsError(
            f"{log}: cannot be locked for writing: {error.strerror or error}",
            hint=f"Check that {path.parent} is a folder that you may write to.",
        ) from None
    try:
        yield
    finally:
        guard.release()


def append(log: Path, rows: Iterable[bytes]) -> int:
    """Append calls to a log: all of them, or none.

    The lock is held while ``rows`` is consumed. A torn last line is ended first, so that it cannot
    swallow the first new one. The header is written into an empty file, and again before the rows if
    the lines at the end of the log have other columns than ours.

    Args:
        log: The call log; made if there is none.
        rows: Blocks of whole lines in the columns of :func:`header_line`, each block ending in a newline.

    Returns:
        How many bytes were written, all of them on the disk.

    Raises:
        FinopsError: The disk is full or failed; the log is as it was before, or the message says that it is not.
        InputRefusedError: The file is not a call log; it is left alone.
        ValueError: A block does not end in a newline; the log is as it was before.
    """
    with lock(log):
        existed = log.exists()
        try:
            file = os.open(log, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o666)
        except OSError as error:
            raise FinopsError(
                f"{log}: cannot be written to: {error.strerror}", hint="Check the path and its permissions."
            ) from None
        try:
            if not stat.S_ISREG(os.fstat(file).st_mode):
                raise FinopsError(f"{log}: is not a regular file", hint="Choose another file with --log.")
            return _append(log, file, rows, existed)
        finally:
            os.close(file)


def replace(log: Path, new: Path) -> None:
    """Put a finished file in the place of a log, under the lock and in one step.

    A reader sees the old log or the new one, never a part of either.

    Args:
        log: The call log; may not exist yet.
        new: The finished file, on the same disk; it is gone afterwards.

    Raises:
        FinopsError: The file could not be moved; the log is as it was.
    """
    with lock(log):
        try:
            file = os.open(new, os.O_RDONLY | os.O_CLOEXEC)
            try:
                os.fsync(file)
            finally:
                os.close(file)
            new.replace(log)
            _sync_folder(log.parent)
        except OSError as error:
            raise FinopsError(
                f"{log}: could not be replaced by {new}: {error.strerror}",
                hint=f"The new calls are in {new} if it still exists; check the disk and move it by hand.",
            ) from None


def _append(log: Path, file: int, rows: Iterable[bytes], existed: bool) -> int:
    start = os.fstat(file).st_size
    try:
        written = _write(file, _opening(log, file, start))
        for block in rows:
            if not block.endswith(b"\n"):
                raise ValueError("rows are appended in blocks of whole lines, each ending in a newline")
            written += _write(file, block)
        os.fsync(file)
        if not existed:
            _sync_folder(log.parent)
    except BaseException as error:
        undone = _undo(log, file, start, existed)
        if not isinstance(error, OSError):
            raise
        state = "the log is as it was before" if undone else f"and it could not be cut back to {start} bytes"
        raise FinopsError(
            f"{log}: appending failed: {error.strerror or error}; {state}",
            hint="Free some space or check the disk, then run the command again."
            if undone
            else f"Check the disk, then cut the file to {start} bytes, or the calls of this append may be in it.",
        ) from error
    _ENDS[log.absolute()] = mark(file, start + written)
    return written


def _write(file: int, data: bytes) -> int:
    """Write all of it: a full disk may take a part and report no error until the next try."""
    rest = memoryview(data)
    while rest:
        taken = os.write(file, rest)
        if not taken:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        rest = rest[taken:]
    return len(data)


def _undo(log: Path, file: int, start: int, existed: bool) -> bool:
    try:
        if os.fstat(file).st_size != start:
            os.ftruncate(file, start)
        if not existed:
            log.unlink(missing_ok=True)
    except OSError:
        return False
    with suppress(OSError):
        os.fsync(file)
    return True


def _sync_folder(folder: Path) -> None:
    """Make a new name in a folder survive a power failure."""
    file = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(file)
    finally:
        os.close(file)


_ENDS: dict[Path, Mark] = {}
"""How far a log is known to end in our columns, so that a thousand appends do not scan it a thousand times."""


def _opening(log: Path, file: int, size: int) -> bytes:
    """What must be written before the first row: the end of a torn line, the header, both or nothing."""
    header = header_line()
    if size < len(header) and header.startswith(os.pread(file, size, 0)):
        return header[size:]  # also completes a header that a killed writer left torn
    heal = b"" if os.pread(file, 1, size - 1) == b"\n" else b"\n"
    known = _ENDS.get(log.absolute())
    names: tuple[str, ...] | None
    if known is not None and known.offset <= size and known == mark(file, known.offset):
        names = _last_header(file, known.offset, size) or NAMES
    else:
        names = _last_header(file, 0, size) or (() if _blank(file, size) else None)
    if names is None:
        raise InputRefusedError(
            "F_HEADER",
            f"{log}: is not a call log: no line of it names the columns {', '.join(REQUIRED)}",
            hint="Choose another file with --log, or see 'finops check' for what is wrong with this one.",
        )
    return heal if names == NAMES else heal + header


def _last_header(file: int, start: int, end: int) -> tuple[str, ...] | None:
    """The names in the last header between two offsets; a torn line at the end counts, as it is about to be ended."""
    overlap = MAX_LINE + len(MARK)
    while end > start:
        begin = max(start, end - BLOCK)
        # A header that begins before this piece is found again, whole, in the piece before it.
        data = os.pread(file, end - begin + overlap, begin)
        found = data.rfind(MARK)
        while found >= 0:
            first = data.rfind(b"\n", 0, found) + 1
            last = data.find(b"\n", found)
            names = header_names(data[first : last if last >= 0 else len(data)])
            if names is not None and (first or begin == start):
                return names
            found = data.rfind(MARK, 0, first)
        end = begin
    return None


def _blank(file: int, size: int) -> bool:
    return size <= MAX_LINE and not os.pread(file, size, 0).removeprefix(BOM).strip()
