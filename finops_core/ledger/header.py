"""What the header of a log says: which column is where, or why the file is not a call log."""

from __future__ import annotations

import codecs
import errno
import os
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

from finops_core import calllog
from finops_core.call import BY_NAME, NAMES, REQUIRED
from finops_core.errors import FinopsError, InputRefusedError

_DELIMITERS = {";": "semicolons", "\t": "tabs", " ": "spaces", "|": "vertical bars"}
_HEAD = 128 * 1024
_BLANK_LINES = re.compile(rb"(?:\xef\xbb\xbf)?(?:[ \t\r]*\n)*")


@dataclass(frozen=True)
class Header:
    """The columns of the lines after a header.

    Attributes:
        names: Every name in the header, in its order; unnamed columns are empty.
    """

    names: tuple[str, ...]

    @cached_property
    def positions(self) -> dict[str, int]:
        """Where each column of a call is."""
        return {name: i for i, name in enumerate(self.names) if name in BY_NAME}

    @cached_property
    def unknown(self) -> tuple[str, ...]:
        """The named columns that a call does not have."""
        return tuple(name for name in self.names if name and name not in BY_NAME)


class Opening(NamedTuple):
    """How a log begins.

    Attributes:
        header: Its columns; ``None`` if the header is still being written.
        start: The byte offset of the header.
        end: The byte offset after the header; ``start`` without one.
        blank: How many blank lines come before it.
    """

    header: Header | None
    start: int
    end: int
    blank: int


@contextmanager
def open_log(log: Path) -> Iterator[int]:
    """Open a log for reading.

    Raises:
        FinopsError: The system does not let us.
        InputRefusedError: There is nothing in it.
    """
    try:
        status = log.stat()
        if stat.S_ISDIR(status.st_mode):
            raise OSError(errno.EISDIR, os.strerror(errno.EISDIR))
        if not status.st_size:  # also a device or a pipe, which must not even be opened
            raise _empty(log)
        file = os.open(log, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        raise FinopsError(
            f"{log}: cannot be read: {error.strerror}", hint="Name a call log with --log, or make one with finops run."
        ) from None
    try:
        yield file
    finally:
        os.close(file)


def read_opening(log: Path, file: int, end: int) -> Opening:
    """Find the header of an open log.

    Args:
        log: Its path, for messages.
        file: The open file.
        end: Its size, or how much of it to look at.

    Raises:
        InputRefusedError: The file is not a call log.
    """
    head = os.pread(file, min(_HEAD, end), 0)
    before = _BLANK_LINES.match(head)
    start = before.end() if before else 0
    blank = head.count(b"\n", 0, start)
    line, newline, _ = os.pread(file, min(calllog.MAX_LINE + 3, end - start), start).partition(b"\n")
    if not newline and not line:
        raise _empty(log)
    _refuse_no_text(log, line, whole=bool(newline))
    if not newline and _still_being_written(log, file, start, end):
        return Opening(None, start, start, blank)
    where = f"{log}, line {blank + 1}"
    if calllog.too_long(line):
        raise _no_header(where, "is longer than 64 KiB")
    names = calllog.column_names(line)
    _refuse_names(where, line, names)
    return Opening(Header(names), start, start + len(line) + 1, blank)


def header_at(file: int, offset: int) -> Header:
    """The header in the line that starts at an offset where one was read before."""
    return Header(calllog.column_names(calllog.line_at(file, offset)))


def _refuse_no_text(log: Path, line: bytes, *, whole: bool) -> None:
    text = line if whole else line.rstrip(b"\0")  # a crash can leave a run of NULs
    try:
        codecs.getincrementaldecoder("utf-8")().decode(text, final=whole)
        refused = not text or b"\0" in text
    except UnicodeDecodeError:
        refused = True
    if refused:
        kind = "UTF-16" if line[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE) else "not text, or not in UTF-8"
        raise InputRefusedError(
            "F_ENCODING", f"{log}: the file is {kind}", hint="A call log is a CSV file in UTF-8; save it as one."
        )


def _still_being_written(log: Path, file: int, start: int, end: int) -> bool:
    """Whether there is no newline yet; ``False`` if there is one later on."""
    old_line_ends = False
    while start < end:
        data = os.pread(file, min(calllog.BLOCK, end - start), start)
        if not data:
            break
        if b"\n" in data:
            return False
        start += len(data)
        found = data.find(b"\r")
        # The very last byte may be the first half of a CRLF.
        old_line_ends |= found >= 0 and (start < end or found < len(data) - 1)
    if old_line_ends:
        raise InputRefusedError(
            "F_EOL",
            f"{log}: its lines end in a carriage return alone, so that the whole file is one line",
            hint="Save it with \\n (Unix) or \\r\\n (Windows) line ends.",
        )
    return True


def _refuse_names(where: str, line: bytes, names: tuple[str, ...]) -> None:
    if not set(REQUIRED) & set(names):
        text = line.decode().replace('"', "")
        for delimiter, called in _DELIMITERS.items():
            if len({name.strip() for name in text.split(delimiter)} & set(REQUIRED)) >= 2:
                raise InputRefusedError(
                    "F_DELIMITER",
                    f"{where}: the columns are separated by {called}",
                    hint="Bring the file into a log with finops import, which finds that out by itself.",
                )
        raise _no_header(where, "names none of the columns that a call log has")
    seen = set()
    for name in filter(None, names):
        if name in seen:
            raise InputRefusedError(
                f"F_DUPLICATE_COLUMN:{name}",
                f"{where}: the header has the column {name!r} twice",
                hint="Rename or remove one of them.",
            )
        seen.add(name)
    for name in REQUIRED:
        if name not in seen:
            raise InputRefusedError(
                f"F_MISSING_COLUMN:{name}",
                f"{where}: the header has no column {name!r}",
                hint=f"Add it, or bring the file into a log with finops import --map {name}=THEIRS.",
            )


def _no_header(where: str, what: str) -> InputRefusedError:
    return InputRefusedError(
        "F_HEADER",
        f"{where}: the first line {what}",
        hint="The first line of a call log is its header, spelt to the letter: "
        f"{','.join(NAMES)}. Another system's file comes into a log with finops import.",
    )


def _empty(log: Path) -> InputRefusedError:
    return InputRefusedError(
        "F_EMPTY", f"{log}: there is nothing in the file", hint=f"A call log begins with: {','.join(NAMES)}"
    )
