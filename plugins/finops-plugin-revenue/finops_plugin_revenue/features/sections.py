"""The sections of the feature economics report."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Literal

from finops_core import Axis, Chart, Column, Point, Section, Series, Table, dollars, listing, percent, plural
from finops_plugin_revenue.account_tables import NAMED

if TYPE_CHECKING:
    from finops_plugin_revenue.features.economics import Economics

CHARTED = 20

TOLD_APART = 10
"""Adoption is drawn from so many points between the least and the most used feature on; less would fill the axis with
differences that mean nothing."""

FEATURE = Column(name="feature", label="Feature", role="dimension", dimension="feature_id")


def verdicts(e: Economics) -> Section:
    """What to do with each feature."""
    title, text = "Invest, keep, fix, retire", str(e.rule)
    if not e.named:
        return Section(id="verdicts", title=title, text=f"No call names a feature, so nothing is judged. {text}")
    points = [
        Point(
            label=use.name,
            x=e.adoption(use),
            y=use.margin_percent,
            highlight=e.verdicts[use.name].judgement in ("fix", "retire"),
        )
        for use in e.named
        if use.margin_percent is not None
    ]
    table = Table.of(
        "verdicts-table",
        "What to do with each feature",
        (
            FEATURE,
            Column(name="verdict", label="Verdict"),
            Column(name="why", label="Why"),
            Column(name="margin", label="Margin", unit="usd", role="measure"),
            Column(name="margin-percent", label="Margin %", unit="percent"),
            Column(name="adoption", label="Adoption", unit="percent"),
            Column(name="growth", label="Growth of calls", unit="percent"),
            Column(name="robust", label="Same verdict by either split"),
        ),
        [
            (
                use.name,
                e.verdicts[use.name].judgement,
                e.verdicts[use.name].why,
                use.margin,
                use.margin_percent,
                e.adoption(use),
                e.growth(use.feature),
                None if use.margin is None else "yes" if e.robust(use) else "no",
            )
            for use in e.named
        ],
    )
    spread = max((p.x for p in points), default=0) - min((p.x for p in points), default=0)
    if spread < TOLD_APART:
        return Section(id="verdicts", title=title, text=f"{_adoption(points)} {text}".lstrip(), blocks=(table,))
    bad = e.judged("fix", "retire")
    some = plural(len(bad), "feature is", "features are") if bad else "None is"
    takeaway = f"{some} to be fixed or retired."
    if hidden := [use.name for use in bad if use.margin_percent is None]:
        takeaway += f" Not drawn, for want of revenue: {listing(hidden, most=NAMED)}."
    chart = Chart(
        id="adoption-margin",
        kind="scatter",
        title="Do widely used features earn?",
        takeaway=takeaway,
        description="Each feature by the share of active customers who use it and its margin in percent of revenue.",
        x=Axis(label="Adoption", unit="percent"),
        y=Axis(label="Margin", unit="percent"),
        points=tuple(points),
    )
    return Section(id="verdicts", title=title, text=text, blocks=(chart, table))


def _adoption(points: Sequence[Point]) -> str:
    """How widely the features that have a margin are used, where that tells none apart."""
    if not points:
        return ""
    low, high = (percent(share, 0) for share in (min(p.x for p in points), max(p.x for p in points)))
    if len(points) == 1:
        return f"{points[0].label} is used by {high} of active customers."
    used = f"by {high}" if low == high else f"by {low} to {high}"
    return f"Each feature with a known margin is used {used} of active customers, so that adoption tells none apart."


def economics(e: Economics) -> Section:
    """Cost, use, revenue and margin of every feature, adding up to the totals."""
    rows: list[tuple[object, ...]] = [
        (
            use.name,
            use.calls,
            use.customers,
            e.adoption(use),
            use.cost,
            use.cost / use.customers,
            use.cost_per_call,
            use.revenue,
            use.known_cost if use.revenue is not None else None,
            use.margin,
            use.margin_percent,
        )
        for use in e.features.values()
    ]
    if e.unused_revenue:
        unused = e.unused_revenue
        margin = (None, None) if e.uncosted else (unused, 100.0)
        rows.append(("(paid, no call)", 0, None, None, Decimal(0), None, None, unused, Decimal(0), *margin))
    known = any(use.revenue is not None for use in e.features.values())
    # What nobody knows does not add up to zero.
    earned: Literal["measure", "derived"] = "measure" if known else "derived"
    kept: Literal["measure", "derived"] = "derived" if e.uncosted else earned
    charted = sorted((use for use in e.named if use.margin is not None), key=lambda use: (-use.known_cost, use.name))
    charted = charted[:CHARTED]
    whose = "For customers with known revenue, " if e.unknown_cost else ""
    most = "costs " if len(charted) == 1 else "costs most, "
    chart = Chart(
        id="cost-revenue",
        kind="bar",
        title="What does each feature cost, and what does it earn?",
        takeaway=f"{whose}{charted[0].name} {most}{dollars(charted[0].known_cost)}." if charted else "",
        description="Cost and attributed revenue of each feature over the period, the dearest first.",
        x=Axis(label="Feature"),
        y=Axis(label="US dollars in the period", unit="usd"),
        categories=tuple(use.name for use in charted),
        series=(
            Series(name="Attributed revenue", values=tuple(use.revenue for use in charted)),
            Series(name="Cost of customers with known revenue", values=tuple(use.known_cost for use in charted)),
        ),
        dimension="feature_id",
    )
    table = Table.of(
        "economics-table",
        "Every feature, adding up to the period",
        (
            FEATURE,
            Column(name="calls", label="Calls", unit="count", role="measure"),
            Column(name="customers", label="Customers", unit="count"),
            Column(name="adoption", label="Adoption", unit="percent"),
            Column(name="cost", label="Cost", unit="usd", role="measure"),
            Column(name="cost-per-customer", label="Cost per customer", unit="usd"),
            Column(name="cost-per-call", label="Cost per call", unit="usd"),
            Column(name="revenue", label="Revenue by use", unit="usd", role=earned),
            Column(name="known-cost", label="Cost of customers with known revenue", unit="usd", role=earned),
            Column(name="margin", label="Margin", unit="usd", role=kept),
            Column(name="margin-percent", label="Margin in %", unit="percent"),
        ),
        rows,
        total=True,
        note="Calls that name no feature are the line (no feature); revenue of customers who paid without a call in "
        "the period is the line (paid, no call). Customers use several features, so they do not add up.",
    )
    return Section(
        id="economics",
        title="Cost, use and revenue by feature",
        text=f"{plural(e.active, 'customer')} made calls in the period, {e.revenue.period}.",
        blocks=(chart, table) if charted else (table,),
    )


def growth(e: Economics) -> Section:
    """Every feature now against before."""
    if e.calls.comparison is None:
        return Section(id="growth", title="Growth", text=e.calls.comparison_text)
    features = [f for f in e.features if f in e.current or f in e.previous]
    gone = sorted((f for f in e.previous if f not in e.features), key=lambda f: (f is None, f or ""))
    rows = []
    for feature in [*features, *gone]:
        current, previous = e.current.get(feature), e.previous.get(feature)
        some = current or previous
        assert some is not None  # it is in one of the spans
        rows.append(
            (
                some.name,
                current.calls if current else 0,
                previous.calls if previous else 0,
                e.growth(feature),
                current.customers if current else 0,
                previous.customers if previous else 0,
                current.cost if current else Decimal(0),
                previous.cost if previous else Decimal(0),
                current.cost_per_call if current else None,
                previous.cost_per_call if previous else None,
            )
        )
    table = Table.of(
        "growth-table",
        "Features now and before",
        (
            FEATURE,
            Column(name="calls", label="Calls", unit="count", role="measure"),
            Column(name="calls-before", label="Calls before", unit="count", role="measure"),
            Column(name="growth", label="Growth of calls", unit="percent"),
            Column(name="customers", label="Customers", unit="count"),
            Column(name="customers-before", label="Customers before", unit="count"),
            Column(name="cost", label="Cost", unit="usd", role="measure"),
            Column(name="cost-before", label="Cost before", unit="usd", role="measure"),
            Column(name="per-call", label="Cost per call", unit="usd"),
            Column(name="per-call-before", label="Cost per call before", unit="usd"),
        ),
        rows,
        total=True,
        note="Growth is empty for a feature without calls in the earlier span.",
    )
    return Section(id="growth", title="Growth", text=e.calls.comparison_text, blocks=(table,) if rows else ())


def attribution(e: Economics) -> Section:
    """How revenue was split, what another split would say, and whose revenue is not known."""
    other = e.other_measure
    blocks = []
    if any(use.margin is not None for use in e.features.values()):
        blocks.append(
            Table.of(
                "splits",
                f"Margin with revenue split by {e.split_by} and by {other}",
                (
                    FEATURE,
                    Column(name="revenue", label=f"Revenue by {e.split_by}", unit="usd", role="measure"),
                    Column(name="margin", label=f"Margin by {e.split_by}", unit="usd", role="measure"),
                    Column(name="revenue-other", label=f"Revenue by {other}", unit="usd", role="measure"),
                    Column(name="margin-other", label=f"Margin by {other}", unit="usd", role="measure"),
                ),
                [
                    (use.name, use.revenue, use.margin, e.other_split[feature].revenue, e.other_split[feature].margin)
                    for feature, use in e.features.items()
                ],
                total=True,
            )
        )
    if e.unknown_cost:
        blocks.append(
            Table.of(
                "unknown-revenue-table",
                "Customers without known revenue",
                (
                    Column(name="customer", label="Customer", role="dimension", dimension="customer_id"),
                    Column(name="tier", label="Tier"),
                    Column(name="why", label="What is missing"),
                    Column(name="cost", label="Cost", unit="usd", role="measure"),
                ),
                [
                    (customer, e.revenue.unknown[customer].tier, e.revenue.unknown[customer].why, cost)
                    for customer, cost in e.unknown_cost.items()
                ],
                total=True,
            )
        )
    unknown = (
        f"{plural(len(e.unknown_cost), 'customer has', 'customers have')} calls but no known revenue, and none is "
        "assumed."
        if e.unknown_cost
        else "Every customer with calls has a known revenue."
    )
    return Section(
        id="attribution",
        title="How revenue is attributed",
        text=f"{dollars(e.revenue.total)} of known revenue, each customer's split by {e.split_by} (split_by). The rule "
        f"is a choice: where a verdict depends on it, it says so. {unknown}"
        if e.revenue.known
        else f"There is no known revenue to split. {unknown}",
        blocks=tuple(blocks),
    )
