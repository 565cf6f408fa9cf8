"""finops: turn AI calls into decisions about money.

The names below are the public interface for plugins and notebooks; they are imported when first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from finops_core.analyzer import Analyzer
    from finops_core.call import COLUMNS, EVENT_SCHEMA, SCHEMA, SIMULATED_SQL
    from finops_core.catalog import UNBILLED_STATUS, Catalog, MarketModel
    from finops_core.errors import FinopsError, InputRefusedError, PluginError, UsageError, nearest
    from finops_core.ledger.calls import TOKEN_COLUMNS, USAGE_COLUMNS, Calls, LogCounts, read_once
    from finops_core.ledger.periods import Comparison, Period, PeriodChoice
    from finops_core.money import NANO, split, usd
    from finops_core.plugin_base import Plugin, hookimpl
    from finops_core.prices import Price, Rate, UnknownPriceError
    from finops_core.report import (
        Axis,
        Breakdown,
        Chart,
        Column,
        Failure,
        Finding,
        Metric,
        Point,
        Report,
        Section,
        Series,
        Table,
        extrapolated,
    )
    from finops_core.settings import BUDGET_COLUMNS, Budget, Settings
    from finops_core.simulation import AICallSimulator, Calendar, Customers, Event, Run
    from finops_core.simulation.mix import mix
    from finops_core.site import Site
    from finops_core.wording import are, begin, count, dollars, listing, percent, plural, signed_dollars, some_of

_HOMES = {
    "finops_core.analyzer": ("Analyzer",),
    "finops_core.call": ("COLUMNS", "EVENT_SCHEMA", "SCHEMA", "SIMULATED_SQL"),
    "finops_core.catalog": ("UNBILLED_STATUS", "Catalog", "MarketModel"),
    "finops_core.errors": ("FinopsError", "InputRefusedError", "PluginError", "UsageError", "nearest"),
    "finops_core.ledger.calls": ("TOKEN_COLUMNS", "USAGE_COLUMNS", "Calls", "LogCounts", "read_once"),
    "finops_core.ledger.periods": ("Comparison", "Period", "PeriodChoice"),
    "finops_core.money": ("NANO", "split", "usd"),
    "finops_core.plugin_base": ("Plugin", "hookimpl"),
    "finops_core.prices": ("Price", "Rate", "UnknownPriceError"),
    "finops_core.report": (
        "Axis",
        "Breakdown",
        "Chart",
        "Column",
        "Failure",
        "Finding",
        "Metric",
        "Point",
        "Report",
        "Section",
        "Series",
        "Table",
        "extrapolated",
    ),
    "finops_core.settings": ("BUDGET_COLUMNS", "Budget", "Settings"),
    "finops_core.simulation": ("AICallSimulator", "Calendar", "Customers", "Event", "Run"),
    "finops_core.simulation.mix": ("mix",),
    "finops_core.site": ("Site",),
    "finops_core.wording": (
        "are",
        "begin",
        "count",
        "dollars",
        "listing",
        "percent",
        "plural",
        "signed_dollars",
        "some_of",
    ),
}
_HOME_OF = {name: module for module, names in _HOMES.items() for name in names}

# Written out, because type checkers take a name for public that stands here, and cannot run a program to see it.
__all__ = [
    "BUDGET_COLUMNS",
    "COLUMNS",
    "EVENT_SCHEMA",
    "NANO",
    "SCHEMA",
    "SIMULATED_SQL",
    "TOKEN_COLUMNS",
    "UNBILLED_STATUS",
    "USAGE_COLUMNS",
    "AICallSimulator",
    "Analyzer",
    "Axis",
    "Breakdown",
    "Budget",
    "Calendar",
    "Calls",
    "Catalog",
    "Chart",
    "Column",
    "Comparison",
    "Customers",
    "Event",
    "Failure",
    "Finding",
    "FinopsError",
    "InputRefusedError",
    "LogCounts",
    "MarketModel",
    "Metric",
    "Period",
    "PeriodChoice",
    "Plugin",
    "PluginError",
    "Point",
    "Price",
    "Rate",
    "Report",
    "Run",
    "Section",
    "Series",
    "Settings",
    "Site",
    "Table",
    "UnknownPriceError",
    "UsageError",
    "are",
    "begin",
    "count",
    "dollars",
    "extrapolated",
    "hookimpl",
    "listing",
    "mix",
    "nearest",
    "percent",
    "plural",
    "read_once",
    "signed_dollars",
    "some_of",
    "split",
    "usd",
]


def __getattr__(name: str) -> Any:
    if name in _HOME_OF:
        return getattr(import_module(_HOME_OF[name]), name)
    raise AttributeError(f"module 'finops_core' has no attribute {name!r}")
