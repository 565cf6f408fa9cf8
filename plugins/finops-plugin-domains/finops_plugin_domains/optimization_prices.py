"""Sections of the optimization report on what was paid: failed calls, and the catalogue against the log."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

from finops_core import Calls, Column, Section, Table, dollars, listing, plural
from finops_plugin_domains.potential import Potential
from finops_plugin_domains.repricing import dollars_of, scaled


def failed(calls: Calls) -> Section:
    """What failed calls cost."""
    rows = calls.sql(
        """
        SELECT status, provider, model, count(*) AS calls, count(*) FILTER (WHERE cost_usd > 0) AS billed,
            sum(cost_usd) AS cost
        FROM calls WHERE status <> 'success'
        GROUP BY status, provider, model
        ORDER BY cost DESC, calls DESC, status, provider, model
        """
    )
    n, billed = sum(rows["calls"].to_pylist()), sum(rows["billed"].to_pylist())
    cost = sum(rows["cost"].to_pylist(), Decimal(0))
    if not n:
        return Section(id="failed", title="Failed calls that were billed", text="No call of the period failed.")
    return Section(
        id="failed",
        title="Failed calls that were billed",
        text=f"{plural(n, 'call')} failed; {plural(billed, 'of them was', 'of them were')} billed, for "
        f"{dollars(cost)}. How much of it can be avoided the log does not say: none of it is counted at the cautious "
        "end, all of it at the hopeful one.",
        blocks=(
            Table.of(
                "failed-table",
                "Failed calls by status and model",
                (
                    Column(name="status", label="Status", role="dimension", dimension="status"),
                    Column(name="provider", label="Provider", role="dimension", dimension="provider"),
                    Column(name="model", label="Model", role="dimension", dimension="model"),
                    Column(name="calls", label="Failed", unit="count", role="measure"),
                    Column(name="billed", label="Of them billed", unit="count", role="measure"),
                    Column(name="cost", label="Cost", unit="usd", role="measure"),
                ),
                rows,
                total=True,
            ),
        ),
    )


def prices(calls: Calls, potential: Potential) -> Section:
    """How the catalogue's prices agree with the log, model by model."""
    matches = potential.survey.matches
    rows = []
    for row in calls.rows(
        "SELECT provider, model, count(*) AS calls, sum(cost_usd) AS cost FROM calls GROUP BY provider, model "
        "ORDER BY cost DESC, provider, model"
    ):
        match = matches.get((row["provider"], row["model"]))
        rows.append(
            (
                row["provider"],
                row["model"],
                row["calls"],
                row["cost"],
                None if match is None else dollars_of(match.catalogue),
                None if match is None else match.near_percent,
                None if match is None else float(potential.survey.factors[row["provider"]]),
            )
        )
    unpriced = unpriced_text(calls)
    return Section(
        id="prices",
        title="Prices: the catalogue against the log",
        text=" ".join(filter(None, (scaling_text(potential), unpriced, history_text(calls)))),
        blocks=(
            Table.of(
                "prices-table",
                "Logged and catalogue cost by model",
                (
                    Column(name="provider", label="Provider", role="dimension", dimension="provider"),
                    Column(name="model", label="Model", role="dimension", dimension="model"),
                    Column(name="calls", label="Calls", unit="count", role="measure"),
                    Column(name="logged", label="Logged cost", unit="usd", role="measure"),
                    Column(name="catalogue", label="Catalogue cost", unit="usd"),
                    Column(name="near", label="Calls within 1 %", unit="percent"),
                    Column(name="factor", label="Savings scaled by", unit="ratio"),
                ),
                rows,
                total=True,
                note="An empty cell: the model has no price in the catalogue, or no billed call.",
            ),
        ),
    )


def scaling_text(potential: Potential) -> str:
    """Which providers' savings are scaled to the logged prices, and by how much."""
    scaling = {p: f for p, f in sorted(potential.survey.factors.items()) if f != 1}
    if not potential.survey.matches:
        return "No billed call has a catalogue price."
    if not scaling:
        return "At least 95 % of each provider's calls are logged within 1 % of the catalogue, so no saving is scaled."
    parts = [f"{provider} by {_decimals(factor)}" for provider, factor in scaling.items()]
    return (
        f"Under 95 % of the calls are logged within 1 % of the catalogue for {listing(list(scaling))}, so savings "
        f"there are scaled by logged / catalogue: {listing(parts)}."
    )


def unpriced_text(calls: Calls) -> str:
    """Which models have no price."""
    found = [
        row
        for row in calls.rows(
            "SELECT provider, model, count(*) AS calls, sum(cost_usd) AS cost FROM calls GROUP BY provider, model "
            "ORDER BY cost DESC, provider, model"
        )
        if not calls.catalog.knows(row["provider"], row["model"])
    ]
    if not found:
        return ""
    names = listing([f"{row['model']} ({row['provider']}, {dollars(row['cost'])})" for row in found])
    return f"Without a catalogue price, and left out of switches and caching: {names}."


def history_text(calls: Calls) -> str:
    """What the catalogue knows of prices over time: undated prices, and calls before its first change."""
    early, undated, dated = [], 0, 0
    for row in calls.rows(
        "SELECT provider, model, min(timestamp) AS first FROM calls GROUP BY provider, model ORDER BY provider, model"
    ):
        if not calls.catalog.knows(row["provider"], row["model"]):
            continue
        changes = calls.catalog.changes(row["provider"], row["model"])
        dated += bool(changes)
        undated += not changes
        if changes and row["first"].date() < changes[0]:
            early.append(f"{row['model']} ({row['provider']}, before {changes[0]})")
    texts = []
    if undated:
        texts.append(
            f"The catalogue has one price, without dates, for {undated} of {plural(undated + dated, 'model')}."
        )
    if early:
        texts.append(f"Calls before its history are priced at the earliest price it has: {listing(early)}.")
    return " ".join(texts)


def _decimals(factor: Fraction) -> str:
    return f"{scaled(Decimal(1), factor):.4f}"
