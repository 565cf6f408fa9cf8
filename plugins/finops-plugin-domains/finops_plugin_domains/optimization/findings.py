"""The findings of the optimization report: what is worth acting on, and why one may believe it."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Literal

from finops_core import Calls, Catalog, Finding, count, dollars, extrapolated, listing, percent, plural
from finops_plugin_domains.optimization.commitment import Commitment
from finops_plugin_domains.optimization.evidence import Evidence, Model, Use, step
from finops_plugin_domains.optimization.phrases import dollars_ranged, length
from finops_plugin_domains.optimization.potential import Potential
from finops_plugin_domains.optimization.prices import unpriced_text
from finops_plugin_domains.optimization.questions import Question, what_if_findings
from finops_plugin_domains.optimization.repricing import Match
from finops_plugin_domains.optimization.savings import CAUTIOUS, ENDS, HOPEFUL
from finops_plugin_domains.service import Failures

if TYPE_CHECKING:
    from finops_plugin_domains.optimization.analyzer import OptimizationAnalyzer

TOP_SWITCHES = 5
LARGE_PERCENT = 5
"""From this share of cost on, percent, a saving is to be acted on soon."""
WELL_TRIED = 10
"""A model is well tried on a task with this many times the calls that it needs to qualify."""


def findings(
    analyzer: OptimizationAnalyzer,
    calls: Calls,
    potential: Potential,
    evidence: Evidence,
    questions: Sequence[Question],
) -> tuple[Finding, ...]:
    """What was asked, then what to act on, the most dollars first; with nothing to act on, what was checked."""
    worth = evidence.total.cost * Decimal(str(analyzer.finding_percent)) / 100
    single = _single_switches(analyzer, potential, evidence, worth)
    alone = len(potential.switches) == 1
    found = [
        *(single if alone else _all_switches(analyzer, potential, evidence, worth)),
        *_caching(potential, worth),
        *_batches(potential, worth),
        *_commitments(analyzer, potential, worth),
        *_failed(evidence.quality.failures, potential, worth),
    ]
    found.sort(key=lambda f: (-(f.usd_per_month or 0), f.id))
    log = [*_mismatches(potential), *_unpriced(calls.catalog, potential, evidence)]
    if not found and not (log and potential.incomparable):
        found.append(_nothing(potential, evidence, asked=bool(questions)))
    caveat = calls.month_caveat
    # The dollars of each switch are at stake in all switches together, and are ranked there alone.
    parts = [] if alone else [f.model_copy(update={"usd_per_month": None}) for f in extrapolated(single, caveat)]
    return (*what_if_findings(questions, potential.period, caveat), *extrapolated(found, caveat), *parts, *log)


def _urgency(saving: Decimal, potential: Potential) -> Literal["warning", "info"]:
    """How soon a saving of the period is to be acted on."""
    large = saving * 100 >= LARGE_PERCENT * potential.cost(potential.period)
    return "warning" if large else "info"


def _well_tried(analyzer: OptimizationAnalyzer, evidence: Evidence, use: Use, target: Model) -> bool:
    calls = evidence.records[(use[0], *target)].calls
    return use[1] == target[0] and calls >= WELL_TRIED * analyzer.minimum_calls


def _all_switches(
    analyzer: OptimizationAnalyzer, potential: Potential, evidence: Evidence, worth: Decimal
) -> list[Finding]:
    low, high = (potential.alone(end, "switch") for end in ENDS)
    if low <= 0 or low < worth:
        return []
    month = potential.period.per_month
    n, (use, target, _) = len(potential.switches), potential.switches[0]
    tried = [o.saving(CAUTIOUS) for use, to, o in potential.switches if _well_tried(analyzer, evidence, use, to)]
    share = 100 * sum(tried, Decimal(0)) / low
    return [
        Finding(
            id="switches",
            title=f"{n} model switches together would save {dollars_ranged(month(low), month(high))} a month, if the "
            "answers are good enough.",
            who=f"{use[0]} on {use[2]} and {n - 1} more",
            usd_per_month=month(low),
            confidence="medium" if share >= 50 else "low",
            why_sure=f"Every call is priced again at its date. {_part(share)} of the amount is from switches within "
            f"a provider to models that had at least {plural(WELL_TRIED * analyzer.minimum_calls, 'call')} of the "
            f"task. The amount assumes {length(analyzer.output_percent[1])}; quality is not measured.",
            action=f"Begin with the largest, {step(use, target)}, and compare answers on a sample before each switch.",
            section="switches",
            severity=_urgency(low, potential),
        )
    ]


def _single_switches(
    analyzer: OptimizationAnalyzer, potential: Potential, evidence: Evidence, worth: Decimal
) -> list[Finding]:
    found = []
    month = potential.period.per_month
    for i, (use, target, outcome) in enumerate(potential.switches[:TOP_SWITCHES], 1):
        low, high = (outcome.saving(end) for end in ENDS)
        if low < worth:
            continue
        now, other = evidence.records[use], evidence.records[(use[0], *target)]
        speed = (
            "; latency is not in the log"
            if now.p50 is None or other.p50 is None
            else f", median {other.p50 / 1000:.1f} s (now {now.p50 / 1000:.1f} s)"
        )
        found.append(
            Finding(
                id=f"switch-{i}",
                title=f"Moving {step(use, target)} would save {dollars_ranged(month(low), month(high))} a month, if "
                "its answers are good enough.",
                who=f"{use[0]} on {use[2]}",
                usd_per_month=month(low),
                confidence="medium" if _well_tried(analyzer, evidence, use, target) else "low",
                why_sure=f"Every call is priced again at its date. {target[1]} had {plural(other.calls, 'call')} of "
                f"this task: {percent(other.error_percent)} failed (now {percent(now.error_percent)}){speed}. The "
                f"amount assumes {length(analyzer.output_percent[1])}; quality is not measured.",
                action=f"Compare {target[1]} with {use[2]} on a sample of {use[0]}, then make it the task's default.",
                section="switches",
                severity=_urgency(low, potential),
            )
        )
    return found


def _caching(potential: Potential, worth: Decimal) -> list[Finding]:
    bound = potential.alone(HOPEFUL, "cache")
    if bound <= 0 or bound < worth:
        return []
    monthly = potential.period.per_month(bound)
    return [
        Finding(
            id="caching",
            title=f"Input that repeats within sessions could be read from the cache, for at most {dollars(monthly)} a "
            "month.",
            who="long prompts in sessions",
            usd_per_month=monthly,
            confidence="low",
            why_sure="An upper bound: lengths are in the log, prompts are not.",
            action="Put what repeats at the front of the prompt and switch prompt caching on, then watch the hit rate.",
            section="caching",
        )
    ]


def _batches(potential: Potential, worth: Decimal) -> list[Finding]:
    saving = potential.alone(CAUTIOUS, "batch")
    if saving <= 0 or saving < worth:
        return []
    monthly = potential.period.per_month(saving)
    saved = {task for (task, *_), outcome in potential.chosen.items() if outcome.alone[CAUTIOUS]["batch"]}
    tasks = listing(sorted(map(str, saved)))
    return [
        Finding(
            id="batch",
            title=f"Sending {tasks} in batches would save {dollars(monthly)} a month.",
            who=tasks,
            usd_per_month=monthly,
            confidence="high",
            why_sure="Logged cost times the discount that is set; whether the task can wait is your setting. The total "
            "counts a call once, so a model switch of the same calls leaves less to save.",
            action="Queue these calls for the provider's batch interface.",
            section="batch",
            severity=_urgency(saving, potential),
        )
    ]


def _commitments(analyzer: OptimizationAnalyzer, potential: Potential, worth: Decimal) -> list[Finding]:
    found = []
    for i, provider in enumerate(sorted(analyzer.commitments or {}), 1):
        first, later = potential.commitment(provider), potential.commitment(provider, CAUTIOUS)
        if first is not None and first.saving < 0:
            finding = _losing(i, provider, first, potential, "on the period's usage")
        elif later is not None and later.saving < 0:
            finding = _losing(i, provider, later, potential, "once the other savings are made")
        elif later is not None and later.saving > 0:
            finding = _paying(i, provider, later, potential)
        else:
            continue
        if finding.usd_per_month >= potential.period.per_month(worth):
            found.append(finding)
    return found


def _paying(i: int, provider: str, commitment: Commitment, potential: Potential) -> Finding:
    monthly = potential.period.per_month(commitment.saving)
    return Finding(
        id=f"commitment-{i}",
        title=f"Committing {dollars(commitment.usd_per_hour)} an hour to {provider} would save {dollars(monthly)} a "
        "month, after the other savings.",
        who=provider,
        usd_per_month=monthly,
        confidence="medium",
        why_sure="Hour by hour on the period's usage less the cautious savings: "
        f"{percent(commitment.used_percent)} of what it covers is used, it breaks even at "
        f"{percent(commitment.break_even_percent)}. Usage to come may differ.",
        action="Commit after the model switches are decided, not before: they lower what there is to cover.",
        section="commitment",
        severity=_urgency(commitment.saving, potential),
    )


def _losing(i: int, provider: str, commitment: Commitment, potential: Potential, when: str) -> Finding:
    monthly = potential.period.per_month(-commitment.saving)
    return Finding(
        id=f"commitment-{i}",
        title=f"Committing {dollars(commitment.usd_per_hour)} an hour to {provider} would cost {dollars(monthly)} a "
        f"month more than it saves, {when}.",
        who=provider,
        usd_per_month=monthly,
        confidence="medium",
        why_sure=f"Hour by hour {percent(commitment.used_percent)} of what it covers is used; it breaks even at "
        f"{percent(commitment.break_even_percent)}. Usage to come may differ.",
        action="Do not commit to this amount; without usd_per_hour the best amount is looked for.",
        section="commitment",
        severity="warning",
    )


def _failed(failures: Sequence[Failures], potential: Potential, worth: Decimal) -> list[Finding]:
    cost = potential.alone(HOPEFUL, "failed")
    if cost <= 0 or cost < worth:
        return []
    by_status: dict[str, tuple[int, Decimal]] = {}
    for failure in failures:
        n, amount = by_status.get(failure.status, (0, Decimal(0)))
        by_status[failure.status] = (n + failure.billed, amount + failure.cost)
    status, (billed, most) = min(by_status.items(), key=lambda item: (-item[1][1], item[0]))
    monthly = potential.period.per_month(cost)
    return [
        Finding(
            id="failed",
            title=f"Failed calls cost {dollars(monthly)} a month, most of it {status} "
            f"({plural(billed, 'call')}, {dollars(most)} in the period).",
            who=status,
            usd_per_month=monthly,
            confidence="high",
            why_sure="Logged cost of calls whose status is not success; how much of it is avoidable is not in the log.",
            action="Find out why they fail; cut the input of calls that time out, and retry on a faster model.",
            section="failed",
        )
    ]


def unseen_text(potential: Potential, evidence: Evidence) -> str:
    """What could not be looked for, because the log does not say enough."""
    missing = [potential.unjudged]
    if not evidence.has_sessions:
        missing.append("no call names its session, so repeated prefixes cannot be seen")
    return "; ".join(filter(None, missing))


def _nothing(potential: Potential, evidence: Evidence, *, asked: bool) -> Finding:
    calls = sum(match.calls for match in potential.survey.matches.values())
    unseen = unseen_text(potential, evidence)
    return Finding(
        id="nothing",
        title=f"Nothing worth acting on can be seen in {plural(calls, 'call')} with a catalogue price."
        if unseen
        else f"Nothing worth acting on was found: {plural(calls, 'call')} with a catalogue price "
        f"{'was' if calls == 1 else 'were'} checked for cheaper models, repeated prefixes and billed failures.",
        confidence="low" if unseen else "high",
        why_sure=f"Not everything could be looked for: {unseen}." if unseen else "Every such call was priced again.",
        action="Send task_type and session_id with every call."
        if not (evidence.has_tasks and evidence.has_sessions)
        else "Ask what another model would cost with what_if."
        if potential.unjudged and not asked
        else "Nothing more can be looked for in this log."
        if potential.unjudged
        else "Nothing to do. Widen the search with across_providers, or set batch and commitment terms.",
        section="together",
        severity="info" if unseen else "good",
    )


def _mismatches(potential: Potential) -> list[Finding]:
    """What models are logged at other prices than the catalogue's: one finding for all providers billed alike."""
    scaled: dict[str, list[str]] = {}
    for (provider, model), factor in sorted(potential.survey.factors.items()):
        if factor != 1:
            scaled.setdefault(provider, []).append(model)
    alike: dict[str, tuple[list[Model], Match]] = {}
    for provider, models in scaled.items():
        match = Match()
        for model in models:
            match.merge(potential.survey.matches[provider, model])
        names, together = alike.setdefault(f"{match.logged / match.catalogue:.2f}", ([], Match()))
        names += [(provider, model) for model in models]
        together.merge(match)
    return [_mismatch(i, *found) for i, found in enumerate(alike.values(), 1)]


def _mismatch(number: int, models: Sequence[Model], match: Match) -> Finding:
    providers = sorted({provider for provider, _ in models})
    if len(providers) == 1:
        which = f"{listing([model for _, model in models])} of {providers[0]}"
    else:
        which = f"{plural(len(models), 'model')} of {listing(providers)}"
    free = not match.logged
    return Finding(
        id=f"mismatch-{number}",
        title=f"Calls to {which} are logged "
        + ("without any cost." if free else f"at {match.logged / match.catalogue:.2f} times the catalogue's prices."),
        who=listing(providers),
        confidence="high",
        why_sure=f"{count(match.near)} of {plural(match.calls, 'billed call')} are within 1 % of the catalogue.",
        action="Write cost_usd with every call, or let finops import price a file that has no costs."
        if free
        else "Check the contract or the invoice against the log; set your own prices under "
        f"[catalog.models.{providers[0] if len(providers) == 1 else 'PROVIDER'}] if they differ from the list.",
        section="prices",
        severity="warning" if free or match.logged > match.catalogue else "info",
    )


def _unpriced(catalog: Catalog, potential: Potential, evidence: Evidence) -> list[Finding]:
    text = unpriced_text(catalog, evidence)
    if not text:
        return []
    return [
        Finding(
            id="unpriced",
            title=text,
            confidence="high",
            why_sure="The catalogue does not know these names.",
            action="Set their input and output prices under [catalog.models.PROVIDER.MODEL] in finops.toml.",
            section="prices",
            severity="info" if potential.survey.matches else "warning",
        )
    ]


def _part(share: Decimal | float) -> str:
    """A share as the subject of a sentence."""
    return "All" if share >= 100 else percent(share)
