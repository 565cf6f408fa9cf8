"""One invocation of ``finops``: its settings, its terminal, what failed, and the document it prints."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import TypeAdapter
from pydantic.json_schema import GenerateJsonSchema
from typing_extensions import TypedDict

from finops_core import pipeline
from finops_core.catalog import Catalog
from finops_core.console import Terminal
from finops_core.errors import UsageError
from finops_core.ledger import Ledger
from finops_core.ledger.periods import PeriodChoice
from finops_core.plugins import Kind, Loaded, Problem, check_settings, disabled_names, find, load, select, select_mixes
from finops_core.plugins.found import ProblemDocument
from finops_core.report import SCHEMA_VERSION, Report
from finops_core.settings import load_settings
from finops_core.simulation.recording import PatternTotals, patterns_summary

JSON_VERSION: Literal[1] = 1
PLUGIN_FAILED = 3
ISOLATED: tuple[Kind, ...] = ("patterns", "analyzers")
"""The kinds whose results are data, so that they can come from another process."""


class LogDocument(TypedDict):
    """A log's conservation counts, as ``--json`` prints them."""

    path: str
    lines: int
    header: int
    repeated_headers: int
    accepted: int
    quarantined: int
    blank: int
    pending: int
    cost_usd: str
    """US dollars of the accepted calls, a decimal text of nine digits."""
    naive_timestamps: int
    rounded_costs: int
    unknown_columns: list[str]


class AnalysisDocument(TypedDict):
    """What ``finops analyze --json`` prints; ``finops run --json`` adds to it what was simulated."""

    version: Literal[1]
    """Grows when a reader has to change."""
    log: LogDocument
    reports: list[Report]
    problems: list[ProblemDocument]
    """The plugins that failed."""


class Session:
    """What the commands share.

    Args:
        config: The settings file; ``None`` is ``finops.toml`` of the working directory, if there is one.
        sets: ``plugin.field=value`` texts.
        disable: ``no:NAME`` texts.
        as_json: Print one JSON document instead of a summary.
        quiet: Print neither progress nor summary.
        isolate: Run each pattern and analyzer in a process of its own.

    Raises:
        UsageError: A setting, or the name of a plugin, is wrong.
    """

    def __init__(
        self,
        *,
        config: Path | None = None,
        sets: tuple[str, ...] = (),
        disable: tuple[str, ...] = (),
        as_json: bool = False,
        quiet: bool = False,
        isolate: bool = False,
    ) -> None:
        self.terminal = Terminal(quiet=quiet, json=as_json)
        self.settings = load_settings(config, sets)
        self._disabled = disabled_names(disable)
        self.findings = find()
        self._problems: list[Problem] = []
        self._as_json = as_json
        self._isolate = isolate
        check_settings(self.findings, self.settings)
        select(self.findings.found, "patterns", (), self._disabled)  # a wrong -p no:NAME is told before anything runs
        self._note(self.findings.problems)

    def load(self, kind: Kind, names: Sequence[str] | None = None, mixes: Sequence[str] = ()) -> Loaded:
        """Import the chosen plugins of a kind, but those that are disabled, with their parameters.

        A command loads whatever it needs before it writes anything.

        Args:
            kind: Such as patterns.
            names: Which; ``None`` is all that are installed.
            mixes: For patterns, those that are mixed, such as ``seasonal+burst``.

        Raises:
            UsageError: A name, or the name or value of a parameter, is wrong.
        """
        chosen = select(self.findings.found, kind, names, self._disabled)
        mixed = select_mixes(self.findings.found, mixes, self._disabled)
        isolate = self._isolate and kind in ISOLATED
        return load([*chosen, *mixed], self.settings, isolate=isolate)

    def simulate(self, patterns: Loaded, log: Path, request: pipeline.Request) -> dict[str, Any]:
        """Run patterns into the log and show their totals.

        Returns:
            The document's ``patterns`` and ``totals``.
        """
        if not patterns.plugins and not patterns.problems:
            raise UsageError(
                "no pattern is installed, or every one is disabled",
                hint="Install one, such as: pip install finops-plugin-base",
            )
        catalog = Catalog(self.settings.catalog)
        with self.terminal.simulating([p.found.name for p in patterns.plugins]) as progress:
            simulation = pipeline.simulate(patterns, log, request, catalog, progress)
        self._note(simulation.problems)
        whole = patterns_summary(simulation.patterns)
        if simulation.patterns:
            self.terminal.patterns(simulation.patterns, whole)
        return {"patterns": [_totals(p) for p in simulation.patterns], "totals": _totals(whole)}

    def refresh(
        self,
        log: Path,
        directory: Path,
        analyzers: Loaded,
        publishers: Loaded,
        choice: PeriodChoice | None = None,
    ) -> tuple[pipeline.Publication, LogDocument]:
        """Ingest, analyze and publish, and show the counts and the answers.

        Returns:
            What was published, and the document's ``log``.
        """
        with self.terminal.reading() as progress:
            ledger = pipeline.ingest(log, progress)
        with self.terminal.analyzing(len(analyzers.plugins)) as begun:
            analysis = pipeline.analyze(ledger, analyzers, self.settings, choice, begun)
        publication = pipeline.publish(analysis, ledger, publishers, directory, self.settings, analyzers)
        self.terminal.log(log, ledger.counts, ledger.cost_usd)
        self.terminal.reports(analysis.reports, analysis.calls.month_caveat)
        self._note(publication.problems)
        return publication, log_document(ledger)

    def finish(self, document: Mapping[str, Any], *next_step: str) -> int:
        """Print the document, or the next step for people.

        Returns:
            The exit code: 3 if some plugin failed, else 0.
        """
        code = PLUGIN_FAILED if self._problems else 0
        if self._as_json:
            print_json({**document, "problems": [problem.document() for problem in self._problems]})
        else:
            self.terminal.next_step(*next_step)
        return code

    def _note(self, problems: Sequence[Problem]) -> None:
        self._problems.extend(problems)
        self.terminal.problems(problems)


def json_schema(what: Literal["report", "analysis"]) -> dict[str, Any]:
    """The JSON Schema of a report, or of the whole document that ``finops analyze --json`` prints."""
    kind, version = {"report": (Report, SCHEMA_VERSION), "analysis": (AnalysisDocument, JSON_VERSION)}[what]
    schema = TypeAdapter(kind).json_schema(mode="serialization")
    return {"$schema": GenerateJsonSchema.schema_dialect, "$id": f"urn:finops:{what}:{version}", **schema}


def print_json(document: Mapping[str, Any]) -> None:
    """Print one versioned document on stdout; money in it is decimal text."""
    print(json.dumps({"version": JSON_VERSION, **document}, default=str, ensure_ascii=False))  # noqa: T201 - the result


def log_document(ledger: Ledger) -> LogDocument:
    """What a ledger's log holds."""
    counts = ledger.counts
    return {
        "path": str(ledger.log),
        "lines": counts.lines,
        "header": counts.header,
        "repeated_headers": counts.repeated_headers,
        "accepted": counts.accepted,
        "quarantined": counts.quarantined,
        "blank": counts.blank,
        "pending": counts.pending,
        "cost_usd": f"{ledger.cost_usd:.9f}",
        "naive_timestamps": counts.naive_timestamps,
        "rounded_costs": counts.rounded_costs,
        "unknown_columns": list(counts.unknown_columns),
    }


def _totals(totals: PatternTotals) -> dict[str, Any]:
    return {
        "name": totals.name,
        "calls": totals.calls,
        "customers": totals.customers,
        "cost_usd": f"{totals.cost_usd:.9f}",
        "tokens": totals.tokens,
    }
