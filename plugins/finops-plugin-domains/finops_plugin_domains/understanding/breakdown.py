"""What was spent on what: the same sums along every dimension, each adding up to the total."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from finops_core import (
    USAGE_COLUMNS,
    Breakdown,
    Chart,
    Column,
    Period,
    Section,
    Table,
    count,
    dollars,
    listing,
    percent,
    plural,
)
from finops_plugin_domains.understanding.days import Days
from finops_plugin_domains.understanding.usage import Usage, added, grouped, ranked

Groups = dict[tuple[str, ...], list[Usage]]

DIMENSIONS: tuple[tuple[str, ...], ...] = (
    ("provider",),
    ("provider", "model"),
    *((column,) for column in USAGE_COLUMNS),
)
"""Columns of the call log by which spend is broken down; a model is told apart by who serves it."""

LABELS = {
    "provider": "Provider",
    "model": "Model",
    "customer_id": "Customer",
    "organization_id": "Organisation",
    "product_id": "Product",
    "feature_id": "Feature",
    "task_type": "Task",
}
"""What a dimension is called in a heading."""


MOST_BARS = 15
"""Models that a chart shows."""

NO_CACHING = "No call records tokens read from a cache."
"""What is said instead of a cache hit rate where it cannot be told from a log that does not record caching."""


def break_down(days: Days, period: Period) -> Groups:
    """Usage in the period by every dimension, the dearest group first; ``()`` holds the total.

    Args:
        days: With at least one call in the period.
        period: The one that they were read for.
    """
    models = days.models_of(period)
    return {
        (): [added(models)],
        ("provider",): grouped(models, 1),
        ("provider", "model"): models,
        **{(column,): ranked(rows) for column, rows in days.groups.items()},
    }


def records_caching(total: Usage) -> bool:
    """Whether calls with cached tokens show that the log records them; without any, a hit rate of 0 would be a guess.

    Args:
        total: The usage of all calls.
    """
    return total.cache_read_tokens > 0 or total.cache_write_tokens > 0


def label(names: Sequence[str | None]) -> str:
    """A group's name in a sentence or on an axis; a model is named with its provider."""
    return " / ".join("(none)" if name is None else name for name in names)


def named(name: str | None, noun: str) -> str:
    """A name in a sentence; calls without one are called so."""
    return f"calls without a {noun}" if name is None else name


def dimension_columns(dimension: Sequence[str]) -> list[Column]:
    """The table columns that name a group."""
    return [Column(name=c, label=LABELS[c], role="dimension", dimension=c) for c in dimension]


def by_model(categories: Sequence[Sequence[Usage]], *values: Callable[[Usage], Any]) -> Breakdown:
    """A chart's values by provider and model.

    Args:
        categories: For each category of the chart its usage by provider and model.
        values: For each series of the chart what it shows of a usage.
    """
    rows = [
        (i, *u.names, *(value(u) for value in values)) for i, usages in enumerate(categories) for u in ranked(usages)
    ]
    return Breakdown(by=("provider", "model"), rows=tuple(rows))


def spend_section(groups: Groups) -> Section:
    """Cost, calls and tokens along every dimension, each table adding up to the total."""
    (total,) = groups[()]
    tables = [_table(dimension, groups[dimension], total) for dimension in DIMENSIONS]
    models = groups["provider", "model"][:MOST_BARS]
    chart = Chart(
        id="cost-by-model",
        kind="bar",
        title="Which models cost most?",
        takeaway=_dearest("model", models, total),
        description=f"Cost of {plural(len(models), 'model')} over the period, the dearest first.",
        x={"label": "Model"},
        y={"label": "Cost", "unit": "usd"},
        categories=tuple(label(u.names) for u in models),
        series=({"name": "Cost", "values": [u.cost for u in models]},),
        breakdowns=(by_model([[u] for u in models], lambda u: u.cost),),
    )
    text = " ".join(_dearest(noun, groups[dimension], total) for noun, dimension in _NOUNS)
    return Section(id="spend", title="What is the money spent on?", text=text, blocks=(chart, *tables))


_NOUNS = (("provider", ("provider",)), ("model", ("provider", "model")), ("task", ("task_type",)))


def _dearest(noun: str, rows: Sequence[Usage], total: Usage) -> str:
    if len(rows) == 1:
        (name, *_) = rows[0].names
        return f"No call names a {noun}." if name is None else f"All calls are on one {noun}, {label(rows[0].names)}."
    top = rows[:3]
    if not total.cost:
        return f"None of the {plural(len(rows), noun)} cost anything."
    shares = [f"{label(u.names)} ({percent(u.cost / total.cost * 100)})" for u in top]
    return f"The dearest {noun + 's' if len(top) > 1 else noun} are {listing(shares)}."


def _table(dimension: tuple[str, ...], rows: Sequence[Usage], total: Usage) -> Table:
    noun = LABELS[dimension[-1]].lower()
    cached = records_caching(total)
    return Table.of(
        f"by-{noun}",
        f"Spend by {noun}",
        [
            *dimension_columns(dimension),
            Column(name="cost_usd", label="Cost", unit="usd", role="measure"),
            Column(name="share", label="Share of cost", unit="percent", role="share"),
            Column(name="calls", label="Calls", unit="count", role="measure"),
            Column(name="input_tokens", label="Input tokens", unit="tokens", role="measure"),
            Column(name="cache_read_tokens", label="of which cached", unit="tokens", role="measure"),
            Column(name="output_tokens", label="Output tokens", unit="tokens", role="measure"),
            Column(name="cost_per_1k", label="Cost per 1k tokens", unit="usd"),
            Column(name="cache_hit", label="Cache hit rate", unit="percent"),
        ],
        [
            (
                *u.names,
                u.cost,
                u.cost / total.cost * 100 if total.cost else None,
                u.calls,
                u.input_tokens,
                u.cache_read_tokens,
                u.output_tokens,
                u.cost_per_1k_tokens,
                u.cache_hit_percent if cached else None,
            )
            for u in rows
        ],
        total=True,
    )


def tokens_section(
    groups: Groups, days: Sequence[str], daily: Sequence[Sequence[Usage]], totals: Sequence[Usage]
) -> Section:
    """Tokens in, out and cached, and what a thousand of them cost.

    Args:
        groups: As :func:`break_down` returns them.
        days: The period's dates.
        daily: The usage of each by provider and model,
        totals: and in all.
    """
    (total,) = groups[()]
    if not total.tokens:
        return Section(id="tokens", title="What do tokens cost?", text="None of the calls used any tokens.")
    uncached = total.input_tokens - total.cache_read_tokens - total.cache_write_tokens
    classes = (
        ("Input, not cached", uncached),
        ("Input, read from a cache", total.cache_read_tokens),
        ("Input, written to a cache", total.cache_write_tokens),
        ("Output, without reasoning", total.output_tokens - total.reasoning_tokens),
        ("Output, reasoning", total.reasoning_tokens),
    )
    table = Table.of(
        "token-classes",
        "Tokens by class",
        [
            Column(name="class", label="Class", role="dimension"),
            Column(name="tokens", label="Tokens", unit="tokens", role="measure"),
            Column(name="share", label="Share", unit="percent", role="share"),
        ],
        [(name, n, n / total.tokens * 100) for name, n in classes],
        total=True,
    )
    chart = Chart(
        id="tokens-per-day",
        kind="bar",
        title="How many tokens a day, and how many of them cached?",
        description="Tokens of every day, stacked: input that was not read from a cache, input that was, output.",
        x={"label": "Day", "unit": "date"},
        y={"label": "Tokens", "unit": "tokens"},
        categories=tuple(days),
        series=[{"name": name, "values": [value(u) for u in totals]} for name, value in _STACKED_TOKENS],
        breakdowns=(by_model(daily, *(value for _, value in _STACKED_TOKENS)),),
        stacked=True,
    )
    return Section(id="tokens", title="What do tokens cost?", text=_tokens_text(groups, total), blocks=(chart, table))


_STACKED_TOKENS: tuple[tuple[str, Callable[[Usage], int]], ...] = (
    ("Input, not read from a cache", lambda u: u.input_tokens - u.cache_read_tokens),
    ("Input, read from a cache", lambda u: u.cache_read_tokens),
    ("Output", lambda u: u.output_tokens),
)


def _tokens_text(groups: Groups, total: Usage) -> str:
    text = f"{count(total.input_tokens)} tokens went in and {count(total.output_tokens)} came out"
    if total.cost_per_1k_tokens:
        text += f", {dollars(total.cost_per_1k_tokens)} for a thousand"
    text += "."
    if not records_caching(total):
        text += f" {NO_CACHING}"
    elif total.cache_hit_percent is not None:
        text += f" {percent(total.cache_hit_percent)} of the input was read from a cache."
    priced = [u for u in groups["provider", "model"] if u.cost_per_1k_tokens]
    if len(priced) > 1:
        ranked = sorted(priced, key=lambda u: (u.cost_per_1k_tokens or 0, label(u.names)))
        low, high = ranked[0], ranked[-1]
        text += (
            f" A thousand tokens cost least on {label(low.names)} ({dollars(low.cost_per_1k_tokens or 0)}) and most on "
            f"{label(high.names)} ({dollars(high.cost_per_1k_tokens or 0)})."
        )
    return text
