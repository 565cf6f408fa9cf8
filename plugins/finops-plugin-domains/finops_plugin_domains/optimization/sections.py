"""The sections of the optimization report: each proves one measure, or says what it would take to judge it."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from finops_core import (
    Axis,
    Calls,
    Catalog,
    Chart,
    Column,
    FinopsError,
    Section,
    Series,
    Table,
    dollars,
    plural,
)
from finops_plugin_domains.optimization.evidence import Evidence
from finops_plugin_domains.optimization.potential import Potential
from finops_plugin_domains.optimization.prices import history_text, scaling_text, unpriced_text
from finops_plugin_domains.optimization.repricing import dollars_of, what_if
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
    "switch makes dearer counts that loss in full. Commitments are applied to what is left of each hour.",
    "COIN = (1 - savings / cost) x 100.",
)


def length(output_percent: int) -> str:
    """An assumption about the length of answers, in words."""
    if output_percent == 0:
        return "answers as long as logged"
    return f"answers {abs(output_percent)} % {'longer' if output_percent > 0 else 'shorter'} than logged"


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
    if high <= 0:
        return Section(
            id="together",
            title="What all of it comes to",
            text=f"No measure saves anything that this log can show on the {dollars(cost)} of {potential.period}.",
        )
    overlap = potential.sum_alone(HOPEFUL) - high
    return Section(
        id="together",
        title="What all of it comes to",
        text=f"Of the {dollars(cost)} spent in {potential.period}, between {dollars(low)} and {dollars(high)} could "
        f"have been saved. The cautious end assumes {length(analyzer.output_percent[1])} after a switch and counts "
        f"neither caching nor failed calls; the hopeful end assumes {length(analyzer.output_percent[0])} and counts "
        f"all of both. Counting each call once leaves out {dollars(overlap)} of overlap at the hopeful end.",
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
            ),
        ),
    )


def questions(analyzer: OptimizationAnalyzer, calls: Calls) -> Section:
    """What the period would have cost with the tasks on the models that were asked about."""
    if not analyzer.what_if:
        return Section(
            id="what-if",
            title="What if a task ran on another model?",
            text='Ask with [plugins.optimization] what_if = {chat = "openai/gpt-5-mini"} in finops.toml: a task type '
            "and the provider and model to price its calls on; the model need not be in the log.",
        )
    rows, notes = [], []
    for task, target in sorted(analyzer.what_if.items()):
        provider, _, model = target.partition("/")
        try:
            answer = what_if(calls, task=task, provider=provider, model=model, output_percent=analyzer.output_percent)
        except FinopsError as e:
            notes.append(f"{task}: {e.message}. {e.hint}")
            continue
        if not answer.calls:
            notes.append(f"{task}: no billed call of this task has a price in {calls.period}.")
            continue
        rows.append(
            [task, provider, model, answer.calls, answer.now, answer.low, answer.same, answer.high, *answer.saving]
        )
        low, high = answer.period_range
        notes.append(
            f"With {task} on {model} ({provider}) the period would have cost {dollars(low)} to {dollars(high)} instead "
            f"of {dollars(answer.period_cost)}."
        )
        if answer.unpriced_calls:
            notes.append(
                f"Left out: {plural(answer.unpriced_calls, 'call')} of {task} on models without a price "
                f"({dollars(answer.unpriced_cost)})."
            )
    least, most = analyzer.output_percent
    table = Table.of(
        "what-if-table",
        "Tasks priced on other models",
        (
            Column(name="task", label="Task", role="dimension", dimension="task_type"),
            Column(name="provider", label="Provider asked about"),
            Column(name="model", label="Model asked about"),
            Column(name="calls", label="Calls", unit="count"),
            Column(name="now", label="Cost now", unit="usd"),
            Column(name="low", label=f"Then, output {least:+} %", unit="usd"),
            Column(name="same", label="Then, same output", unit="usd"),
            Column(name="high", label=f"Then, output {most:+} %", unit="usd"),
            Column(name="saving-low", label="Saving from", unit="usd"),
            Column(name="saving-high", label="to", unit="usd"),
        ),
        rows,
        note="Costs are the catalogue's on both sides; a negative saving is a loss.",
    )
    return Section(
        id="what-if",
        title="What if a task ran on another model?",
        text=" ".join(notes),
        blocks=(table,) if rows else (),
    )


def caching(analyzer: OptimizationAnalyzer, potential: Potential, evidence: Evidence) -> Section:
    """What caching repeated prefixes could save at most."""
    bound = potential.alone(HOPEFUL, "cache")
    by_model: dict[tuple[str, str], int] = {}
    for (_, provider, model), outcome in potential.chosen.items():
        saving = outcome.alone[HOPEFUL]["cache"]
        if saving:
            by_model[provider, model] = by_model.get((provider, model), 0) + saving
    if not evidence.has_sessions:
        found = "No call names its session, so repeated prefixes cannot be seen."
    elif not by_model:
        found = "No repeated prefix was found that caching would make cheaper."
    else:
        found = f"At most {dollars(bound)} of the period."
    text = (
        f"{found} This is an upper bound: the log has no prompts, so the input of a call is taken to repeat as far as "
        "the longest earlier input of the same session, task and model reaches. What was not read from the cache is "
        "priced as read from it, less what writing it once costs. Prefixes under "
        f"{plural(analyzer.prefix_tokens, 'token')} do not count (prefix_tokens), nor do models whose cache reads cost "
        "as much as plain input; that a cache entry expires is not considered."
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
    analyzer: OptimizationAnalyzer, catalog: Catalog, potential: Potential, evidence: Evidence
) -> tuple[str, ...]:
    """What the numbers rest on, and is not in the log."""
    least, most = analyzer.output_percent
    listed = [
        f"After a switch the number of output tokens changes by {least:+} % to {most:+} % (output_percent): an "
        "assumption, not a measurement.",
        "Input tokens and cache hits stay as they are when a task moves to another model.",
        "The quality of answers is not in the log and is not judged.",
        scaling_text(potential),
        unpriced_text(catalog, evidence),
        history_text(catalog, evidence),
    ]
    return tuple(filter(None, listed))
