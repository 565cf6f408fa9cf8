"""What can go wrong, in words a user can act on.

Every message says what happened, where, and what to do next. The command line
prints it without a traceback and leaves with the error's exit code.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import ClassVar


class FinopsError(Exception):
    """Something finops could not do.

    Args:
        message: What happened, and where.
        hint: What to do next.
    """

    exit_code: ClassVar[int] = 1

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}\n{self.hint}" if self.hint else self.message


class UsageError(FinopsError):
    """The command, a setting or a parameter is not one that finops knows."""

    exit_code = 2


class PluginError(FinopsError):
    """A plugin broke its contract; what it made is not used."""

    exit_code = 3


class InputRefusedError(FinopsError):
    """A file is not a call log; it was left as it is.

    Args:
        code: The stable code of the refusal, such as ``F_EMPTY``.
        message: What happened, and where.
        hint: What to do next.
    """

    exit_code = 4

    def __init__(self, code: str, message: str, *, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.code = code


def nearest(name: str, valid: Iterable[str]) -> str:
    """The end of a sentence about an unknown name: the closest valid one, or all of them."""
    names = sorted(valid)
    close = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    if close:
        return f"Did you mean {close[0]!r}?"
    return f"Valid names: {', '.join(names)}." if names else "There are none to choose from."
