"""What plugins print: shown on stderr with the plugin's name, and never on stdout, where results are."""

from __future__ import annotations

import io
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout

_aside = threading.local()
"""``lines`` of a thread whose prints are captured apart from those of the others."""


class NamedLines(io.TextIOBase):
    """A text file whose lines go to stderr, each behind the name of the plugin that wrote it.

    Args:
        name: The plugin's name.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._begun = ""

    def writable(self) -> bool:
        """It is there to be written to."""
        return True

    def write(self, text: str) -> int:
        """Show the lines that ``text`` completes."""
        of_thread: NamedLines = getattr(_aside, "lines", self)
        if of_thread is not self:
            return of_thread.write(text)
        *lines, self._begun = (self._begun + text).split("\n")
        for line in lines:
            sys.stderr.write(f"{self._name}: {line}\n")
        return len(text)

    def end(self) -> None:
        """Show a last line that was not completed."""
        if self._begun:
            self.write("\n")


@contextmanager
def captured(name: str) -> Iterator[None]:
    """Show what is printed meanwhile as lines of the plugin called ``name``."""
    lines = NamedLines(name)
    try:
        with redirect_stdout(lines):
            yield
    finally:
        lines.end()


@contextmanager
def captured_aside(name: str) -> Iterator[None]:
    """The same for what this thread alone prints, while another one captures what all print."""
    _aside.lines = lines = NamedLines(name)
    try:
        yield
    finally:
        del _aside.lines
        lines.end()
