"""One function per verb: simulate, ingest, analyze, publish - and refresh, which is the last three."""

from __future__ import annotations

import dataclasses
import secrets
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from finops_core.call import SIMULATED_SQL
from finops_core.catalog import Catalog
from finops_core.errors import FinopsError, InputRefusedError, PluginError, UsageError
from finops_core.ledger import Ledger
from finops_core.ledger.calls import Calls
from finops_core.ledger.periods import PeriodChoice
from finops_core.plugins import (
    Loaded,
    LoadedPlugin,
    Problem,
    check_settings,
    find,
    load,
    select,
    versions,
)
from finops_core.plugins.ahead import reading_ahead
from finops_core.report import Failure, Report, checked, is_report_name
from finops_core.settings import Settings
from finops_core.simulation import Run
from finops_core.simulation.checks import BatchChecker
from finops_core.simulation.recording import PatternTotals, Progress, read_events, stage
from finops_core.simulation.run import DEFAULT_DAYS
from finops_core.site import Site

if TYPE_CHECKING:
    import pyarrow as pa

Mode = Literal["fresh", "append", "replace"]
SHOWN_QUARANTINE = 20


@dataclass(frozen=True)
class Request:
    """What ``finops run`` and ``finops simulate`` were asked for; ``None`` leaves a value to the pattern."""

    start: date | None = None
    days: int | None = None
    seed: int | None = None
    scale: float = 1.0
    workers: int = 1
    mode: Mode = "fresh"


@dataclass(frozen=True)
class Simulation:
    """What patterns wrote.

    Attributes:
        patterns: The totals of each pattern that was written.
        problems: The patterns that failed; nothing of them was written.
    """

    patterns: tuple[PatternTotals, ...]
    problems: tuple[Problem, ...]


@dataclass(frozen=True)
class Analysis:
    """What analyzers found.

    Attributes:
        reports: Sorted by name; those of analyzers that failed have the state ``failed``.
        calls: The calls they read.
        problems: The analyzers that failed.
    """

    reports: tuple[Report, ...]
    calls: Calls
    problems: tuple[Problem, ...] = ()


@dataclass(frozen=True)
class Publication:
    """Reports that were made and published.

    Attributes:
        analysis: The reports.
        site: Where they are, and what they were made from.
        published: Whether any publisher was there to write them.
        problems: Every plugin that failed on the way.
    """

    analysis: Analysis
    site: Site
    published: bool
    problems: tuple[Problem, ...]


def simulate(
    patterns: Loaded, log: Path, request: Request, catalog: Catalog, progress: Progress | None = None
) -> Simulation:
    """Run patterns, one after the other by name, and write their calls to the log.

    Without ``append`` the calls take the log's place in one step; with it they are added to it. Until all of them
    are made, the log is as it was.

    Args:
        patterns: The chosen ones.
        log: The call log.
        request: Period, seed, scale, mode.
        catalog: Models and prices.
        progress: Told how far each pattern is.

    Raises:
        UsageError: The log holds rows that are not simulated, or the very calls that would be appended.
        InputRefusedError: The log is not a call log.
        FinopsError: The system does not let the log be written; it is as it was.
    """
    runs = [(plugin, _run(plugin, request, catalog)) for plugin in patterns.plugins]
    if request.mode == "append":
        _refuse_repetition(log, [run for _, run in runs])
    elif request.mode == "fresh":
        _refuse_destruction(log)
    totals: list[PatternTotals] = []
    problems = list(patterns.problems)
    with stage(log) as staged:
        for plugin, run in runs:
            try:
                totals.append(staged.add(run, _checked(patterns, plugin, run), progress))
            except PluginError as e:
                problems.append(plugin.found.problem(e))
        if totals and request.mode == "append":
            staged.append_to()
        elif totals:
            staged.become()
    return Simulation(tuple(totals), tuple(problems))


def ingest(log: Path, progress: Callable[[int, int], None] | None = None) -> Ledger:
    """Read what is new in the log into its ledger.

    Raises:
        FinopsError: There is no log, or it cannot be read, or its lines do not add up.
        InputRefusedError: It is not a call log.
    """
    if not log.exists():
        raise FinopsError(f"there is no call log at {log}", hint="Make one with finops run, or name yours with --log.")
    ledger = Ledger(log)
    ledger.ingest(progress)
    return ledger


def analyze(
    ledger: Ledger,
    analyzers: Loaded,
    settings: Settings,
    choice: PeriodChoice | None = None,
    done: Callable[[str], None] | None = None,
) -> Analysis:
    """Let every analyzer make its report; one that fails gets a report that says so.

    Args:
        ledger: Of the log, read.
        analyzers: The chosen ones.
        settings: ``finops.toml``.
        choice: The period.
        done: Told the name of each analyzer that is about to run.
    """
    calls = ledger.calls(settings=settings, choice=choice, events=read_events(ledger.log))
    made: list[tuple[LoadedPlugin, Report]] = []
    failed: list[tuple[Problem, Any]] = [(problem, problem) for problem in analyzers.problems]
    with reading_ahead(analyzers, calls):
        for plugin in analyzers.plugins:
            if done:
                done(plugin.found.name)
            try:
                made.append((plugin, checked(analyzers.call(plugin, calls=calls))))
            except PluginError as e:
                failed.append((plugin.found.problem(e), plugin.instance))
    reports: dict[str, Report] = {}
    # A name that several reports have belongs to the plugin that has it too.
    for plugin, report in sorted(made, key=lambda one: one[0].found.name != one[1].name):
        if reports.setdefault(report.name, report) is not report:
            taken = PluginError(f"another analyzer made a report called {report.name!r} before")
            failed.append((plugin.found.problem(taken), plugin.instance))
    for problem, analyzer in failed:
        report = _failed(problem, reports, analyzer)
        reports[report.name] = report
    problems = tuple(problem for problem, _ in failed)
    return Analysis(tuple(reports[name] for name in sorted(reports)), calls, problems)


def publish(
    analysis: Analysis, ledger: Ledger, publishers: Loaded, directory: Path, settings: Settings, analyzers: Loaded
) -> Publication:
    """Let every publisher write the reports.

    Args:
        analysis: The reports.
        ledger: What they were made from.
        publishers: The chosen ones.
        directory: Where to write.
        settings: ``finops.toml``; its fingerprint is written down, so that a change makes the reports stale.
        analyzers: Those that took part; their versions are written down for the same reason.
    """
    site = Site(
        directory=directory,
        log=ledger.log,
        counts=ledger.counts,
        quarantine=tuple(ledger.quarantine(SHOWN_QUARANTINE)),
        period=analysis.calls.period,
        now=analysis.calls.now,
        built_at=datetime.now(UTC),
        run_id=secrets.token_hex(6),
        offset=ledger.offset,
        log_fingerprint=ledger.fingerprint,
        settings_fingerprint=settings.fingerprint(),
        plugins=versions(p.found for p in (*analyzers.plugins, *publishers.plugins)),
        calls=analysis.calls,
    )
    problems = [*analysis.problems, *publishers.problems]
    for plugin in publishers.plugins:
        try:
            publishers.call(plugin, reports=analysis.reports, site=site)
        except PluginError as e:
            problems.append(plugin.found.problem(e))
    return Publication(analysis, site, bool(publishers.plugins), tuple(problems))


def refresh(
    log: Path,
    directory: Path,
    settings: Settings,
    *,
    choice: PeriodChoice | None = None,
    disabled: Collection[str] = (),
    progress: Callable[[int, int], None] | None = None,
) -> Publication:
    """Ingest, analyze and publish with every analyzer and publisher that is installed and not disabled.

    Args:
        log: The call log.
        directory: Where the reports go.
        settings: ``finops.toml``.
        choice: The period; by default the whole log.
        disabled: Names from ``-p no:NAME``.
        progress: Gets the bytes of the log that are read, and all of them.
    """
    findings = find()
    check_settings(findings, settings)
    analyzers = load(select(findings.found, "analyzers", None, disabled), settings)
    publishers = load(select(findings.found, "publishers", None, disabled), settings)
    ledger = ingest(log, progress)
    analysis = analyze(ledger, analyzers, settings, choice)
    publication = publish(analysis, ledger, publishers, directory, settings, analyzers)
    return dataclasses.replace(publication, problems=(*findings.problems, *publication.problems))


def _run(plugin: LoadedPlugin, request: Request, catalog: Catalog) -> Run:
    pattern = plugin.instance
    run = Run(
        plugin.found.name,
        start=request.start,
        days=request.days,
        seed=request.seed,
        scale=request.scale,
        workers=request.workers,
        catalog=catalog,
    )
    return run.settled(
        start=getattr(pattern, "start", None),
        days=getattr(pattern, "num_days", DEFAULT_DAYS),
        seed=getattr(pattern, "seed", 0),
    )


def _checked(patterns: Loaded, plugin: LoadedPlugin, run: Run) -> Iterator[pa.RecordBatch]:
    """What a pattern yields, as long as it keeps the contract."""
    checker = BatchChecker(run)
    for batch in patterns.iterate(plugin, run=run):
        yield checker.check(batch)
    checker.check_events()


def _refuse_destruction(log: Path) -> None:
    """A fresh run may only replace what runs made."""
    if not log.exists() or log.stat().st_size == 0:
        return
    keep = f"Add to it with --append, replace it with --replace, or write elsewhere with --log. {log} was not touched."
    try:
        ledger = ingest(log)
    except InputRefusedError as e:
        raise UsageError(f"{log} holds something that finops did not simulate: {e.message}", hint=keep) from e
    others = ledger.calls().rows(
        f"SELECT coalesce(source, '') AS source, count(*) AS calls FROM history WHERE NOT {SIMULATED_SQL} "
        "GROUP BY ALL ORDER BY calls DESC, source"
    )
    held = [f"{row['calls']:,} calls {_from_whom(row['source'])}" for row in others]
    if ledger.counts.quarantined:
        held.append(f"{ledger.counts.quarantined:,} lines that are not calls")
    if held:
        raise UsageError(f"{log} holds rows that finops did not simulate: {', '.join(held)}", hint=keep)


def _from_whom(source: str) -> str:
    return f"of source {source!r}" if source else "without a source"


def _refuse_repetition(log: Path, runs: Sequence[Run]) -> None:
    """The same pattern with the same seed over the same days would make the same customers call twice."""
    if not log.exists() or log.stat().st_size == 0:
        return
    calls = ingest(log).calls()
    for run in runs:
        start, days = run.period
        end = start + timedelta(days=days)
        (held,) = calls.rows(
            "SELECT count(*) AS calls, min(timestamp) AS first, max(timestamp) AS last FROM history "
            "WHERE source = $source AND starts_with(customer_id, $prefix) AND timestamp >= $start AND timestamp < $end",
            source=run.source,
            prefix=f"{run.source}-{run.seed}-",
            start=datetime.combine(start, time()),
            end=datetime.combine(end, time()),
        )
        if held["calls"]:
            raise UsageError(
                f"{log} already holds {held['calls']:,} calls of pattern {run.source!r} with seed {run.seed} "
                f"from {held['first']:%Y-%m-%d} to {held['last']:%Y-%m-%d}; nothing was appended",
                hint="Choose another --seed for other customers, or another --start for other days.",
            )


def _failed(problem: Problem, others: Mapping[str, Report], analyzer: Any) -> Report:
    """The report of an analyzer that failed, called as the analyzer says; it never takes the place of another one."""
    return Report(
        name=_free_name((getattr(analyzer, "report_name", None), problem.plugin), others),
        state="failed",
        title=str(getattr(analyzer, "title", "")) or problem.plugin,
        answer=f"This report could not be made: {problem.message}",
        failure=Failure(
            plugin=problem.plugin,
            distribution=problem.distribution,
            version=problem.version,
            message=problem.message,
            hint=problem.hint,
            traceback=problem.traceback,
        ),
    )


def _free_name(wanted: Sequence[Any], others: Mapping[str, Report]) -> str:
    """The first wanted name that a report can have and none has; else one that begins with ``failed``."""
    spare = (f"failed-{number}" for number in range(1, len(others) + 2))
    return next(str(name) for name in (*wanted, *spare) if is_report_name(name) and name not in others)
