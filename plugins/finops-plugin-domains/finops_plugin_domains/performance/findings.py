"""How calls were served as findings: who should do what."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from finops_core import Finding, Period, Settings, begin, count, dollars, percent, plural, some_of
from finops_plugin_domains.performance.failing import ERROR_SIGMA, failing, others_percent
from finops_plugin_domains.performance.frontier import Beaten, has_rivals, slowness
from finops_plugin_domains.service import MODEL, Service, Services, duration, how_long
from finops_plugin_domains.understanding.breakdown import label, named

MOST_FINDINGS = 3
"""Of one kind; the tables hold the rest."""

ONLY_JUDGED = "the only call that can be judged"


def sla_findings(services: Services, settings: Settings, min_calls: int) -> list[Finding]:
    """The service level, where it is missed; a warning only where ``[sla]`` promises one."""
    (total,) = services[()]
    sla = settings.sla
    if total.sla_percent is None or total.sla_percent >= sla.target_percent:
        return []
    worst = max(services[MODEL], key=lambda s: (s.missed, str(s.names)))
    promised = bool(sla.model_fields_set)
    level = f"the {'' if promised else 'default '}service level of {duration(sla.latency_ms)}"
    why = f"{begin(some_of(total.missed, total.judged, 'call'))} failed or took longer"
    share = "all" if worst.missed == total.missed else f"{percent(worst.missed / total.missed * 100, 0)} of the"
    return [
        Finding(
            id="sla-missed",
            title=f"{begin(ONLY_JUDGED)}, to {label(worst.names)}, missed {level}."
            if total.judged == 1
            else f"{percent(total.sla_percent)} of calls kept {level}, the target is "
            f"{percent(sla.target_percent)}; {share} misses are calls to {label(worst.names)}.",
            who=label(worst.names),
            confidence="high" if promised and total.judged >= min_calls else "low",
            why_sure=f"{why}. What missed it cost {dollars(total.missed_cost)} in the period; what late or missing "
            "answers cost your users is not in the log."
            if promised
            else f"{why}. No [sla] is set in finops.toml, so the limit is a default and nobody's promise.",
            action="Move the tasks that miss it most to a faster model, or shorten their answers."
            if promised
            else "Set latency_ms and target_percent under [sla] in finops.toml to what users need.",
            section="sla",
            severity="warning" if promised else "info",
        )
    ]


def slow_findings(services: Services, min_calls: int, slow_factor: float) -> list[Finding]:
    """One finding for each of the slowest models, from so many times the others' latency at the same tasks on."""
    slow = [(s, f) for s, f in slowness(services, min_calls) if f >= slow_factor]
    return [
        Finding(
            id=f"slow-{i}",
            title=f"{label(s.names)} takes {factor:.1f} times as long as other models at the same tasks: "
            f"{how_long(s, 'its calls')}.",
            who=label(s.names),
            confidence="high",
            why_sure=f"Median latency of {plural(s.timed, 'call')}, task by task. The model cost "
            f"{dollars(s.cost)} in the period; what waiting for it costs is not in the log.",
            action=f"Use {label(s.names)} where nobody waits for the answer, and a faster model where somebody does.",
            section="speed",
            severity="warning",
        )
        for i, (s, factor) in enumerate(slow[:MOST_FINDINGS], 1)
    ]


def failing_findings(services: Services, period: Period, min_calls: int, *, counted: bool) -> list[Finding]:
    """One finding for each of the models that fail more often than the others.

    Args:
        services: Service by :data:`MODEL`, and of all calls.
        period: What they cover.
        min_calls: Fewest calls of a model that is judged.
        counted: Whether another finding has what all failed calls cost, so that these have no amount of their own.
    """
    (total,) = services[()]
    return [
        Finding(
            id=f"failing-{i}",
            title=f"{percent(s.error_percent)} of the calls to {label(s.names)} fail, against "
            f"{percent(others_percent(s, total))} of all other calls.",
            who=label(s.names),
            usd_per_month=None if counted else period.per_month(s.failed_cost),
            confidence="high",
            why_sure=f"{plural(s.failed, 'failed call')} of {count(s.calls)}, more than {ERROR_SIGMA:g} standard "
            f"deviations above the others; they cost {dollars(s.failed_cost)} in the period.",
            action=f"Look at the status of the failed calls to {label(s.names)}, and retry or route them elsewhere.",
            section="errors",
            severity="warning",
        )
        for i, s in enumerate(failing(services, min_calls)[:MOST_FINDINGS], 1)
    ]


def failed_cost_findings(total: Service, period: Period, least_percent: float) -> list[Finding]:
    """What all failed calls cost, from such a share of all cost on."""
    if not total.failed_cost or total.failed_cost / total.cost * 100 < Decimal(repr(least_percent)):
        return []
    return [
        Finding(
            id="failed-cost",
            title=f"{plural(total.failed, 'failed call')} cost {dollars(total.failed_cost)}, "
            f"{percent(total.failed_cost / total.cost * 100)} of all cost.",
            who="all models",
            usd_per_month=period.per_month(total.failed_cost),
            confidence="high",
            why_sure="Logged cost of calls whose status is not success.",
            action="Find out which errors are charged, shorten timeouts, and do not retry what cannot succeed.",
            section="errors",
            severity="warning",
        )
    ]


def beaten_findings(losses: Sequence[Beaten]) -> list[Finding]:
    """One finding for each of the dearest beaten models, on the task where it costs most."""
    by_model: dict[str, list[Beaten]] = {}
    for loss in losses:
        by_model.setdefault(label(loss.loser.names[1:]), []).append(loss)
    spent = {model: sum((loss.loser.cost for loss in tasks), Decimal(0)) for model, tasks in by_model.items()}
    findings = []
    for i, model in enumerate(sorted(by_model, key=lambda m: (-spent[m], m))[:MOST_FINDINGS], 1):
        tasks = by_model[model]
        worst = max(tasks, key=lambda b: (b.loser.cost, str(b.task)))
        winner = label(worst.winner.names[1:])
        findings.append(
            Finding(
                id=f"beaten-{i}",
                title=f"{model} is beaten on cost and speed at {plural(len(tasks), 'task')}, where it costs "
                f"{dollars(spent[model])} in the period; at {named(worst.task, 'task')}, {winner} "
                f"takes {duration(worst.winner.p50 or 0)} instead of {duration(worst.loser.p50 or 0)} and costs "
                f"{dollars(worst.winner.cost_per_1k_tokens or 0)} instead of "
                f"{dollars(worst.loser.cost_per_1k_tokens or 0)} for 1k tokens.",
                who=model,
                confidence="low",
                why_sure=f"Speed and cost are measured on {plural(worst.loser.timed, 'call')} and "
                f"{count(worst.winner.timed)}; how good the answers are is not in the log. Of the models that are "
                f"both faster and cheaper there, {winner} is the nearest in price. Optimization looks for the "
                "cheapest within its limits, which may be another one, and computes the saving call by call.",
                action=f"Compare the answers of {winner} at {named(worst.task, 'task')}, the smallest step in "
                "price, before moving calls.",
                section="frontier",
            )
        )
    return findings


def nothing_unusual(services: Services, min_calls: int) -> Finding:
    """The finding where there is none: what was checked, or why nothing can be judged."""
    (total,) = services[()]
    if total.timed < min_calls:
        known = plural(total.timed, "successful call") if total.timed else "no successful call"
        return Finding(
            id="nothing-unusual",
            title=f"Too little to judge: {known} with a known latency, and a model is judged from "
            f"{count(min_calls)} on.",
            confidence="low",
            why_sure=f"The period has {plural(total.calls, 'call')} in all.",
            action="Log latency_ms, or look at a longer period.",
            section="speed",
        )
    if not has_rivals(services, min_calls):
        return Finding(
            id="nothing-unusual",
            title="Nothing unusual, but no model can be compared with another: no two have "
            f"{plural(min_calls, 'call')} of the same task.",
            confidence="low",
            why_sure=f"Checked on {plural(total.calls, 'call')}: the service level, and what failed calls cost.",
            action="Nothing to do until two models serve the same task.",
            section="speed",
        )
    return Finding(
        id="nothing-unusual",
        title="Nothing unusual: no model is slow, fails more often than the others or is beaten on cost and speed.",
        confidence="high",
        why_sure=f"Checked on {plural(total.calls, 'call')}: service level, latency and failures by model and task. A "
        f"model counts as failing more often only beyond {ERROR_SIGMA:g} standard deviations.",
        action="Nothing to do.",
        section="speed",
        severity="good",
    )
