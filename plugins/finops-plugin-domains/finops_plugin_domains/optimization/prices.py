"""Sections of the optimization report on what was paid: failed calls, and the catalogue against the log."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction

from finops_core import Catalog, Column, Section, Table, dollars, listing, plural
from finops_plugin_domains.optimization.evidence import Evidence
from finops_plugin_domains.optimization.potential import Potential
from finops_plugin_domains.optimization.repricing import dollars_of, scaled
from finops_plugin_domains.service import Failures


def failed(found: Sequence[Failures]) -> Section:
    """What failed calls cost."""
    n, billed = sum(f.calls for f in found), sum(f.billed for f in found)
    cost = sum((f.cost for f in found), Decimal(0))
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
                [(f.status, f.provider, f.model, f.calls, f.billed, f.cost) for f in found],
                total=True,
            ),
        ),
    )


def prices(catalog: Catalog, potential: Potential, evidence: Evidence) -> Section:
    """How the catalogue's prices agree with the log, model by model."""
    rows = []
    for model, use in evidence.models.items():
        match = potential.survey.matches.get(model)
        rows.append(
            (
                *model,
                use.calls,
                use.cost,
                None if match is None else dollars_of(match.catalogue),
                None if match is None else match.near_percent,
                None if match is None else float(potential.survey.factors[model]),
            )
        )
    texts = (scaling_text(potential), unpriced_text(catalog, evidence), history_text(catalog, evidence))
    return Section(
        id="prices",
        title="Prices: the catalogue against the log",
        text=" ".join(filter(None, texts)),
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
    """Which models' savings are scaled to the logged prices, and by how much."""
    scaling = [
        f"{model} ({provider}) by {_decimals(factor)}"
        for (provider, model), factor in sorted(potential.survey.factors.items())
        if factor != 1
    ]
    if not potential.survey.matches:
        return "No billed call has a catalogue price."
    if not scaling:
        return "At least 95 % of each model's calls are logged within 1 % of the catalogue, so no saving is scaled."
    return (
        "Where under 95 % of a model's calls are logged within 1 % of the catalogue, its savings are scaled by "
        f"logged / catalogue: {listing(scaling)}."
    )


def unpriced_text(catalog: Catalog, evidence: Evidence) -> str:
    """Which models have no price."""
    names = [
        f"{model} ({provider}, {dollars(use.cost)})"
        for (provider, model), use in evidence.models.items()
        if not catalog.knows(provider, model)
    ]
    return f"Without a catalogue price, and left out of switches and caching: {listing(names)}." if names else ""


def history_text(catalog: Catalog, evidence: Evidence) -> str:
    """What the catalogue knows of prices over time: undated prices, and calls before its first change."""
    early, undated, dated = [], 0, 0
    for (provider, model), use in sorted(evidence.models.items()):
        if not catalog.knows(provider, model):
            continue
        changes = catalog.changes(provider, model)
        dated += bool(changes)
        undated += not changes
        if changes and use.first.date() < changes[0]:
            early.append(f"{model} ({provider}, before {changes[0]})")
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
