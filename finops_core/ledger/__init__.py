"""The ledger: every accepted call of a log, typed and columnar, kept beside the log.

The names below are imported when first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from finops_core.ledger.checking import CheckResult, check
    from finops_core.ledger.ledger import IngestResult, Ledger

__all__ = ["CheckResult", "IngestResult", "Ledger", "check"]

_HOMES = {"CheckResult": "checking", "IngestResult": "ledger", "Ledger": "ledger", "check": "checking"}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
