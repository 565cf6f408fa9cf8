"""Which model gives what speed for what money, how many calls fail, and whether the service level is kept."""

from __future__ import annotations

from operator import attrgetter
from typing import ClassVar

from pydantic import Field, PositiveInt

from finops_core import (
    Analyzer,
    Calls,
    Metric,
    Report,
    Settings,
    begin,
    dollars,
    extrapolated,
    hookimpl,
    percent,
    plural,
)
from finops_plugin_domains.performance import sections
from finops_plugin_domains.performance.failing import ERROR_SIGMA
from finops_plugin_domains.performance.findings import (
    ONLY_JUDGED,
    beaten_findings,
    failed_cost_findings,
    failing_findings,
    nothing_unusual,
    sla_findings,
    slow_findings,
)
from finops_plugin_domains.performance.frontier import beaten, comparable, unbeaten
from finops_plugin_domains.performance.when import times_of, when_section
from finops_plugin_domains.service import (
    FEWEST_FOR_P95,
    FEWEST_FOR_P99,
    MODEL,
    Quality,
    Service,
    duration,
    how_long,
    quality_of,
)
from finops_plugin_domains.understanding.breakdown import label


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
        failed_cost = failed_cost_findings(total, calls.period, self.failed_cost_percent)
        findings = [
            *sla_findings(services, calls.settings, self.min_calls),
            *slow_findings(services, self.min_calls, self.slow_factor),
            *failing_findings(services, calls.period, self.min_calls, counted=bool(failed_cost)),
            *failed_cost,
            *beaten_findings(losses),
        ]
        return self.report(
            answer=_answer(total, candidates, calls.settings),
            metrics=_metrics(total, quality, calls.settings),
            findings=extrapolated(findings or [nothing_unusual(services, self.min_calls)], calls.month_caveat),
            sections=(
                sections.speed_section(services, candidates, self.min_calls),
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


def _answer(total: Service, candidates: list[Service], settings: Settings) -> str:
    sla = settings.sla
    if total.p50 is None:
        parts = ["Speed cannot be judged, since no successful call has a known latency"]
    elif total.timed == 1:
        parts = [f"The only successful call with a known latency took {duration(total.p50)}"]
    elif total.p95 is None:
        parts = [f"The median of {plural(total.timed, 'successful call')} is {duration(total.p50)}"]
    else:
        parts = [begin(how_long(total, "the calls"))]
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


def _terms(s: Service) -> str:
    return f"median {duration(s.p50 or 0)}, {dollars(s.cost_per_1k_tokens or 0)} for 1k tokens"


def _metrics(total: Service, quality: Quality, settings: Settings) -> list[Metric]:
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
        Metric.over(
            (total, quality.current, quality.previous),
            attrgetter(field),
            id=name,
            label=text,
            unit=unit,
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
    "A model fails more often than the others if the difference of the two shares of failed calls is more than "
    f"{ERROR_SIGMA:g} standard deviations.",
)
