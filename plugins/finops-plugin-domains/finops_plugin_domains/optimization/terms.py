"""Sections of the optimization report that need terms from a setting: batches and committed capacity."""

from __future__ import annotations

from typing import TYPE_CHECKING

from finops_core import Calls, Column, Section, Table, dollars, listing, nearest, percent, plural
from finops_plugin_domains.optimization.potential import Potential
from finops_plugin_domains.optimization.repricing import dollars_of
from finops_plugin_domains.optimization.savings import CAUTIOUS

if TYPE_CHECKING:
    from finops_plugin_domains.optimization.analyzer import OptimizationAnalyzer


def batches(analyzer: OptimizationAnalyzer, calls: Calls, potential: Potential) -> Section:
    """What batch discounts save on tasks that can wait."""
    title = "Batches"
    discounts, tasks = analyzer.batch_discount_percent, analyzer.batch_tasks
    if not discounts or not tasks:
        return Section(
            id="batch",
            title=title,
            text="Nothing is computed, because no terms are set. Set [plugins.optimization] batch_discount_percent "
            "(such "
            'as {openai = 50}) and batch_tasks (such as ["summarization"]) in finops.toml: which discount applies and '
            "which tasks can wait is for you to say.",
        )
    rows = []
    for (task, provider, model), outcome in potential.chosen.items():
        nanos = outcome.alone[CAUTIOUS]["batch"]
        if nanos:
            rows.append((task, provider, model, discounts[provider], dollars_of(nanos)))
    saving = potential.alone(CAUTIOUS, "batch")
    waiting = calls.rows(
        "SELECT task_type, provider, count(*) AS n FROM calls WHERE status = 'success' OR cost_usd > 0 "
        "GROUP BY task_type, provider"
    )
    n = sum(row["n"] for row in waiting if row["task_type"] in tasks and row["provider"] in discounts)
    used = {row["task_type"] for row in waiting if row["provider"] in discounts}.intersection(tasks)
    if not n:
        text = (
            f"No call of {listing(sorted(tasks))} went to {listing(sorted(discounts))}, so the discount saves nothing."
        )
    else:
        text = (
            f"{plural(n, 'call')} of {listing(sorted(used))} could have waited, for {dollars(saving)} less. A batch "
            f"has no fixed price: it breaks even as long as waiting costs you less than {dollars(1000 * saving / n)} "
            "for a thousand calls."
        )
        if len(used) < len(set(tasks)):
            text += f" No such call is of {listing(sorted(set(tasks) - used))} (batch_tasks)."
    table = Table.of(
        "batch-table",
        "Savings by task and model",
        (
            Column(name="task", label="Task", role="dimension", dimension="task_type"),
            Column(name="provider", label="Provider", role="dimension", dimension="provider"),
            Column(name="model", label="Model", role="dimension", dimension="model"),
            Column(name="discount", label="Discount", unit="percent"),
            Column(name="saving", label="Saved", unit="usd", role="measure"),
        ),
        sorted(rows, key=lambda row: (-row[4], str(row))),
        total=True,
    )
    return Section(id="batch", title=title, text=text, blocks=(table,) if rows else ())


def commitments(analyzer: OptimizationAnalyzer, potential: Potential) -> Section:
    """What committed capacity saves, and where it breaks even."""
    title = "Committed capacity"
    if not analyzer.commitments:
        return Section(
            id="commitment",
            title=title,
            text="Nothing is computed, because no terms are set. Set [plugins.optimization.commitments.PROVIDER] "
            "discount_percent, and usd_per_hour if the amount is given, in finops.toml; without an amount the best one "
            "for the hours of the period is looked for. A commitment with a discount of d % breaks even when (100 - d) "
            "% of what it covers is used.",
        )
    rows, notes = [], []
    for provider, terms in sorted(analyzer.commitments.items()):
        found = potential.commitment(provider)
        if provider not in potential.survey.logged:
            notes.append(f"{provider} is not in the log. {nearest(provider, potential.survey.logged)}")
            continue
        if found is None:
            notes.append(
                f"{provider}: too few hours have any usage for a commitment at {terms.discount_percent:g} % off."
            )
            continue
        later = potential.commitment(provider, CAUTIOUS)
        rows.append(
            (
                provider,
                float(terms.discount_percent),
                found.usd_per_hour,
                found.used_percent,
                found.break_even_percent,
                found.on_demand,
                found.committed,
                found.saving,
                None if later is None else later.saving,
            )
        )
        result = f"saves {dollars(found.saving)}" if found.saving >= 0 else f"costs {dollars(-found.saving)} more"
        chosen = "the best for these hours" if terms.usd_per_hour is None else "as set"
        notes.append(
            f"{provider}: {dollars(found.usd_per_hour)} an hour ({chosen}) {result}; {percent(found.used_percent)} of "
            f"what it covers is used, and it breaks even at {percent(found.break_even_percent)}."
        )
    table = Table.of(
        "commitment-table",
        "Commitments on the hours of the period",
        (
            Column(name="provider", label="Provider", role="dimension", dimension="provider"),
            Column(name="discount", label="Discount", unit="percent"),
            Column(name="hourly", label="Committed an hour", unit="usd"),
            Column(name="used", label="Used", unit="percent"),
            Column(name="break-even", label="Breaks even at", unit="percent"),
            Column(name="on-demand", label="Cost without", unit="usd", role="measure"),
            Column(name="committed", label="Cost with", unit="usd", role="measure"),
            Column(name="saving", label="Saved", unit="usd", role="measure"),
            Column(name="later", label="Saved after other savings", unit="usd", role="measure"),
        ),
        rows,
        total=True,
        note="Other savings, at their cautious end, leave less to cover; a negative saving is a loss.",
    )
    if any(row[-1] is not None and row[-1] < 0 for row in rows):
        notes.append("Among the savings of this report only commitments that pay after the others count.")
    return Section(id="commitment", title=title, text=" ".join(notes), blocks=(table,) if rows else ())
