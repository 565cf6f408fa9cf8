"""Statements, showback, shared and unallocated cost as charts and tables."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal
from itertools import zip_longest

from finops_core import Axis, Breakdown, Calls, Chart, Column, Section, Series, Table, dollars, percent, plural
from finops_plugin_domains.alignment.statements import Allocation, Line, Untagged, calls_of, cost_of, group

RULES = {"even": "evenly", "by_cost": "by direct cost", "by_calls": "by direct calls"}
NOBODY = "(no organisation)"
UNSPLIT = "(shared, nobody to split it over)"
NONE = "(none)"
"""How a table names the product or feature of calls that do not say."""
HOW_TO_SHARE = (
    "Nothing is declared as shared cost. To split what serves everybody, say in finops.toml which calls these are, "
    'such as [shared_cost] with match = { product_id = ["platform"] } and rule = "by_cost" (or "even", "by_calls").'
)


def how_split(whole: Allocation, rule: str) -> str:
    """How shared cost is split, in words; by direct costs that are all zero it is split evenly."""
    if rule == "by_cost" and whole.statements and not any(s.direct for s in whole.statements):
        return "evenly, as no direct call cost anything"
    return RULES[rule]


def statements_section(
    calls: Calls, whole: Allocation, current: Allocation | None, previous: Allocation | None, how: str, bars: int
) -> Section:
    """Each organisation's direct cost, its part of shared cost and its total, closing with what nobody pays."""
    spans = [_totals(span) for span in (current, previous) if span is not None]
    rows: list[tuple] = [
        (s.organization, s.calls, s.direct, s.shared, s.total, share_of(s.total, whole.total)) for s in whole.statements
    ]
    # Whoever paid in a compared span and pays nothing now still belongs to that span's total.
    gone = {name for totals in spans for name, total in totals.items() if total} - set(_totals(whole))
    rows += [(name, 0, Decimal(0), Decimal(0), Decimal(0), None) for name in sorted(gone - {NOBODY, UNSPLIT})]
    if whole.unallocated_calls or NOBODY in gone:
        share = share_of(whole.unallocated, whole.total)
        rows.append((NOBODY, whole.unallocated_calls, whole.unallocated, None, whole.unallocated, share))
    if whole.unsplit or UNSPLIT in gone:
        share = share_of(whole.unsplit, whole.total)
        rows.append((UNSPLIT, whole.shared_calls, None, whole.unsplit, whole.unsplit, share))
    columns = [
        Column(name="organization", label="Organisation", role="dimension", dimension="organization_id"),
        Column(name="calls", label="Calls", unit="count", role="measure"),
        Column(name="direct", label="Direct cost", unit="usd", role="measure"),
        Column(name="shared", label="Part of shared cost", unit="usd", role="measure"),
        Column(name="total", label="Total", unit="usd", role="measure"),
        Column(name="share", label="Share of all cost", unit="percent", role="share"),
    ]
    if calls.comparison is not None:
        days = calls.comparison.current.days
        now, before = ("Last day", "Day before") if days == 1 else (f"Last {days} days", f"{days} days before")
        columns += [
            Column(name="current", label=now, unit="usd", role="measure"),
            Column(name="previous", label=before, unit="usd", role="measure"),
        ]
        rows = [(*row, *(totals.get(row[0], Decimal(0)) for totals in spans)) for row in rows]
    note = "Calls are direct calls; shared ones are counted for nobody." if whole.shared_calls else ""
    table = Table.of("statements", "What each organisation pays", columns, rows, total=True, note=note)
    blocks: tuple = (table,)
    if whole.statements:
        blocks = (_organizations(whole, how, bars), table)
    return Section(
        id="statements",
        title="Statements",
        text=_adding_up(whole),
        blocks=blocks,
    )


def _adding_up(whole: Allocation) -> str:
    if not whole.statements:
        return "There is nobody to make a statement for: no call that is not shared names an organisation."
    statements = f"{plural(len(whole.statements), 'statement')} over {dollars(whole.allocated)}"
    calls = calls_of(whole.lines)
    everything = f"the {dollars(whole.total)} of " + ("the only call" if calls == 1 else f"all {calls:,} calls")
    if not whole.rest:
        return f"{statements} {'comes' if len(whole.statements) == 1 else 'add up'} to {everything}."
    return f"{statements} and {dollars(whole.rest)} that nobody can be charged for add up to {everything}."


def _organizations(whole: Allocation, how: str, bars: int) -> Chart:
    top, beyond = whole.statements[:bars], whole.statements[bars:]
    names = [s.organization for s in top]
    direct, shared = [s.direct for s in top], [s.shared for s in top]
    if beyond:
        names.append(f"{len(beyond)} more")
        direct.append(sum((s.direct for s in beyond), Decimal(0)))
        shared.append(sum((s.shared for s in beyond), Decimal(0)))
    series = [Series(name="Direct", values=tuple(direct))]
    if whole.shared:
        series.append(Series(name=f"Shared, split {how}", values=tuple(shared)))
    first = top[0]
    return Chart(
        id="cost-by-organization",
        kind="bar",
        title="Who pays the most?",
        takeaway=(
            f"{first.organization} pays {dollars(first.total)}, {percent(share_of(first.total, whole.total) or 0)} "
            "of all cost."
        ),
        description="One bar for each organisation, the dearest first: direct cost and its part of shared cost.",
        x=Axis(label="Organisation"),
        y=Axis(label="Cost", unit="usd"),
        categories=tuple(names),
        series=tuple(series),
        stacked=True,
        breakdowns=(_named("organization_id", names[: len(top)], series),),
    )


def _named(column: str, names: Sequence[str], series: Sequence[Series]) -> Breakdown:
    """Whose bar each is; one at the end for all others is nobody's, so that no filter finds it."""
    bars = zip_longest(names, *(s.values for s in series))
    return Breakdown(by=(column,), rows=tuple((i, *bar) for i, bar in enumerate(bars)))


def detail_section(whole: Allocation) -> Section:
    """Each statement by product and feature, with its part of shared cost as a line of its own."""
    rows: list[tuple] = []
    for s in whole.statements:
        rows += [(s.organization, x.product or NONE, x.feature or NONE, x.calls, x.cost) for x in s.lines]
        if s.shared:
            rows.append((s.organization, "(shared cost)", "(shared cost)", 0, s.shared))
    open_lines = [x for x in whole.lines if not x.shared and x.organization is None]
    rows += [(NOBODY, x.product or NONE, x.feature or NONE, x.calls, x.cost) for x in open_lines]
    if whole.unsplit:
        rows.append((UNSPLIT, "(shared cost)", "(shared cost)", whole.shared_calls, whole.unsplit))
    return Section(
        id="detail",
        title="What each statement is made of",
        text="Organisations in the order of their totals, each with its dearest product and feature first.",
        blocks=(
            Table.of(
                "detail",
                "Statements by product and feature",
                (
                    Column(name="organization", label="Organisation", role="dimension", dimension="organization_id"),
                    Column(name="product", label="Product", role="dimension", dimension="product_id"),
                    Column(name="feature", label="Feature", role="dimension", dimension="feature_id"),
                    Column(name="calls", label="Calls", unit="count", role="measure"),
                    Column(name="cost", label="Cost", unit="usd", role="measure"),
                ),
                rows,
                total=True,
            ),
        ),
    )


def showback_section(whole: Allocation, bars: int) -> Section:
    """Cost by product and by feature, whoever pays for it."""
    blocks: list[Chart | Table] = []
    silent: list[str] = []
    for name, column, of in (
        ("product", "product_id", lambda x: x.product or NONE),
        ("feature", "feature_id", lambda x: x.feature or NONE),
    ):
        groups = _by_cost(whole.lines, of)
        if [value for value, _ in groups] == [NONE]:
            silent.append(name)
            continue
        blocks.append(_bars(name, column, groups, bars))
        blocks.append(
            Table.of(
                f"{name}s",
                f"Cost by {name}",
                (
                    Column(name=name, label=name.capitalize(), role="dimension", dimension=column),
                    Column(name="calls", label="Calls", unit="count", role="measure"),
                    Column(name="cost", label="Cost", unit="usd", role="measure"),
                    Column(name="share", label="Share of all cost", unit="percent", role="share"),
                    Column(name="organizations", label="Organisations", unit="count"),
                ),
                [
                    (
                        value,
                        calls_of(lines),
                        cost_of(lines),
                        share_of(cost_of(lines), whole.total),
                        len({x.organization for x in lines if x.organization is not None}),
                    )
                    for value, lines in groups
                ],
                total=True,
            )
        )
    return Section(
        id="showback",
        title="Showback by product and feature",
        text=(
            f"No call names a {' or a '.join(silent)}."
            if silent
            else "Every call counts here for the product and the feature in which it was made, shared or not."
        ),
        blocks=tuple(blocks),
    )


def _bars(name: str, column: str, groups: Sequence[tuple[str, list[Line]]], bars: int) -> Chart:
    top, beyond = groups[:bars], groups[bars:]
    names, values = [value for value, _ in top], [cost_of(lines) for _, lines in top]
    if beyond:
        names.append(f"{len(beyond)} more")
        values.append(sum((cost_of(lines) for _, lines in beyond), Decimal(0)))
    cost = Series(name="Cost", values=tuple(values))
    return Chart(
        id=f"cost-by-{name}",
        kind="bar",
        title=f"Which {name} costs the most?",
        takeaway=f"{names[0]} costs {dollars(values[0])}.",
        description=f"One bar for each {name}, the dearest first.",
        x=Axis(label=name.capitalize()),
        y=Axis(label="Cost", unit="usd"),
        categories=tuple(names),
        series=(cost,),
        breakdowns=(_named(column, names[: len(top)], (cost,)),),
    )


def shared_section(calls: Calls, whole: Allocation, how: str) -> Section:
    """What is shared and how it is split, or how to say so."""
    settings = calls.settings.shared_cost
    if not settings.match:
        text = HOW_TO_SHARE
    else:
        which = " and ".join(f"{column} is {' or '.join(values)}" for column, values in settings.match.items())
        if not whole.shared_calls:
            text = f"No call of the period is shared cost ({which})."
        elif whole.unsplit:
            text = (
                f"{dollars(whole.shared)} is shared cost ({which}), but no organisation has direct calls to carry it."
            )
        else:
            text = (
                f"{dollars(whole.shared)} of {plural(whole.shared_calls, 'call')} is shared cost ({which}), split "
                f"{how} over {plural(len(whole.statements), 'organisation')}."
            )
    return Section(id="shared", title="Shared cost", text=text)


def unallocated_section(whole: Allocation, customers: Sequence[Untagged]) -> Section:
    """Whose calls name no organisation, and where they probably belong."""
    if not whole.unallocated_calls:
        return Section(
            id="unallocated",
            title="What cannot be allocated",
            text="Every call names an organisation or is shared cost.",
        )
    table = Table.of(
        "unallocated",
        "Customers whose calls name no organisation",
        (
            Column(name="customer", label="Customer", role="dimension", dimension="customer_id"),
            Column(name="calls", label="Calls without one", unit="count", role="measure"),
            Column(name="cost", label="Their cost", unit="usd", role="measure"),
            Column(name="organization", label="Organisation of the customer's other calls"),
        ),
        [(u.customer, u.calls, u.cost, u.organization) for u in customers],
        total=True,
        note=""
        if all(u.organization for u in customers)
        else "An empty cell: the customer has no other calls that name an organisation, or they name more than one.",
    )
    share = share_of(whole.unallocated, whole.total)
    return Section(
        id="unallocated",
        title="What cannot be allocated",
        text=(
            f"Without an organisation: {plural(whole.unallocated_calls, 'call')} of "
            f"{plural(len(customers), 'customer')} for {dollars(whole.unallocated)}"
            f"{f' ({percent(share)} of all cost)' if share is not None else ''}. {known_text(whole, customers)}"
        ),
        blocks=(table,),
    )


def known_text(whole: Allocation, customers: Sequence[Untagged]) -> str:
    """How much of the unallocated the customers' other calls could place."""
    if all(line.organization is None for line in whole.lines):
        return "No call of the period names an organisation."
    known = [u for u in customers if u.organization is not None]
    if not known:
        return "No other calls of a customer tell where they belong: none name an organisation, or they name several."
    cost = sum((u.cost for u in known), Decimal(0))
    return (
        f"{dollars(cost)} of it is from {plural(len(known), 'customer')} whose other calls all name one organisation: "
        "it can be allocated as soon as these calls carry that name."
    )


def _totals(allocation: Allocation) -> dict[str, Decimal]:
    """What each line of the statement table comes to."""
    totals = {s.organization: s.total for s in allocation.statements}
    if allocation.unallocated_calls:
        totals[NOBODY] = allocation.unallocated
    if allocation.unsplit:
        totals[UNSPLIT] = allocation.unsplit
    return totals


def share_of(part: Decimal, whole: Decimal) -> Decimal | None:
    """Percent of a whole; ``None`` of nothing."""
    return 100 * part / whole if whole else None


def _by_cost(lines: Sequence[Line], key: Callable[[Line], str]) -> list[tuple[str, list[Line]]]:
    return sorted(group(lines, key).items(), key=lambda g: (-cost_of(g[1]), g[0]))
