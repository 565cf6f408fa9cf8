"""A whole run as the command makes it, in a folder of its own."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, Protocol

from finops_core import pipeline
from finops_core.catalog import Catalog
from finops_core.ledger.calls import Calls
from finops_core.plugins import Kind, Loaded, Problem, find, load, select, select_mixes
from finops_core.report import Report
from finops_core.settings import Settings
from finops_core.simulation.recording import PatternTotals
from finops_core.testing.contract import found_as

MONDAY = date(2026, 1, 5)
DAYS = 14


class Folders(Protocol):
    """Makes new folders; pytest's ``tmp_path_factory`` is one."""

    def mktemp(self, basename: str) -> Path:
        """A new folder."""


@dataclass(frozen=True)
class FinishedRun:
    """What a run made.

    Attributes:
        log: The CSV file, with its events and its ledger beside it.
        calls: The log as analyzers see it, with ``calls.events``.
        patterns: What each pattern wrote, by name: ``calls``, ``customers``, ``cost_usd``, ``tokens``.
        reports: By name, of the analyzers that were given.
        directory: Where the publishers that were given have written.
    """

    log: Path
    calls: Calls
    patterns: Mapping[str, PatternTotals]
    reports: Mapping[str, Report]
    directory: Path


def run_in(
    folders: Folders,
    *patterns: Any,
    analyzers: Iterable[Any] = (),
    publishers: Iterable[Any] = (),
    settings: Mapping[str, Any] | None = None,
    start: date = MONDAY,
    days: int = DAYS,
    **request: Any,
) -> FinishedRun:
    """Simulate, ingest, analyze and publish, as ``finops run`` does, with nothing but what is given.

    Args:
        folders: Where the run gets a folder of its own.
        patterns: Classes, objects with parameters of their own, or names of what is installed; ``"a+b"`` is a mix.
        analyzers: Likewise.
        publishers: Likewise.
        settings: As ``finops.toml`` has them, such as ``{"plugins": {"burst": {"num_customers": 5}}}``.
        start: The first day.
        days: How many days.
        request: ``seed``, ``scale`` or ``workers``, as the options of the command.

    Raises:
        AssertionError: A plugin failed; says which, and why.
        UsageError: A name or a setting is wrong.
    """
    folder = folders.mktemp("finops")
    log, directory = folder / "data" / "simulated_calls.csv", folder / "reports"
    chosen = Settings.model_validate(settings or {})
    made = _load("patterns", patterns, chosen)
    asked, shown = _load("analyzers", analyzers, chosen), _load("publishers", publishers, chosen)
    wanted = pipeline.Request(start=start, days=days, **request)
    simulation = pipeline.simulate(made, log, wanted, Catalog(chosen.catalog))
    _require_success(simulation.problems)
    ledger = pipeline.ingest(log)
    analysis = pipeline.analyze(ledger, asked, chosen)
    publication = pipeline.publish(analysis, ledger, shown, directory, chosen, asked)
    _require_success(publication.problems)
    return FinishedRun(
        log=log,
        calls=analysis.calls,
        patterns={totals.name: totals for totals in simulation.patterns},
        reports={report.name: report for report in analysis.reports},
        directory=directory,
    )


def _load(kind: Kind, plugins: Iterable[Any], settings: Settings) -> Loaded:
    """What is given as objects, and what is named, ready to be called."""
    everything = list(plugins)
    names = [p for p in everything if isinstance(p, str)]
    installed = find().found
    mixes = [name for name in names if kind == "patterns" and "+" in name]
    chosen = [
        *select(installed, kind, [name for name in names if name not in mixes]),
        *select_mixes(installed, mixes),
        *(found_as(kind, p) for p in everything if not isinstance(p, str)),
    ]
    loaded = load(chosen, settings)
    _require_success(loaded.problems)
    return loaded


def _require_success(problems: Sequence[Problem]) -> None:
    if problems:
        raise AssertionError("\n".join(part for p in problems for part in (p.line(), p.traceback) if part))
