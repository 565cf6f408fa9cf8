"""The findings of the feature economics report: which features need a decision."""

from __future__ import annotations

from decimal import Decimal

from finops_core import Finding, count, dollars, percent, plural
from finops_plugin_revenue.account_tables import unknown_finding, who
from finops_plugin_revenue.features.economics import Economics
from finops_plugin_revenue.features.use import FeatureUse


def findings(e: Economics) -> tuple[Finding, ...]:
    """What to act on, the most dollars first; with nothing to act on, what was checked."""
    verdicts = [_verdict(e, use, i + 1) for i, use in enumerate(e.judged("fix", "retire", "invest"))]
    verdicts.sort(key=lambda finding: (-(finding.usd_per_month or 0), finding.id))
    unknown = (
        [unknown_finding(list(e.unknown_cost), "the margins of features", "attribution")] if e.unknown_cost else []
    )
    return (*(verdicts or [_nothing(e)]), *_without_feature(e), *unknown)


def _verdict(e: Economics, use: FeatureUse, number: int) -> Finding:
    verdict = e.verdicts[use.name]
    title, usd_per_month, action = {"retire": _retire, "invest": _invest, "fix": _fix}[verdict.judgement](e, use)
    robust = e.robust(use)
    # Weekdays differ: what holds no whole week does not show growth.
    by_chance = verdict.judgement == "invest" and e.calls.month_caveat != ""
    severity = "good" if verdict.judgement == "invest" else "critical" if (use.margin or 0) < 0 else "warning"
    return Finding(
        id=f"{verdict.judgement}-{number}",
        title=title,
        who=use.name,
        usd_per_month=usd_per_month,
        confidence="medium" if robust and not by_chance else "low",
        why_sure=f"Cost is as logged; revenue is attributed by {e.split_by}. Split by {e.other_measure} the verdict is "
        f"{'the same' if robust else 'another'}.",
        action=action,
        section="verdicts",
        severity=severity,
    )


def _retire(e: Economics, use: FeatureUse) -> tuple[str, Decimal | None, str]:
    cost = e.revenue.period.per_month(use.cost)
    return (
        f"{use.name} costs {dollars(cost)} a month and should be retired: {e.verdicts[use.name].why}.",
        cost,
        "Ask the customers who still use it, then switch it off or charge for it.",
    )


def _invest(e: Economics, use: FeatureUse) -> tuple[str, Decimal | None, str]:
    gained = Decimal(0)
    if e.calls.comparison is not None:
        now, before = (features[use.feature].margin or Decimal(0) for features in (e.current, e.previous))
        gained = e.calls.comparison.current.per_month(now - before)
    more = f", and its margin is {dollars(gained)} a month above the span before" if gained > 0 else ""
    return (
        f"{use.name} grows and earns, with {e.verdicts[use.name].why}; {percent(e.adoption(use))} of customers use it"
        f"{more}.",
        gained if gained > 0 else None,
        "Put it where more customers find it; its margin leaves room.",
    )


def _fix(e: Economics, use: FeatureUse) -> tuple[str, Decimal | None, str]:
    month = e.revenue.period.per_month
    revenue, margin = use.revenue or Decimal(0), use.margin or Decimal(0)
    if margin < 0:
        lost = month(-margin)
        title = (
            f"{use.name} loses {dollars(lost)} a month: {dollars(month(use.known_cost))} of cost against "
            f"{dollars(month(revenue))} of attributed revenue."
        )
    elif not e.verdicts[use.name].leaks or e.calls.comparison is None:
        lost = month(revenue * Decimal(str(e.rule.fix_below)) / 100 - margin)
        title = (
            f"{use.name} falls {dollars(lost)} a month short of the margin wanted: it has "
            f"{percent(use.margin_percent or 0)} instead of {e.rule.fix_below:g} %."
        )
    else:
        now, before = e.current[use.feature], e.previous[use.feature]
        lost = e.calls.comparison.current.per_month(now.cost - before.cost_per_call * now.calls)
        title = (
            f"{use.name} leaks {dollars(lost)} a month: a call costs {dollars(now.cost_per_call)} instead of "
            f"{dollars(before.cost_per_call)}."
        )
    return (
        title,
        lost,
        "Find out why its calls cost so much: long prompts, long answers or a dear model; then price it.",
    )


def _nothing(e: Economics) -> Finding:
    judged = [use for use in e.named if use.margin is not None]
    if not judged:
        return Finding(
            id="nothing",
            title="No feature could be judged, because "
            + ("no user of one has a known revenue." if e.named else "no call names one."),
            who=who(list(e.unknown_cost)) if e.named else "calls without a feature",
            confidence="low",
            why_sure="What is missing in the log is not assumed.",
            action="Send feature_id and subscription_tier with every call.",
            section="verdicts",
        )
    calls = sum(use.calls for use in judged)
    if calls < e.rule.compared_calls:
        return Finding(
            id="nothing",
            title=f"{plural(calls, 'call is', 'calls are')} too few to judge a feature by.",
            confidence="low",
            why_sure=f"Features are compared from {plural(e.rule.compared_calls, 'call')} on (compared_calls).",
            action="Look again when the log holds more.",
            section="verdicts",
        )
    compared = sum(1 for use in judged if e.compared(use))
    checked, was = plural(len(judged), "feature"), "was" if len(judged) == 1 else "were"
    if e.calls.comparison is None:
        how = f"{was} checked for margin"
    elif compared == len(judged):
        how = f"{was} checked for margin, growth, adoption and cost per call"
    else:
        enough = "none" if not compared else count(compared)
        how = f"{was} checked for margin and adoption, {enough} also for growth and cost per call"
    return Finding(
        id="nothing",
        title=f"Nothing needs a decision: {checked} with known revenue {how}.",
        who=who([use.name for use in judged]),
        confidence="high" if compared == len(judged) else "medium",
        why_sure=e.calls.comparison_text
        if e.calls.comparison is None
        else "Every call of the period is counted."
        if compared == len(judged)
        else f"Growth and cost per call take {plural(e.rule.compared_calls, 'call')} in both spans (compared_calls).",
        action="Nothing to do now. Look again after the next change of prices, models or prompts.",
        section="verdicts",
        severity="good",
    )


def _without_feature(e: Economics) -> list[Finding]:
    unnamed = e.features.get(None)
    if unnamed is None or not e.named:  # that no call names one is told already
        return []
    cost = e.revenue.period.per_month(unnamed.cost)
    return [
        Finding(
            id="without-feature",
            title=f"{plural(unnamed.calls, 'call names', 'calls name')} no feature, for {dollars(cost)} a month.",
            who="calls without a feature",
            usd_per_month=cost,
            confidence="high",
            why_sure="feature_id is empty in the log.",
            action="Send feature_id with these calls: until then no feature answers for their cost.",
            section="economics",
        )
    ]
