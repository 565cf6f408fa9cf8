"""Why cost moved, in words and as a section: what happened, to whom, and through which effect."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from finops_core import (
    Breakdown,
    Calls,
    Chart,
    Column,
    Comparison,
    Section,
    Table,
    count,
    dollars,
    listing,
    percent,
    signed_dollars,
)
from finops_plugin_domains.understanding.breakdown import LABELS, dimension_columns, label, named
from finops_plugin_domains.understanding.cost_change import DRIVERS, EFFECTS, GROUPINGS, CostChange, Movement

WORTH_NAMING = Decimal("0.05")
"""What went against a change is named from this share of its main cause, or of what moved most with it, on."""

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


def change_section(change: CostChange) -> Section:
    """The split of the change into volume, intensity, price and mix, in all and by every dimension of the leaf."""
    total, comparison, groups = change.total, change.comparison, change.groups
    return Section(
        id="change",
        title="Why did cost move?",
        text=" ".join(
            (
                change_text(total, comparison),
                _effects_text(total),
                *_movers_texts(groups, total),
            )
        ).strip()
        + _unpriced_text(change, total),
        blocks=(_waterfall(total, comparison, groups), *(_table(g, groups[g]) for g in GROUPINGS)),
    )


def change_text(total: Movement, comparison: Comparison) -> str:
    """How much cost moved, in one sentence."""
    now, before = comparison.current, comparison.previous
    if not total.change:
        spans = f"({before} and {now})"
        if not total.current:
            return f"By the log, nothing was spent in either span {spans}."
        return f"Cost did not move: it was {dollars(total.current)} in both spans {spans}."
    verb = "rose" if total.change > 0 else "fell"
    return (
        f"Cost {verb} by {dollars(abs(total.change))}{_relative(total)} from {dollars(total.previous)} ({before}) to "
        f"{dollars(total.current)} ({now})."
    )


def _relative(movement: Movement) -> str:
    """The change as a share of what was there before, in brackets; nothing beyond three times as much."""
    if movement.change > 2 * movement.previous:
        return ""
    return f" ({percent(abs(movement.change) / movement.previous * 100)})"


def span_words(calls: Calls, comparison: Comparison) -> tuple[str, str]:
    """The later and the earlier span in a sentence: ``in the last 14 days`` and ``in the 14 days before``."""
    now, before = comparison.current, comparison.previous
    if now.days == 1:
        return f"on {now}", f"on {before}"
    ends_the_log = calls.log_period is not None and now.last == calls.log_period.last
    later = f"the last {now.days} days" if ends_the_log else f"the {now.days} days to {now.last}"
    return f"in {later}", f"in the {before.days} days before"


def compared(m: Movement, before: str) -> str:
    """How much more or less something cost than before, as it follows its cost in a sentence.

    Args:
        m: The movement.
        before: The earlier span, of :func:`span_words`.
    """
    if not m.change:
        return f"as much as {before}"
    if m.change > 2 * m.previous:
        return f"up from {dollars(m.previous) if m.previous else 'nothing'} {before}"
    return f"{dollars(abs(m.change))}{_relative(m)} {'more' if m.change > 0 else 'less'} than {before}"


def because(m: Movement, grouping: tuple[str, ...] = ()) -> str:
    """What did most of a change and what went against it, in words, with their dollars.

    Args:
        m: The movement of a group.
        grouping: What it is a group of; nothing is all calls.
    """
    cause, amount = main_cause(m)
    text = f"mainly because {_did(cause, amount, grouping)}"
    other, against = min(m.causes.items(), key=lambda item: item[1] / amount)
    return f"{text}, while {_did(other, against, grouping)}" if -against / amount >= WORTH_NAMING else text


def main_cause(m: Movement) -> tuple[str, Decimal]:
    """What did most in the direction of the change, and its dollars."""
    return max(m.causes.items(), key=lambda item: item[1] if m.change >= 0 else -item[1])


def _did(cause: str, amount: Decimal, grouping: tuple[str, ...]) -> str:
    return f"{_words(cause, amount, grouping)} {'added' if amount > 0 else 'took off'} {dollars(abs(amount))}"


def _words(cause: str, amount: Decimal, grouping: tuple[str, ...] = ()) -> str:
    up, down = _CAUSES[cause]
    return (up if amount > 0 else down).format(**_DESTINATIONS[grouping])


def _effects_text(total: Movement) -> str:
    if not any(getattr(total, effect) for effect in EFFECTS):
        return "" if not total.current else "Neither calls, tokens per call nor prices moved it."
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


def _movers_texts(groups: Mapping[tuple[str, ...], list[Movement]], total: Movement) -> list[str]:
    """Which customers, and which features on which models, moved most; first the kind with the largest change."""
    customers, drivers = groups["customer_id",], groups[DRIVERS]
    texts = [_customers_text(customers), _drivers_text(drivers, total)]
    if abs(drivers[0].change) > abs(customers[0].change):
        texts.reverse()
    return [text for text in texts if text]


def _customers_text(movements: list[Movement]) -> str:
    moved = [f"{label(m.names)} ({signed_dollars(m.change)})" for m in movements if m.change][:3]
    return f"Customers that moved most: {listing(moved)}." if len(movements) > 1 and moved else ""


def _drivers_text(movements: list[Movement], total: Movement) -> str:
    same_way = [m for m in movements if m.change * total.change > 0][:3]
    against = [m for m in movements if m.change * total.change < 0][:1]
    if not same_way:
        return ""
    share = sum((m.change for m in same_way), Decimal(0)) / total.change * 100
    # Above 100 % others went the other way, and a share of the change would be no share of anything.
    much = f"{percent(share, 0)} of the change" if share <= 100 else "others made up for some of it"
    text = f"By feature and model, what moved most ({much}): {'; '.join(_driver(m) for m in same_way)}."
    if not against or -against[0].change / same_way[0].change < WORTH_NAMING:
        return text
    return f"{text} Against it went {_driver(against[0])}."


def _driver(m: Movement) -> str:
    feature, *model = m.names
    # What did less than a hundredth of the change stays in the table.
    effects = {e: getattr(m, e) for e in EFFECTS if abs(getattr(m, e)) * 100 >= abs(m.change)}
    parts = ", ".join(f"{effect} {signed_dollars(amount)}" for effect, amount in effects.items())
    return (
        f"{named(feature, 'feature')} on {label(model)} ({signed_dollars(m.change)}"
        f"{f': {parts}' if len(effects) > 1 else f', all {next(iter(effects))}'})"
    )


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
