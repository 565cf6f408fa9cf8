"""The section of the optimization report on model switches: what to move where, and what was turned down."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING

from finops_core import Axis, Breakdown, Chart, Column, Section, Series, Table, dollars, plural
from finops_plugin_domains.optimization.evidence import Evidence, Model, Use
from finops_plugin_domains.optimization.phrases import length
from finops_plugin_domains.optimization.potential import Potential
from finops_plugin_domains.optimization.prices import scaled_text
from finops_plugin_domains.optimization.repricing import dollars_of
from finops_plugin_domains.optimization.savings import CAUTIOUS, HOPEFUL, Outcome

if TYPE_CHECKING:
    from finops_plugin_domains.optimization.analyzer import OptimizationAnalyzer

CHARTED = 10


def switches(
    analyzer: OptimizationAnalyzer,
    potential: Potential,
    evidence: Evidence,
    refusals: Mapping[tuple[Use, Model], str],
) -> Section:
    """Which task should move to which model, and which cheaper models were turned down."""
    blocks: list[Chart | Table] = []
    if potential.switches:
        blocks += [_chart(analyzer, potential), _savings(analyzer, potential), _records(analyzer, potential, evidence)]
    if any(saving > 0 for saving in potential.survey.refused.values()):
        blocks.append(_refused(analyzer, potential, refusals))
    return Section(
        id="switches",
        title="Model switches by task",
        text=_text(analyzer, potential, evidence),
        blocks=tuple(blocks),
    )


def _text(analyzer: OptimizationAnalyzer, potential: Potential, evidence: Evidence) -> str:
    where = "of any provider in the log" if analyzer.across_providers else "of the same provider"
    text = (
        f"Candidates are models {where} that had at least {plural(analyzer.minimum_calls, 'call')} of the same task in "
        f"the period, failed at most {analyzer.failed_points:g} percentage "
        f"{'point' if analyzer.failed_points == 1 else 'points'} more often and were at most "
        f"{analyzer.latency_percent:g} % slower (median). The log does not say how good an answer is: compare answers "
        "on a sample before moving a task."
    )
    if not potential.switches:
        why = potential.incomparable or potential.unjudged
        found = f"No switch can be judged: {why}" if why else "No task has a cheaper model to move to"
        text = f"{found}. {text}"
    if evidence.without_task:
        text += (
            f" {plural(evidence.without_task, 'call')} without a task type cannot be judged, and stay where they are."
        )
    return text


def _chart(analyzer: OptimizationAnalyzer, potential: Potential) -> Chart:
    least, most = analyzer.output_percent
    top, ends = potential.switches[:CHARTED], 1 if least == most else 2
    return Chart(
        id="switches-chart",
        kind="bar",
        title="Which switches save most?",
        takeaway=_together(top, len(potential.switches)),
        description="Dollars of the period that each switch saves at both ends of the assumed answer length.",
        x=Axis(label="Switch"),
        y=Axis(label="Saved in the period", unit="usd"),
        categories=tuple(f"{use[0]}: {use[2]} to {target[1]}" for use, target, _ in top),
        series=(
            Series(name=length(most).capitalize(), values=tuple(o.saving(CAUTIOUS) for *_, o in top)),
            Series(name=length(least).capitalize(), values=tuple(o.saving(HOPEFUL) for *_, o in top)),
        )[:ends],
        breakdowns=(
            Breakdown(
                by=("task_type", "provider", "model"),
                rows=tuple(
                    (i, *use, *(o.saving(CAUTIOUS), o.saving(HOPEFUL))[:ends]) for i, (use, _, o) in enumerate(top)
                ),
            ),
        ),
    )


def _together(top: Sequence[tuple[Use, Model, Outcome]], of: int) -> str:
    saved = dollars(sum((outcome.saving(CAUTIOUS) for *_, outcome in top), Decimal(0)))
    if of == 1:
        which = "This switch saves"
    else:
        which = f"The {len(top)} largest of {of} switches save" if len(top) < of else f"All {of} switches save"
    return f"{which} {saved} of the period's cost at the cautious end."


def _route(use: Use, target: Model, across_providers: bool) -> Sequence[str | None]:
    """From where to where: what stands in the columns of :func:`_from_and_to`."""
    return (*use, *target) if across_providers else (*use, target[1])


def _from_and_to(across_providers: bool) -> tuple[Column, ...]:
    """The columns that name a switch; the provider is told twice only where it may change."""
    return (
        Column(name="task", label="Task", role="dimension", dimension="task_type"),
        Column(name="provider", label="Provider", role="dimension", dimension="provider"),
        Column(name="model", label="Model now", role="dimension", dimension="model"),
        *([Column(name="to-provider", label="Provider then")] if across_providers else []),
        Column(name="to-model", label="Model then"),
    )


def _savings(analyzer: OptimizationAnalyzer, potential: Potential) -> Table:
    least, most = analyzer.output_percent
    return Table.of(
        "switches-table",
        "What every switch saves",
        (
            *_from_and_to(analyzer.across_providers),
            Column(name="cost", label="Cost now", unit="usd", role="measure"),
            Column(name="low", label=f"Saved, output {most:+} %", unit="usd", role="measure"),
            Column(name="same", label="Saved, same output", unit="usd", role="measure"),
            Column(name="high", label=f"Saved, output {least:+} %", unit="usd", role="measure"),
        ),
        [
            (
                *_route(use, target, analyzer.across_providers),
                dollars_of(outcome.now),
                outcome.saving(CAUTIOUS),
                dollars_of(outcome.same),
                outcome.saving(HOPEFUL),
            )
            for use, target, outcome in potential.switches
        ],
        total=True,
        note=f"Cost now is the catalogue's, in dollars of the log like the savings. {scaled_text(potential)}".rstrip(),
    )


def _records(analyzer: OptimizationAnalyzer, potential: Potential, evidence: Evidence) -> Table:
    rows = []
    for use, target, _ in potential.switches:
        now, then = evidence.records[use], evidence.records[(use[0], *target)]
        record = (now.calls, then.calls, now.error_percent, then.error_percent, now.p50, then.p50)
        rows.append((*_route(use, target, analyzer.across_providers), *record))
    return Table.of(
        "switches-records",
        "What the log says about both models of every switch on its task",
        (
            *_from_and_to(analyzer.across_providers),
            Column(name="calls", label="Calls now", unit="count", role="measure"),
            Column(name="to-calls", label="Calls there", unit="count"),
            Column(name="failed", label="Failed now", unit="percent"),
            Column(name="to-failed", label="Failed there", unit="percent"),
            Column(name="latency", label="Median now", unit="ms"),
            Column(name="to-latency", label="Median there", unit="ms"),
        ),
        rows,
    )


def _refused(analyzer: OptimizationAnalyzer, potential: Potential, refusals: Mapping[tuple[Use, Model], str]) -> Table:
    turned_down = [(use, target, saving) for (use, target), saving in potential.survey.refused.items() if saving > 0]
    turned_down.sort(key=lambda turned: (-turned[2], str(turned)))
    return Table.of(
        "refused",
        "Cheaper models that were turned down, and why",
        (
            *_from_and_to(analyzer.across_providers),
            Column(name="low", label=f"Not saved, output {analyzer.output_percent[1]:+} %", unit="usd"),
            Column(name="why", label="Why not"),
        ),
        [
            (*_route(use, target, analyzer.across_providers), dollars_of(saving), refusals[use, target])
            for use, target, saving in turned_down
        ],
    )
