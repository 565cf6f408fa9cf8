"""The charts and tables of the performance report."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from decimal import Decimal

from finops_core import (
    Axis,
    Breakdown,
    Chart,
    Column,
    Point,
    Section,
    Series,
    Settings,
    Table,
    are,
    begin,
    dollars,
    listing,
    percent,
    plural,
    some_of,
)
from finops_plugin_domains.performance.failing import failing_text
from finops_plugin_domains.performance.frontier import Beaten
from finops_plugin_domains.service import (
    FEWEST_FOR_P95,
    FEWEST_FOR_P99,
    MODEL,
    Failures,
    Names,
    Service,
    Services,
    duration,
)
from finops_plugin_domains.understanding.breakdown import LABELS, MOST_BARS, dimension_columns, label

_BY = (MODEL, ("provider",), ("task_type",))


def speed_section(services: Services, candidates: Sequence[Service], min_calls: int) -> Section:
    """Latency, speed, failures and cost by model, provider and task.

    Args:
        services: By all groups.
        candidates: The models with enough calls to be called the fastest or the slowest.
        min_calls: How many calls that takes.
    """
    (total,) = services[()]
    timed = sorted((s for s in services[MODEL] if s.timed), key=lambda s: (-s.timed, str(s.names)))[:MOST_BARS]
    timed.sort(key=speed)
    tables = tuple(_table(group, services[group]) for group in _BY)
    if not timed:
        return Section(
            id="speed",
            title="How fast are the models?",
            text="No successful call has a known latency, so speed is unknown.",
            blocks=tables,
        )
    text = f"{_latency_text(total)}.{_extremes_text(candidates, len(timed), min_calls)}"
    chart = Chart(
        id="latency-by-model",
        kind="bar",
        title="How long do models take?",
        takeaway=text,
        description=f"Median and 95th percentile of the latency of {plural(len(timed), 'model')}, fastest first; a "
        f"model with fewer than {FEWEST_FOR_P95} timed calls has no 95th percentile.",
        x=Axis(label="Model"),
        y=Axis(label="Latency", unit="ms"),
        categories=tuple(label(s.names) for s in timed),
        series=(
            Series(name="p50", values=tuple(s.p50 for s in timed)),
            Series(name="p95", values=tuple(s.p95 for s in timed)),
        ),
        breakdowns=(_by_model(timed, lambda s: (s.p50, s.p95)),),
    )
    return Section(id="speed", title="How fast are the models?", text=text, blocks=(chart, *tables))


def _extremes_text(candidates: Sequence[Service], shown: int, min_calls: int) -> str:
    """The fastest and the slowest model, as a sentence to append; empty where their speed is the same."""
    ranked = sorted(candidates, key=speed)
    if not ranked or ranked[0].p50 == ranked[-1].p50:
        return ""
    fast, slow = ranked[0], ranked[-1]
    of = (
        ""
        if len(ranked) >= shown
        else f"Of the {plural(len(ranked), 'model')} with {plural(min_calls, 'call')} or more, "
    )
    return (
        f" {of}{label(fast.names)} answers fastest (median {duration(fast.p50 or 0)}), {label(slow.names)} slowest "
        f"({duration(slow.p50 or 0)})."
    )


def speed(s: Service) -> tuple[float, Decimal | float, str]:
    """What sorts timed calls of models, the fastest first; of equally fast models the cheapest."""
    cost = s.cost_per_1k_tokens
    return s.p50 or 0.0, math.inf if cost is None else cost, str(s.names)


def _latency_text(total: Service) -> str:
    """The percentiles of at least one timed call that are known."""
    if total.timed == 1:
        return f"The only successful call with a known latency took {duration(total.p50 or 0)}"
    if total.same_latency:
        return f"All {plural(total.timed, 'successful call')} with a known latency took {duration(total.p50 or 0)}"
    known = [f"p50 is {duration(total.p50 or 0)}"]
    known += [f"{name} {duration(ms)}" for name, ms in (("p95", total.p95), ("p99", total.p99)) if ms is not None]
    return f"Over {plural(total.timed, 'successful call')}, {listing(known)}"


def _by_model(services: Sequence[Service], values: Callable[[Service], tuple[float | None, ...]]) -> Breakdown:
    """Whose bar or point each is, in a chart of models; a model has one, so that rates can be told apart."""
    return Breakdown(by=MODEL, rows=tuple((i, *s.names, *values(s)) for i, s in enumerate(services)))


def _table(group: tuple[str, ...], services: Sequence[Service]) -> Table:
    noun = LABELS[group[-1]].lower()
    return Table.of(
        f"service-by-{noun}",
        f"Speed, failures and cost by {noun}",
        [
            *dimension_columns(group),
            Column(name="calls", label="Calls", unit="count", role="measure"),
            Column(name="p50", label="p50", unit="ms"),
            Column(name="p95", label="p95", unit="ms"),
            Column(name="p99", label="p99", unit="ms"),
            Column(name="tokens_per_second", label="Output speed", unit="tokens_per_s"),
            Column(name="cost_usd", label="Cost", unit="usd", role="measure"),
            Column(name="cost_per_1k", label="Cost per 1k tokens", unit="usd"),
            Column(name="failed", label="Failed", unit="count", role="measure"),
            Column(name="error_rate", label="Error rate", unit="percent"),
            Column(name="failed_cost", label="Cost of failed calls", unit="usd", role="measure"),
        ],
        [
            (
                *s.names,
                s.calls,
                s.p50,
                s.p95,
                s.p99,
                s.tokens_per_second,
                s.cost,
                s.cost_per_1k_tokens,
                s.failed,
                s.error_percent,
                s.failed_cost,
            )
            for s in services
        ],
        total=True,
        note="Percentiles and speed are of successful calls with a known latency; p95 is shown from "
        f"{FEWEST_FOR_P95} of them on, p99 from {FEWEST_FOR_P99} on.",
    )


def frontier_section(
    candidates: Sequence[Service], frontier: set[Names], losses: Sequence[Beaten], min_calls: int
) -> Section:
    """Cost against speed, with the models that no other beats."""
    title = "Which models are worth their money?"
    if not candidates:
        return Section(
            id="frontier",
            title=title,
            text=f"No model has {plural(min_calls, 'successful call')} with a known latency and tokens, so none is "
            "compared.",
        )
    candidates = sorted(candidates, key=lambda s: str(s.names))
    best = [label(s.names) for s in candidates if s.names in frontier]
    if len(candidates) == 1:
        text = f"Only {best[0]} has {plural(min_calls, 'call')} or more: there is nothing to compare it with."
    else:
        others = len(candidates) - len(best)
        text = f"No other model is both cheaper and faster than {listing(sorted(best))}."
        if others:
            which = "; the table says at which tasks" if losses else ""
            beaten = f"{some_of(others, len(candidates), 'model')} {are(others)} beaten by one of them over all tasks"
            text += f" {begin(beaten)}{which}."
    chart = Chart(
        id="cost-against-latency",
        kind="scatter",
        title="Cost against latency: which models does no other beat?",
        takeaway=f"On the frontier: {listing(sorted(best))}.",
        description=f"Cost per 1k tokens and median latency of {plural(len(candidates), 'model')}; those that no "
        "other beats on both are highlighted.",
        x=Axis(label="Cost per 1k tokens", unit="usd"),
        y=Axis(label="Median latency", unit="ms"),
        points=tuple(
            Point(
                label=label(s.names), x=float(s.cost_per_1k_tokens or 0), y=s.p50 or 0.0, highlight=s.names in frontier
            )
            for s in candidates
        ),
        breakdowns=(_by_model(candidates, lambda _: ()),),
    )
    table = Table.of(
        "beaten-models",
        "Models beaten at a task",
        [
            *dimension_columns(("task_type", *MODEL)),
            Column(name="cost_usd", label="Cost", unit="usd", role="measure"),
            Column(name="p50", label="Median latency", unit="ms"),
            Column(name="cost_per_1k", label="Cost per 1k tokens", unit="usd"),
            Column(name="winner", label="Beaten by"),
            Column(name="winner_p50", label="Its latency", unit="ms"),
            Column(name="winner_cost_per_1k", label="Its cost per 1k tokens", unit="usd"),
        ],
        [
            (
                *b.loser.names,
                b.loser.cost,
                b.loser.p50,
                b.loser.cost_per_1k_tokens,
                label(b.winner.names[1:]),
                b.winner.p50,
                b.winner.cost_per_1k_tokens,
            )
            for b in losses
        ],
        total=True,
        note="Of the models that are both faster and cheaper there, the nearest in price; Optimization looks for the "
        "cheapest within its limits. How good the answers are is not in the log.",
    )
    return Section(id="frontier", title=title, text=text, blocks=(chart, table) if losses else (chart,))


def error_section(services: Services, failures: Sequence[Failures], min_calls: int) -> Section:
    """Which calls failed, how, and what they cost."""
    (total,) = services[()]
    title = "What fails, and what does it cost?"
    if not total.failed:
        return Section(id="errors", title=title, text="No call failed.")
    statuses: dict[str, int] = {}
    for f in failures:
        statuses[f.status] = statuses.get(f.status, 0) + f.calls
    commonest = sorted(statuses.items(), key=lambda item: (-item[1], item[0]))[:3]
    text = (
        f"{plural(total.failed, 'call')} failed, {percent(total.error_percent)} of all, and cost "
        f"{dollars(total.failed_cost)}. The commonest: {listing([f'{s} ({n:,})' for s, n in commonest])}."
    )
    failing = sorted(
        (s for s in services[MODEL] if s.failed), key=lambda s: (-s.error_percent, -s.failed, str(s.names))
    )[:MOST_BARS]
    chart = Chart(
        id="error-rate-by-model",
        kind="bar",
        title="Which models fail most often?",
        takeaway=failing_text(services, min_calls),
        description=f"Share of failed calls of {plural(len(failing), 'model')}, highest first.",
        x=Axis(label="Model"),
        y=Axis(label="Error rate", unit="percent"),
        categories=tuple(label(s.names) for s in failing),
        series=(Series(name="Error rate", values=tuple(s.error_percent for s in failing)),),
        breakdowns=(_by_model(failing, lambda s: (s.error_percent,)),),
    )
    table = Table.of(
        "failed-calls",
        "Failed calls by status and model",
        [
            Column(name="status", label="Status", role="dimension", dimension="status"),
            *dimension_columns(MODEL),
            Column(name="calls", label="Calls", unit="count", role="measure"),
            Column(name="cost_usd", label="Cost", unit="usd", role="measure"),
        ],
        [(f.status, f.provider, f.model, f.calls, f.cost) for f in failures],
        total=True,
    )
    return Section(id="errors", title=title, text=text, blocks=(chart, table))


def sla_section(services: Services, settings: Settings) -> Section:
    """How many calls kept the service level, by model and task."""
    (total,) = services[()]
    title = "Is the service level kept?"
    sla = settings.sla
    target = sla.target_percent
    rule = f"A call keeps the service level if it succeeds within {duration(sla.latency_ms)}"
    if not sla.model_fields_set:
        rule += " (the default: no [sla] is set in finops.toml)"
    if total.sla_percent is None:
        return Section(id="sla", title=title, text=f"{rule}. No call has a known latency, so it cannot be judged.")
    judged = [s for s in services[MODEL] if s.judged]
    below = [s for s in judged if (s.sla_percent or 0) < target]
    text = (
        f"{rule}: {some_of(total.on_time, total.judged, 'call')} did ({percent(total.sla_percent)}, target "
        f"{percent(target)}). {begin(some_of(len(below), len(judged), 'model'))} {are(len(below))} below the target."
    )
    shown = sorted(judged, key=lambda s: (-s.judged, str(s.names)))[:MOST_BARS]
    shown.sort(key=lambda s: (s.sla_percent, str(s.names)))
    chart = Chart(
        id="sla-by-model",
        kind="bar",
        title="Which models keep the service level?",
        takeaway=f"{label(shown[0].names)} keeps it {'least often, ' if len(shown) > 1 else ''}for "
        f"{percent(shown[0].sla_percent or 0)} of its calls.",
        description=f"Share of calls within the service level for {plural(len(shown), 'model')}, lowest first, "
        f"against the target of {percent(target)}.",
        x=Axis(label="Model"),
        y=Axis(label="Calls within the service level", unit="percent"),
        categories=tuple(label(s.names) for s in shown),
        series=(
            Series(name="Kept", values=tuple(s.sla_percent for s in shown)),
            Series(name="Target", values=(target,) * len(shown), role="reference"),
        ),
        breakdowns=(_by_model(shown, lambda s: (s.sla_percent, target)),),
    )
    tables = tuple(_sla_table(group, services[group]) for group in (MODEL, ("task_type",)))
    return Section(id="sla", title=title, text=text, blocks=(chart, *tables))


def _sla_table(group: tuple[str, ...], services: Sequence[Service]) -> Table:
    noun = LABELS[group[-1]].lower()
    return Table.of(
        f"sla-by-{noun}s",
        f"Service level by {noun}",
        [
            *dimension_columns(group),
            Column(name="judged", label="Calls judged", unit="count", role="measure"),
            Column(name="missed", label="Missed", unit="count", role="measure"),
            Column(name="kept", label="Kept", unit="percent"),
            Column(name="missed_cost", label="Cost of missed calls", unit="usd", role="measure"),
        ],
        [
            (*s.names, s.judged, s.missed, s.sla_percent, s.missed_cost)
            for s in sorted(services, key=lambda s: (-s.missed, -s.judged, str(s.names)))
            if s.judged
        ],
        total=True,
        note="Judged are failed calls, which missed it, and successful calls with a known latency.",
    )
