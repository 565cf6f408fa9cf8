"""The sections of the optimization report: each proves one measure, or says what it would take to judge it."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from finops_core import (
    Axis,
    Catalog,
    Chart,
    Column,
    Section,
    Series,
    Table,
    dollars,
    listing,
    plural,
)
from finops_plugin_domains.optimization.evidence import Evidence
from finops_plugin_domains.optimization.phrases import dollars_between, length, lengths, spent
from finops_plugin_domains.optimization.potential import Potential
from finops_plugin_domains.optimization.prices import scaled_text, unpriced_text
from finops_plugin_domains.optimization.repricing import dollars_of
from finops_plugin_domains.optimization.savings import CAUTIOUS, ENDS, HOPEFUL, MEASURES

if TYPE_CHECKING:
    from finops_plugin_domains.optimization.analyzer import OptimizationAnalyzer

LABELS = {
    "switch": "Model switches",
    "cache": "Caching of repeated prefixes",
    "batch": "Batches",
    "failed": "Failed calls that were billed",
    "commitment": "Committed capacity",
}

METHOD = (
    "Every billed call is priced again, one by one, by the catalogue at the call's own date: plain, cached and output "
    "tokens at their prices, in the tier of the call's input. Savings compare catalogue with catalogue.",
    "A task moves to the model that saves most at the cautious end, among those that the log uses for the same task "
    "and that had enough calls, failed no more often and answered no slower, within the margins that are set.",
    "A call that several measures would make cheaper counts once, with the largest of its savings; a call that a "
    "switch makes dearer counts that loss in full. Measures are not stacked: what caching or a batch would save on top "
    "of a switch is left out. Commitments are applied to what is left of each hour, and count where they pay.",
    "Days before the period are judged with the switches that are chosen for the period.",
    "COIN = (1 - savings / cost) x 100.",
)


def together(analyzer: OptimizationAnalyzer, potential: Potential, cost: Decimal) -> Section:
    """What everything comes to, with every call counted once."""
    rows = [
        [LABELS[m], *(f(end, m) for f in (potential.alone, potential.counted) for end in ENDS)]
        for m in MEASURES
        if m != "batch" or (analyzer.batch_discount_percent and analyzer.batch_tasks)
    ]
    if analyzer.commitments:
        rows.append(
            [LABELS["commitment"], *[potential.committed(None)] * 2, *(potential.committed(end) for end in ENDS)]
        )
    low, high = potential.total(CAUTIOUS), potential.total(HOPEFUL)
    unknown = potential.unknown(HOPEFUL)
    if unknown:
        return Section(
            id="together",
            title="What all of it comes to",
            text=f"What could have been saved on the {dollars(cost)} spent {spent(potential.period)} is not known: "
            f"{unknown}.",
        )
    if high <= 0:
        return Section(
            id="together",
            title="What all of it comes to",
            text=f"No measure saves anything that this log can show on the {dollars(cost)} spent "
            f"{spent(potential.period)}.",
        )
    overlap = potential.sum_alone(HOPEFUL) - high
    return Section(
        id="together",
        title="What all of it comes to",
        text=f"Of the {dollars(cost)} spent {spent(potential.period)}, {dollars_between(low, high)} could "
        f"have been saved. The cautious end assumes {length(analyzer.output_percent[1])} after a switch and counts "
        f"neither caching nor failed calls; the hopeful end assumes {length(analyzer.output_percent[0])} and counts "
        f"all of both. Counting each call once leaves out {dollars(overlap)} of overlap at the hopeful end."
        f"{_losing(potential)}",
        blocks=(
            Chart(
                id="measures",
                kind="bar",
                title="Which measure saves how much?",
                description="Dollars of the period that each measure saves with every call counted once.",
                x=Axis(label="Measure"),
                y=Axis(label="Saved in the period", unit="usd"),
                categories=tuple(str(row[0]) for row in rows),
                series=(
                    Series(name="Cautious", values=tuple(row[3] for row in rows)),
                    Series(name="Hopeful", values=tuple(row[4] for row in rows)),
                ),
            ),
            Table.of(
                "measures-table",
                "Savings of the period, alone and counted once",
                (
                    Column(name="measure", label="Measure", role="dimension"),
                    Column(name="alone-low", label="Alone, cautious", unit="usd", role="measure"),
                    Column(name="alone-high", label="Alone, hopeful", unit="usd", role="measure"),
                    Column(name="low", label="Counted once, cautious", unit="usd", role="measure"),
                    Column(name="high", label="Counted once, hopeful", unit="usd", role="measure"),
                ),
                rows,
                total=True,
                note="Each saving is worked out on the model that a call ran on.",
            ),
        ),
    )


def _losing(potential: Potential) -> str:
    """What is said of commitments that do not pay."""
    found = ((p, c) for p in sorted(potential.terms) if (c := potential.commitment(p, CAUTIOUS)) is not None)
    losing = [provider for provider, commitment in found if commitment.saving < 0]
    return f" The commitment to {listing(losing)} would not pay, and is left out." if losing else ""


def caching(analyzer: OptimizationAnalyzer, potential: Potential, evidence: Evidence) -> Section:
    """What caching repeated prefixes could save at most."""
    bound = potential.alone(HOPEFUL, "cache")
    by_model: dict[tuple[str, str], int] = {}
    for (_, provider, model), outcome in potential.chosen.items():
        saving = outcome.alone[HOPEFUL]["cache"]
        if saving:
            by_model[provider, model] = by_model.get((provider, model), 0) + saving
    limits = (
        f"Prefixes under {plural(analyzer.prefix_tokens, 'token')} do not count (prefix_tokens), nor do models whose "
        "cache reads cost as much as plain input"
    )
    if potential.incomparable:
        text = f"Caching cannot be judged: {potential.incomparable}."
    elif not evidence.has_sessions:
        text = "No call names its session, so repeated prefixes cannot be seen."
    elif not by_model:
        text = (
            "No input was found that repeats within a session, a task and a model and would be cheaper from the cache. "
            f"{limits}."
        )
    else:
        text = (
            f"At most {dollars(bound)} of the period. This is an upper bound: the log has no prompts, so the input of "
            "a call is taken to repeat as far as the longest earlier input of the same session, task and model "
            "reaches. What was not read from the cache is priced as read from it, less what writing it once costs. "
            f"{limits}; that a cache entry expires is not considered."
        )
    table = Table.of(
        "caching-table",
        "Upper bound by model",
        (
            Column(name="provider", label="Provider", role="dimension", dimension="provider"),
            Column(name="model", label="Model", role="dimension", dimension="model"),
            Column(name="saving", label="Saved at most", unit="usd", role="measure"),
        ),
        [(*model, dollars_of(n)) for model, n in sorted(by_model.items(), key=lambda item: (-item[1], item[0]))],
        total=True,
    )
    return Section(id="caching", title="Caching of repeated prefixes", text=text, blocks=(table,) if by_model else ())


def assumptions(
    analyzer: OptimizationAnalyzer, catalog: Catalog, potential: Potential, evidence: Evidence, history: str
) -> tuple[str, ...]:
    """What the numbers rest on, and is not in the log; ``history`` is what the catalogue knows of dates."""
    listed = [
        f"After a switch a model gives {lengths(*analyzer.output_percent)} (output_percent): an assumption, not a "
        "measurement.",
        "Input tokens and cache hits stay as they are when a task moves to another model.",
        "The quality of answers is not in the log and is not judged.",
        scaled_text(potential),
        unpriced_text(catalog, evidence),
        history,
    ]
    return tuple(filter(None, listed))
