"""Which model gives what speed for what money, how many calls fail, and whether the service level is kept."""

from __future__ import annotations

from decimal import Decimal
from typing import ClassVar

from pydantic import Field, PositiveInt

from finops_core import (
    Analyzer,
    Calls,
    Finding,
    Metric,
    Period,
    Report,
    Settings,
    begin,
    count,
    dollars,
    extrapolated,
    hookimpl,
    percent,
    plural,
    some_of,
)
from finops_plugin_domains.performance import sections
from finops_plugin_domains.performance.failing import ERROR_SIGMA, failing, others_percent
from finops_plugin_domains.performance.frontier import Beaten, beaten, comparable, has_rivals, slowness, unbeaten
from finops_plugin_domains.performance.when import times_of, when_section
from finops_plugin_domains.service import (
    FEWEST_FOR_P95,
    FEWEST_FOR_P99,
    MODEL,
    Quality,
    Service,
    Services,
    duration,
    quality_of,
)
from finops_plugin_domains.understanding.breakdown import label, named

MOST_FINDINGS = 3
"""Of one kind; the tables hold the rest."""

ONLY_JUDGED = "the only call that can be judged"


class PerformanceAnalyzer(Analyzer):
    """Latency, speed, failures and the service level by model, provider and task, against what they cost."""

    report_name: ClassVar[str] = "finops_performance"
    title: ClassVar[str] = "Performance"
    capability: ClassVar[str] = "Usage Optimization"
    audience: ClassVar[str] = "Engineering leads, product managers, FinOps leads"
    question: ClassVar[str] = "Which model gives what speed for what money?"

    min_calls: PositiveInt = 100
    """A model is judged, alone or at a task, from so many calls with a known latency on."""
    margin_percent: float = Field(default=10, ge=0, lt=100)
    """A model is beaten at a task by one that is so much cheaper per token and so much faster, in percent."""
    slow_factor: float = Field(default=1.5, gt=1)
    """A model is slow if it takes so many times as long as the others at the same tasks."""
    failed_cost_percent: float = Field(default=1, ge=0, le=100)
    """Failed calls are a finding from this percentage of all cost on."""

    def read_ahead(self, calls: Calls) -> None:
        """How calls were served, and when."""
        quality_of(calls)
        times_of(calls)

    @hookimpl
    def analyze(self, calls: Calls) -> Report:
        """Report on how the calls of the period were served."""
        if calls.period is None or not calls.total:
            return self.empty(calls.empty_text)
        quality = quality_of(calls)
        services = quality.services
        (total,) = services[()]
        times = times_of(calls)
        candidates = comparable(services[MODEL], self.min_calls)
        losses = beaten(services, self.min_calls, self.margin_percent)
        findings = [
            *self._sla(services, calls.settings),
            *self._slow(services),
            *self._failing(services, calls.period),
            *_failed_cost(total, calls.period, self.failed_cost_percent),
            *self._beaten(losses, calls.period),
        ]
        return self.report(
            answer=_answer(total, candidates, calls.settings),
            metrics=_metrics(total, quality, calls.settings),
            findings=extrapolated(findings or [self._quiet(services)], calls.month_caveat),
            sections=(
                sections.speed_section(services),
                sections.frontier_section(candidates, unbeaten(candidates), losses, self.min_calls),
                sections.error_section(services, quality.failures, self.min_calls),
                sections.sla_section(services, calls.settings),
                when_section(times),
            ),
            method=_METHOD,
            assumptions=_assumptions(total),
            comparison=calls.comparison_text,
            headline="p95-latency",
            sparkline=tuple(p95 for _, _, p95 in times.days if p95 is not None),
        )

    def _sla(self, services: Services, settings: Settings) -> list[Finding]:
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
                confidence="high" if promised and total.judged >= self.min_calls else "low",
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

    def _slow(self, services: Services) -> list[Finding]:
        slow = [(s, f) for s, f in slowness(services, self.min_calls) if f >= self.slow_factor]
        return [
            Finding(
                id=f"slow-{i}",
                title=f"{label(s.names)} takes {factor:.1f} times as long as other models at the same tasks: half of "
                f"its calls take {_at_least(s)}.",
                who=label(s.names),
                confidence="high",
                why_sure=f"Median latency of {plural(s.timed, 'call')}, task by task. The model cost "
                f"{dollars(s.cost)} in the period; what waiting for it costs is not in the log.",
                action=f"Use {label(s.names)} where nobody waits for the answer, and a faster model where somebody "
                "does.",
                section="speed",
                severity="warning",
            )
            for i, (s, factor) in enumerate(slow[:MOST_FINDINGS], 1)
        ]

    def _failing(self, services: Services, period: Period) -> list[Finding]:
        (total,) = services[()]
        return [
            Finding(
                id=f"failing-{i}",
                title=f"{percent(s.error_percent)} of the calls to {label(s.names)} fail, against "
                f"{percent(others_percent(s, total))} of all other calls.",
                who=label(s.names),
                usd_per_month=period.per_month(s.failed_cost),
                confidence="high",
                why_sure=f"{plural(s.failed, 'failed call')} of {count(s.calls)}, more than {ERROR_SIGMA:.0f} standard "
                "deviations above the others; the dollars are what failed calls cost.",
                action=f"Look at the status of the failed calls to {label(s.names)}, and retry or route them "
                "elsewhere.",
                section="errors",
                severity="warning",
            )
            for i, s in enumerate(failing(services, self.min_calls)[:MOST_FINDINGS], 1)
        ]

    def _beaten(self, losses: list[Beaten], period: Period) -> list[Finding]:
        """One finding for each beaten model, on the task where it costs most."""
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
                    f"{dollars(period.per_month(spent[model]))} a month; at {named(worst.task, 'task')}, {winner} "
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

    def _quiet(self, services: Services) -> Finding:
        (total,) = services[()]
        if total.timed < self.min_calls:
            known = plural(total.timed, "successful call") if total.timed else "no successful call"
            return Finding(
                id="nothing-unusual",
                title=f"Too little to judge: {known} with a known latency, and a model is judged from "
                f"{count(self.min_calls)} on.",
                confidence="low",
                why_sure=f"The period has {plural(total.calls, 'call')} in all.",
                action="Log latency_ms, or look at a longer period.",
                section="speed",
            )
        if not has_rivals(services, self.min_calls):
            return Finding(
                id="nothing-unusual",
                title="Nothing unusual, but no model can be compared with another: no two have "
                f"{plural(self.min_calls, 'call')} of the same task.",
                confidence="low",
                why_sure=f"Checked on {plural(total.calls, 'call')}: the service level, and what failed calls cost.",
                action="Nothing to do until two models serve the same task.",
                section="speed",
            )
        return Finding(
            id="nothing-unusual",
            title="Nothing unusual: no model is slow, fails more often than the others or is beaten on cost and speed.",
            confidence="high",
            why_sure=f"Checked on {plural(total.calls, 'call')}: service level, latency and failures by model and "
            "task.",
            action="Nothing to do.",
            section="speed",
            severity="good",
        )


def _failed_cost(total: Service, period: Period, least_percent: float) -> list[Finding]:
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


def _answer(total: Service, candidates: list[Service], settings: Settings) -> str:
    sla = settings.sla
    if total.p50 is None:
        parts = ["Speed cannot be judged, since no successful call has a known latency"]
    elif total.timed == 1:
        parts = [f"The only successful call with a known latency took {duration(total.p50)}"]
    elif total.p95 is None:
        parts = [f"The median of {plural(total.timed, 'successful call')} is {duration(total.p50)}"]
    else:
        parts = [f"Half of the calls take {_at_least(total)}"]
    if len(candidates) > 1:
        fast = min(candidates, key=sections.speed)
        cheap = min(candidates, key=lambda s: (s.cost_per_1k_tokens, *sections.speed(s)))
        if cheap is fast:
            parts.append(f"{label(fast.names)} is fastest and cheapest ({_terms(fast)})")
        else:
            parts.append(f"{label(fast.names)} is fastest ({_terms(fast)})")
            parts.append(f"{label(cheap.names)} is cheapest ({_terms(cheap)})")
    promised = bool(sla.model_fields_set)
    if promised and total.judged == 1:
        kept = "kept" if total.on_time else "missed"
        parts.append(f"{ONLY_JUDGED} {kept} the service level of {duration(sla.latency_ms)}")
    elif promised and total.sla_percent is not None:
        parts.append(
            f"{percent(total.sla_percent)} of calls kept the service level of {duration(sla.latency_ms)} "
            f"(target {percent(sla.target_percent)})"
        )
    failed = "it failed" if total.calls == 1 else f"{percent(total.error_percent)} failed"
    parts.append(f"{failed}, which cost {dollars(total.failed_cost)}" if total.failed else "no call failed")
    return "; ".join(parts) + "."


def _at_least(s: Service) -> str:
    """How long half of the calls take, and one in twenty where that is known."""
    tail = "" if s.p95 is None else f", and one in twenty {duration(s.p95)} or more"
    return f"{duration(s.p50 or 0)} or more{tail}"


def _terms(s: Service) -> str:
    return f"median {duration(s.p50 or 0)}, {dollars(s.cost_per_1k_tokens or 0)} for 1k tokens"


def _metrics(total: Service, quality: Quality, settings: Settings) -> list[Metric]:
    now, before = quality.current, quality.previous
    fields = (
        ("p50-latency", "p50 latency", "p50", "ms", "lower", "The median latency of successful calls."),
        (
            "p95-latency",
            "p95 latency",
            "p95",
            "ms",
            "lower",
            f"19 of 20 successful calls were this fast or faster; known from {FEWEST_FOR_P95} calls on.",
        ),
        (
            "p99-latency",
            "p99 latency",
            "p99",
            "ms",
            "lower",
            f"99 of 100 successful calls were this fast or faster; known from {FEWEST_FOR_P99} calls on.",
        ),
        (
            "tokens-per-second",
            "Output speed",
            "tokens_per_second",
            "tokens_per_s",
            "higher",
            "Output tokens / latency of successful calls, the wait for the first token included.",
        ),
        (
            "sla-compliance",
            "Service level kept",
            "sla_percent",
            "percent",
            "higher",
            f"Successful calls within {duration(settings.sla.latency_ms)} / (successful calls with a known "
            f"latency + failed calls); target {percent(settings.sla.target_percent, 0)}"
            f"{'' if settings.sla.model_fields_set else ' (defaults that nobody promised)'}.",
        ),
        ("error-rate", "Error rate", "error_percent", "percent", "lower", "Failed calls / calls."),
        ("failed-cost", "Cost of failed calls", "failed_cost", "usd", "lower", "Logged cost of failed calls."),
    )
    return [
        Metric(
            id=name,
            label=text,
            value=getattr(total, field),
            unit=unit,
            current=now and getattr(now, field),
            previous=before and getattr(before, field),
            better=better,
            note=note,
        )
        for name, text, field, unit, better, note in fields
    ]


def _assumptions(total: Service) -> tuple[str, ...]:
    notes = [
        "Models are given different tasks and lengths: the table by task compares like with like, the chart of all "
        "models does not.",
        "How good answers are is not in the log: cheaper and faster is not better.",
    ]
    unknown = total.succeeded - total.timed
    if unknown:
        notes.append(
            f"The latency of {plural(unknown, 'successful call')} is unknown: they are left out of every percentile "
            "and of the service level."
        )
    return tuple(notes)


_METHOD = (
    "Latency is that of successful calls with a known latency; percentiles are interpolated between neighbouring "
    f"calls, p95 from {FEWEST_FOR_P95} calls on and p99 from {FEWEST_FOR_P99} on.",
    "Tokens per second = output tokens / latency, both added up over the calls; the wait for the first token counts.",
    "Service level kept = successful calls within the latency of [sla] / (successful calls with a known latency + "
    "failed calls).",
    "A model is on the frontier if no other has a cost per 1k tokens and a median latency that are both no higher, "
    "and one of them lower. It is slow if its median latency, task by task, is a multiple of that of the others.",
    "A model fails more often than the others if the difference of the two shares of failed calls is more than four "
    "standard deviations.",
)
