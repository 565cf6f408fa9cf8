"""A plugin that was found, and what is wrong with one: always with its name, its distribution and its version."""

from __future__ import annotations

import re
import sys
import traceback
from dataclasses import dataclass
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Literal

from typing_extensions import TypedDict

from finops_core.errors import FinopsError, PluginError

Kind = Literal["patterns", "analyzers", "publishers", "commands"]

GROUPS: dict[Kind, str] = {
    "patterns": "finops.patterns",
    "analyzers": "finops.analyzers",
    "publishers": "finops.publishers",
    "commands": "finops.commands",
}
"""The entry-point group of each kind of plugin."""

HOOKS: dict[Kind, str] = {"patterns": "generate_calls", "analyzers": "analyze", "publishers": "publish"}
"""The hook that each kind serves; a command is a click command and serves none."""


@dataclass(frozen=True)
class Found:
    """A plugin that is installed; nothing of it is imported yet.

    Attributes:
        name: Its entry point's name.
        kind: Which group it belongs to.
        distribution: The package that provides it, as pip calls it.
        version: The package's version.
        entry_point: Where its object is.
        members: Of a mix, the patterns that it is made of.
    """

    name: str
    kind: Kind
    distribution: str
    version: str
    entry_point: EntryPoint
    members: tuple[Found, ...] = ()

    @property
    def who(self) -> str:
        """The plugin, with its kind, distribution and version."""
        return f"{self.kind.removesuffix('s')} {self.name!r} of {self.distribution} {self.version}"

    def problem(self, error: BaseException, doing: str = "") -> Problem:
        """What went wrong with this plugin.

        Args:
            error: A :class:`~finops_core.errors.FinopsError` speaks for itself; of any other, the type is told too.
            doing: What failed, such as ``analyze``; empty if the error says it.
        """
        if isinstance(error, ContainedError):
            return error.problem
        hint = f"Tell the authors of {self.distribution}."
        if isinstance(error, FinopsError):
            message = error.message
            hint = error.hint or (hint if isinstance(error, PluginError) else "")
        elif isinstance(error, SystemExit):
            message = f"it called sys.exit({'' if error.code is None else repr(error.code)}){self._place(error)}"
        else:
            message = _words(error) + self._place(error)
        return Problem(
            plugin=self.name,
            kind=self.kind,
            distribution=self.distribution,
            version=self.version,
            message=_printable(f"{doing} failed: {message}" if doing else message),
            hint=_printable(hint),
            # A broken contract is ours to tell; where the plugin raised is for its authors to see.
            traceback="" if isinstance(error, PluginError) else _printable("".join(traceback.format_exception(error))),
        )

    def _place(self, error: BaseException) -> str:
        """The last line of the plugin's own that led to an error, in brackets; empty if none did."""
        package = re.split(r"[.:\s]", self.entry_point.value)[0]
        places = [
            f" ({_shown_file(frame.f_code.co_filename, package)}:{line})"
            for frame, line in traceback.walk_tb(error.__traceback__)
            if str(frame.f_globals.get("__name__")).partition(".")[0] == package
        ]
        return places[-1] if places else ""


class ProblemDocument(TypedDict):
    """A problem as ``--json`` prints it."""

    plugin: str
    kind: Kind | None
    distribution: str
    version: str
    message: str
    hint: str


@dataclass(frozen=True)
class Problem:
    """What goes wrong with one plugin.

    Attributes:
        plugin: The plugin's name; empty if the metadata of a whole distribution cannot be read.
        kind: Its kind; ``None`` likewise.
        distribution: The package that provides it.
        version: The package's version.
        message: What happened.
        hint: What to do next.
        traceback: Where in the plugin, for its authors; may be empty.
        report_name: Of an analyzer that could be imported, what its report would have been called.
        title: Likewise, its title.
    """

    plugin: str
    kind: Kind | None
    distribution: str
    version: str
    message: str
    hint: str = ""
    traceback: str = ""
    report_name: str = ""
    title: str = ""

    def line(self) -> str:
        """The problem in one line for the terminal: who, what, what next."""
        stop = "" if self.message.endswith((".", "?")) or not self.hint else "."
        return f"{self.who}: {self.message}{stop} {self.hint}".rstrip()

    def document(self) -> ProblemDocument:
        """The problem as ``--json`` prints it."""
        return {
            "plugin": self.plugin,
            "kind": self.kind,
            "distribution": self.distribution,
            "version": self.version,
            "message": self.message,
            "hint": self.hint,
        }

    @property
    def who(self) -> str:
        """The plugin, with its kind, distribution and version."""
        plugin = f"{self.kind.removesuffix('s')} {self.plugin!r} of " if self.kind else ""
        return f"{plugin}{self.distribution} {self.version}"


class ContainedError(PluginError):
    """A plugin failed; the original exception is the cause."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(f"{problem.who}: {problem.message}", hint=problem.hint)
        self.problem = problem


def _words(error: BaseException) -> str:
    """What an exception says, in one line."""
    pydantic = sys.modules.get("pydantic_core")  # who never imported it raises no error of its
    if pydantic and isinstance(error, pydantic.ValidationError):
        first = error.errors(include_url=False)[0]
        place = ".".join(str(part) for part in (error.title, *first["loc"]))
        return f"{place}: {first['msg'].removeprefix('Value error, ')}"
    return " ".join(f"{type(error).__name__}: {error}".split()).removesuffix(":")


def _shown_file(file: str, package: str) -> str:
    """A file of a package, from the package on."""
    parts = Path(file).parts
    return "/".join(parts[parts.index(package) :]) if package in parts else parts[-1]


def _printable(text: str) -> str:
    """Text with escapes for what UTF-8 has no bytes for, so that it can be written anywhere."""
    return text.encode(errors="backslashreplace").decode()
