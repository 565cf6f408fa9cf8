"""Sections of the optimization report on what was paid: failed calls, and the catalogue against the log."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal

from finops_core import Catalog, Column, Section, Table, dollars, listing, plural
from finops_plugin_domains.optimization.evidence import Evidence, Model
from finops_plugin_domains.optimization.phrases import scaled_by
from finops_plugin_domains.optimization.potential import Potential
from finops_plugin_domains.optimization.questions import ALL, parted
from finops_plugin_domains.optimization.repricing import dollars_of
from finops_plugin_domains.service import Failures


def failed(found: Sequence[Failures]) -> Section:
    """What failed calls cost."""
    n, billed = sum(f.calls for f in found), sum(f.billed for f in found)
    cost = sum((f.cost for f in found), Decimal(0))
    if not n:
        return Section(id="failed", title="Failed calls that were billed", text="No call of the period failed.")
    text = f"{plural(n, 'call')} failed; none of them was billed."
    if billed:
        text = (
            f"{plural(n, 'call')} failed; {plural(billed, 'of them was', 'of them were')} billed, for {dollars(cost)}. "
            "How much of it can be avoided the log does not say: none of it is counted at the cautious end, all of it "
            "at the hopeful one."
        )
    return Section(
        id="failed",
        title="Failed calls that were billed",
        text=text,
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


def prices(catalog: Catalog, potential: Potential, evidence: Evidence, history: str) -> Section:
    """How the catalogue's prices agree with the log, model by model; ``history`` is what it knows of dates."""
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
    texts = (scaling_text(potential), unpriced_text(catalog, evidence), history)
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
    matches = potential.survey.matches
    if not matches:
        return "No billed call has a catalogue price."
    if not any(match.logged for match in matches.values()):
        return "No billed call is logged with a cost, so no saving can be told in dollars of the log."
    return scaled_text(potential) or (
        "At least 95 % of each model's calls are logged within 1 % of the catalogue, so no saving is scaled."
    )


def scaled_text(potential: Potential) -> str:
    """The same where savings are scaled; empty where none is."""
    scaled = scaled_by(potential.survey.factors)
    if not scaled or not any(match.logged for match in potential.survey.matches.values()):
        return ""
    return (
        "Where under 95 % of a model's calls are logged within 1 % of the catalogue, its savings are scaled by "
        f"logged / catalogue: {scaled}."
    )


def unpriced_text(catalog: Catalog, evidence: Evidence) -> str:
    """Which models have no price."""
    names = [
        f"{model} ({provider}, {dollars(use.cost)})"
        for (provider, model), use in evidence.models.items()
        if not catalog.knows(provider, model)
    ]
    return f"Without a catalogue price, and left out of switches and caching: {listing(names)}." if names else ""


def first_priced(potential: Potential, evidence: Evidence, what_if: Mapping[str, str]) -> dict[Model, datetime]:
    """The first call that is priced on each model: its own, one that a switch moves to it, or one asked about."""
    used = [(model, service.first) for model, service in evidence.models.items()]
    used += [(model, evidence.records[use].first) for use, model, _ in potential.switches]
    used += [
        (parted(target), record.first)
        for asked, target in what_if.items()
        for (task, *_), record in evidence.records.items()
        if asked in (ALL, task)
    ]
    first: dict[Model, datetime] = {}
    for model, moment in used:
        first[model] = min(moment, first.get(model, moment))
    return first


def history_text(catalog: Catalog, first: Mapping[Model, datetime]) -> str:
    """What the catalogue knows of prices over time: single prices, prices by time of day, calls before its history.

    Args:
        catalog: Prices.
        first: The first call that is priced on each model.
    """
    known = [model for model in sorted(first) if catalog.knows(*model)]
    fixed = sum(not catalog.changes(*model) and not catalog.daily_changes(*model) for model in known)
    daily, early = [], []
    for provider, model in known:
        changes, times_of_day = catalog.changes(provider, model), catalog.daily_changes(provider, model)
        if times_of_day:
            at = listing([f"{moment:%H:%M}" for moment in times_of_day])
            daily.append(f"The price of {model} ({provider}) changes at {at} UTC each day.")
        if changes and first[provider, model].date() < changes[0]:
            early.append(f"{model} ({provider}) before {changes[0]}")
    texts = []
    if fixed == len(known) > 0:
        texts.append("The catalogue has a single price for all dates of each model priced here.")
    elif fixed:
        texts.append(
            f"The catalogue has a single price for all dates of {fixed} of the {len(known)} models priced here."
        )
    texts += daily
    if early:
        texts.append(f"Calls before the catalogue's history are priced at the earliest price it has: {listing(early)}.")
    return " ".join(texts)
