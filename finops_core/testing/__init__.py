"""What plugin authors test with: small logs, runs, and the contracts of patterns and analyzers as checks.

A plugin's test can be as short as::

    from finops_core.testing import check_pattern

    def test_it_keeps_the_contract_of_patterns():
        check_pattern(WeekendSimulator)

The fixtures of :mod:`finops_core.testing.pytest_plugin` are there wherever finops-core is installed. The names below
are imported when first used, because pytest imports this package in every run, also of tests that have nothing to do
with finops.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from finops_core.testing.analyzers import check_analyzer
    from finops_core.testing.calls import calls_from
    from finops_core.testing.patterns import check_pattern
    from finops_core.testing.running import FinishedRun
    from finops_core.testing.traffic import hourly_calls

_HOME_OF = {
    "FinishedRun": "finops_core.testing.running",
    "calls_from": "finops_core.testing.calls",
    "check_analyzer": "finops_core.testing.analyzers",
    "check_pattern": "finops_core.testing.patterns",
    "hourly_calls": "finops_core.testing.traffic",
}

__all__ = ["FinishedRun", "calls_from", "check_analyzer", "check_pattern", "hourly_calls"]


def __getattr__(name: str) -> Any:
    if name in _HOME_OF:
        return getattr(import_module(_HOME_OF[name]), name)
    raise AttributeError(f"module 'finops_core.testing' has no attribute {name!r}")
