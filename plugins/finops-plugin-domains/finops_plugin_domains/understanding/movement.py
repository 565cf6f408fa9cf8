"""Why cost moved, as a section and as findings: what happened, to whom, and through which effect."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

import pyarrow as pa
import pyarrow.compute as pc

from finops_core import (
    Breakdown,
    Calls,
    Chart,
    Column,
    Comparison,
    Finding,
    Period,
    Section,
    Table,
    count,
    dollars,
    listing,
    percent,
    signed_dollars,
)
from finops_plugin_domains.understanding.breakdown import LABELS, dimension_columns, label, named
from finops_plugin_domains.understanding.cost_change import EFFECTS, CostChange, Movement

DRIVERS = ("feature_id", "provider", "model")
"""The grouping in whose words a change is told: a feature on a model."""

GROUPINGS: tuple[tuple[str, ...], ...] = (
    DRIVERS,
    ("provider",),
    ("provider", "model"),
    ("customer_id",),
    ("feature_id",),
)
"""What the change is shown by."""

PEAK_DAYS = 2
"""A customer's change is a burst if this many days hold half of the dearer span's cost."""

_CAUSES = {
    "calls": ("more calls", "fewer calls"),
    "shift": ("a shift of calls to {dearer}", "a shift of calls to {cheaper}"),
    "intensity": ("more tokens per call", "fewer tokens per call"),
    "price": ("higher catalogue prices", "lower catalogue prices"),
    "mix": ("dearer billing than prices and tokens explain", "cheaper billing than prices and tokens explain"),
}
"""What moves cost, upwards and downwards; volume is told as the number of calls and where they went."""

_DESTINATIONS: Mapping[tuple[str, ...], Mapping[str, str]] = {
    (): {
        "dearer": "dearer models, features or customers",
        "cheaper": "cheaper models, features or customers",
    },
    ("customer_id",): {"dearer": "dearer models or features", "cheaper": "cheaper models or features"},
    DRIVERS: {"dearer": "customers with dearer calls", "cheaper": "customers with cheaper calls"},
}
"""Where calls can go within a group of a grouping."""

_ADVICE = {
    "calls": "Check that the added calls of {who} are wanted, and that revenue grows with them.",
    "shift": "See which calls of {who} went where a call costs more, and whether that is worth it.",
    "intensity": "Look at prompts and answer lengths of {who}: a call uses more tokens than before.",
    "price": "Compare the models of {who} with others: their catalogue prices rose.",
    "mix": "Check discounts, invoices and failed calls of {who}: neither usage nor catalogue prices explain it.",
}


def change_section(change: CostChange) -> Section:
    """The split of the change into volume, intensity, price and mix, in all and by every dimension of the leaf."""
    total, comparison = change.total, change.comparison
    groups = {grouping: change.by(*grouping) for grouping in GROUPINGS}
    return Section(
        id="change",
        title="Why did cost move?",
        text=" ".join(
            (
                change_text(total, comparison),
                _effects_text(total),
                _drivers_text(groups[DRIVERS], total),
                _customers_text(groups["customer_id",]),
            )
        ).strip()
        + _unpriced_text(change, total),
        blocks=(_waterfall(total, comparison, groups), *(_table(g, groups[g]) for g in GROUPINGS)),
    )


def change_text(total: Movement, comparison: Comparison) -> str:
    """How much cost moved, in one sentence."""
    now, before = comparison.current, comparison.previous
    spans = f"from {dollars(total.previous)} ({before}) to {dollars(total.current)} ({now})"
    if not total.change:
        return f"Cost did not move {spans}."
    verb = "rose" if total.change > 0 else "fell"
    return f"Cost {verb} by {dollars(abs(total.change))}{relative(total)} {spans}."


def relative(movement: Movement) -> str:
    """The change as a share of what was there before, in brackets; beyond three times as much, both amounts."""
    if not movement.previous:
        return ""
    if movement.change > 2 * movement.previous:
        return f" ({dollars(movement.current)} after {dollars(movement.previous)})"
    return f" ({percent(abs(movement.change) / movement.previous * 100)})"


def _effects_text(total: Movement) -> str:
    if not any(getattr(total, effect) for effect in EFFECTS):
        return "Neither calls, tokens per call nor prices moved it."
    calls = f"{count(total.current_calls)} calls after {count(total.previous_calls)}"
    if total.shift:
        calls += f": {signed_dollars(total.from_calls)} from their number, {signed_dollars(total.shift)} from "
        calls += _words("shift", total.shift)
    words = {
        "volume": f"volume ({calls})",
        "intensity": "tokens per call",
        "price": "catalogue prices",
        "mix": "all else",
    }
    return "It splits into " + listing([f"{signed_dollars(getattr(total, e))} from {words[e]}" for e in EFFECTS]) + "."


def _drivers_text(movements: list[Movement], total: Movement) -> str:
    same_way = [m for m in movements if m.change * total.change > 0][:3]
    against = [m for m in movements if m.change * total.change < 0][:1]
    if not same_way:
        return ""
    share = sum((m.change for m in same_way), Decimal(0)) / total.change * 100
    # Above 100 % others went the other way, and a share of the change would be no share of anything.
    much = f"{percent(share, 0)} of the change" if share <= 100 else "others made up for some of it"
    text = f"What mattered most ({much}): {'; '.join(_driver(m) for m in same_way)}."
    return f"{text} Against it went {_driver(against[0])}." if against else text


def _driver(m: Movement) -> str:
    feature, *model = m.names
    effect = m.main_effect
    return (
        f"{named(feature, 'feature')} on {label(model)}: {signed_dollars(m.change)}, of which "
        f"{signed_dollars(getattr(m, effect))} {effect}"
    )


def _customers_text(movements: list[Movement]) -> str:
    moved = [m for m in movements if m.change][:3]
    if len(movements) < 2 or not moved:
        return ""
    return f"Customers that moved most: {listing([f'{label(m.names)} ({signed_dollars(m.change)})' for m in moved])}."


def _unpriced_text(change: CostChange, total: Movement) -> str:
    whole = total.previous + total.current
    if not change.unpriced or not whole:
        return ""
    share = Decimal(change.unpriced).scaleb(-9) / whole * 100
    return (
        f" For {percent(share)} of the cost the catalogue has no price to tell tokens and prices apart: there, volume "
        "is valued at the logged cost per call, and the rest of the change is mix."
    )


def _waterfall(total: Movement, comparison: Comparison, groups: Mapping[tuple[str, ...], list[Movement]]) -> Chart:
    steps = ("previous", *EFFECTS, "current")
    return Chart(
        id="change-waterfall",
        kind="waterfall",
        title="What moved cost between the two spans?",
        takeaway=change_text(total, comparison),
        description=f"From {dollars(total.previous)} before, through "
        + listing([f"{e} {signed_dollars(getattr(total, e))}" for e in EFFECTS])
        + f", to {dollars(total.current)}.",
        x={"label": "Step"},
        y={"label": "Cost", "unit": "usd"},
        categories=(str(comparison.previous), *(e.capitalize() for e in EFFECTS), str(comparison.current)),
        series=({"name": "Cost", "values": [getattr(total, step) for step in steps]},),
        breakdowns=[
            Breakdown(
                by=grouping,
                rows=[(i, *m.names, getattr(m, step)) for m in groups[grouping] for i, step in enumerate(steps)],
            )
            for grouping in (("provider", "model"), ("customer_id",))
        ],
    )


def _table(grouping: tuple[str, ...], movements: list[Movement]) -> Table:
    names = listing([LABELS[g].lower() for g in grouping if g != "provider" or len(grouping) == 1])
    money = ("previous", "current", "change", *EFFECTS)
    return Table.of(
        "change-by-" + "-".join(LABELS[g].lower() for g in grouping),
        f"Change by {names}",
        [
            *dimension_columns(grouping),
            *(Column(name=m, label=m.capitalize(), unit="usd", role="measure") for m in money),
            Column(name="from_calls", label="Volume by number of calls", unit="usd"),
            Column(name="previous_calls", label="Calls before", unit="count", role="measure"),
            Column(name="current_calls", label="Calls now", unit="count", role="measure"),
        ],
        [
            (*m.names, *(getattr(m, f) for f in money), m.from_calls, m.previous_calls, m.current_calls)
            for m in movements
        ],
        total=True,
        note="Volume + intensity + price + mix = change, in every row and in the total. What the number of calls does "
        "not explain of volume is calls that went to dearer or cheaper models, features or customers.",
    )


def change_findings(change: CostChange, calls: Calls, material_percent: float) -> list[Finding]:
    """What moved cost by at least ``material_percent`` of the earlier span (of the later, if that one cost nothing)."""
    total, now = change.total, change.comparison.current
    least = (total.previous or total.current) * Decimal(repr(material_percent)) / 100
    if not least:
        return []
    findings = [_total_finding(total, now)] if abs(total.change) >= least else []
    customers, drivers = change.by("customer_id"), change.by(*DRIVERS)
    if len(customers) > 1:
        moved = [m for m in customers if abs(m.change) >= least][:3]
        peaks = _peaks(calls, change.comparison, [str(m.names[0]) for m in moved])
        findings += [_customer_finding(i, m, now, peaks[str(m.names[0])]) for i, m in enumerate(moved, 1)]
    if len(drivers) > 1:
        moved = [m for m in drivers if abs(m.change) >= least][:3]
        findings += [_driver_finding(i, m, now) for i, m in enumerate(moved, 1)]
    return findings


def _total_finding(total: Movement, now: Period) -> Finding:
    rose = total.change > 0
    return Finding(
        id="cost-moved",
        title=f"Spend {'rose' if rose else 'fell'} by {dollars(abs(total.change))}{relative(total)}, {because(total)}.",
        who="all calls",
        usd_per_month=_at_stake(total, now),
        confidence=_confidence(total),
        why_sure=f"{_counted(total)}{'; a month is 30 days like the later span' if rose else ''}.",
        action=_advice(total, "the customers and features that grew")
        if rose
        else "See which customers and features went down before planning with the lower level.",
        section="change",
        severity="warning" if rose else "info",
    )


def _customer_finding(i: int, m: Movement, now: Period, peak_percent: float) -> Finding:
    who = label(m.names)
    rose = m.change > 0
    burst = peak_percent >= 50
    span = "later" if rose else "earlier"
    if burst:
        action = f"Find out what {who} did on those days; plan with the level outside of them."
    elif rose:
        action = _advice(m, who)
    else:
        action = f"Ask whether {who} is leaving: cost that falls can be revenue that falls."
    return Finding(
        id=f"customer-moved-{i}",
        title=f"Customer {who} cost {dollars(abs(m.change))} {'more' if rose else 'less'}{relative(m)}, "
        f"{because(m, ('customer_id',))}.",
        who=who,
        usd_per_month=_at_stake(m, now),
        confidence="low" if burst else _confidence(m),
        why_sure=f"{_counted(m)}; {percent(peak_percent, 0)} of its cost in the {span} span fell on {PEAK_DAYS} days"
        + (", a burst rather than a level." if burst else "."),
        action=action,
        section="change",
        severity="warning" if rose else "info",
    )


def _driver_finding(i: int, m: Movement, now: Period) -> Finding:
    feature, *model = m.names
    who = f"{named(feature, 'feature')} on {label(model)}"
    rose = m.change > 0
    return Finding(
        id=f"driver-{i}",
        title=f"{who} cost {dollars(abs(m.change))} {'more' if rose else 'less'}{relative(m)}, {because(m, DRIVERS)}.",
        who=who,
        usd_per_month=_at_stake(m, now),
        confidence=_confidence(m),
        why_sure=f"{_counted(m)}.",
        action=_advice(m, who) if rose else "Nothing to do if it was intended; else see where its calls went.",
        section="change",
        severity="warning" if rose else "info",
    )


def because(m: Movement, grouping: tuple[str, ...] = ()) -> str:
    """What did most of a change, in words, with its dollars.

    Args:
        m: The movement of a group.
        grouping: What it is a group of; nothing is all calls.
    """
    cause, amount = _main_cause(m)
    return f"mainly because of {_words(cause, amount, grouping)} ({signed_dollars(amount)})"


def _main_cause(m: Movement) -> tuple[str, Decimal]:
    """What did most in the direction of the change, and its dollars."""
    causes = {"calls": m.from_calls, "shift": m.shift, "intensity": m.intensity, "price": m.price, "mix": m.mix}
    return max(causes.items(), key=lambda item: item[1] if m.change >= 0 else -item[1])


def _words(cause: str, amount: Decimal, grouping: tuple[str, ...] = ()) -> str:
    up, down = _CAUSES[cause]
    return (up if amount > 0 else down).format(**_DESTINATIONS[grouping])


def _advice(m: Movement, who: str) -> str:
    cause, _ = _main_cause(m)
    return _ADVICE[cause].format(who=who)


def _at_stake(m: Movement, now: Period) -> Decimal | None:
    """What a rise costs in a month; a fall puts nothing at stake."""
    return now.per_month(m.change) if m.change > 0 else None


def _counted(m: Movement) -> str:
    return f"Logged cost of {count(m.current_calls)} calls against {count(m.previous_calls)}"


def _confidence(m: Movement) -> str:
    """How far logged cost can be read as a level: by how many calls stand on both sides."""
    fewer = min(m.previous_calls, m.current_calls)
    return "high" if fewer >= 100 else "medium" if m.previous_calls + m.current_calls >= 100 else "low"


def _peaks(calls: Calls, comparison: Comparison, customers: list[str]) -> dict[str, float]:
    """For each customer, what percentage of the dearer span's cost fell on its dearest days."""
    if not customers:
        return {}
    days: dict[str, tuple[list[Decimal], list[Decimal]]] = {customer: ([], []) for customer in customers}
    wanted = calls.customer_days.filter(pc.is_in(calls.customer_days["customer_id"], pa.array(customers)))
    for row in wanted.to_pylist():
        if comparison.previous.first <= row["day"] <= comparison.current.last:
            days[row["customer_id"]][row["day"] >= comparison.current.first].append(row["cost"])
    peaks = {}
    for customer, spans in days.items():
        dearer = max(spans, key=lambda costs: sum(costs, Decimal(0)))
        peaks[customer] = float(sum(sorted(dearer)[-PEAK_DAYS:], Decimal(0)) / sum(dearer, Decimal(0)) * 100)
    return peaks
