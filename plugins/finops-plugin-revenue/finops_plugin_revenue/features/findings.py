"""The findings of the feature economics report: which features need a decision."""

from __future__ import annotations

from decimal import Decimal
from typing import Literal

from finops_core import Finding, Period, count, dollars, listing, percent, plural
from finops_plugin_revenue.account_tables import LOG_COSTS, NAMED, unknown_finding
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
    robust, lasting = e.robust(use), e.revenue.period.shows_level
    severity: Literal["good", "info", "warning", "critical"]
    severity = "critical" if (use.margin or 0) < 0 else "warning"
    if verdict.judgement == "invest":
        severity = "good"
    elif not lasting:
        severity = "info"
    return Finding(
        id=f"{verdict.judgement}-{number}",
        title=title,
        who=use.name,
        usd_per_month=usd_per_month,
        confidence="medium" if robust and lasting else "low",
        why_sure=f"Cost is as logged; revenue is attributed by {e.split_by}. Split by {e.other_measure} the verdict is "
        f"{'the same' if robust else 'another'}."
        + ("" if lasting else " Less than a week does not show whether it lasts."),
        action=action,
        section="verdicts",
        severity=severity,
    )


def _rate(period: Period, amount: Decimal) -> tuple[str, Decimal | None]:
    """An amount of a period in words, and what of it is at stake a month: nothing where it may not last."""
    if not period.shows_level:
        return f"{dollars(amount)} in {plural(period.days, 'day')}", None
    per_month = period.per_month(amount)
    return f"{dollars(per_month)} a month", per_month


def _retire(e: Economics, use: FeatureUse) -> tuple[str, Decimal | None, str]:
    cost, at_stake = _rate(e.revenue.period, use.cost)
    return (
        f"{use.name} costs {cost} and should be retired: {e.verdicts[use.name].why}.",
        at_stake,
        "Ask the customers who still use it, then switch it off or charge for it.",
    )


def _invest(e: Economics, use: FeatureUse) -> tuple[str, Decimal | None, str]:
    more, at_stake = "", None
    if e.calls.comparison is not None:
        now, before = (features[use.feature].margin or Decimal(0) for features in (e.current, e.previous))
        if now > before:
            gained, at_stake = _rate(e.calls.comparison.current, now - before)
            more = f", and its margin is {gained} above that of the span before"
    return (
        f"{use.name} grows and earns, with {e.verdicts[use.name].why}; {percent(e.adoption(use))} of customers use it"
        f"{more}.",
        at_stake,
        "Put it where more customers find it; its margin leaves room."
        if e.calls.comparison is not None and e.calls.comparison.current.shows_level
        else "If the growth lasts, put it where more customers find it; its margin leaves room.",
    )


def _fix(e: Economics, use: FeatureUse) -> tuple[str, Decimal | None, str]:
    period = e.revenue.period
    revenue, margin = use.revenue or Decimal(0), use.margin or Decimal(0)
    if margin < 0:
        lost, at_stake = _rate(period, -margin)
        cost, paid = (period.per_month(v) if period.shows_level else v for v in (use.known_cost, revenue))
        title = f"{use.name} loses {lost}: {dollars(cost)} of cost against {dollars(paid)} of attributed revenue."
    elif not e.verdicts[use.name].leaks or e.calls.comparison is None:
        short, at_stake = _rate(period, revenue * Decimal(str(e.rule.fix_below)) / 100 - margin)
        title = (
            f"{use.name} falls short of the margin wanted by {short}: it has "
            f"{percent(use.margin_percent or 0)} instead of {e.rule.fix_below:g} %."
        )
    else:
        now, before = e.current[use.feature], e.previous[use.feature]
        leaked, at_stake = _rate(e.calls.comparison.current, now.cost - before.cost_per_call * now.calls)
        title = (
            f"{use.name} leaks {leaked}: a call costs {dollars(now.cost_per_call)} instead of "
            f"{dollars(before.cost_per_call)}."
        )
    return (
        title,
        at_stake,
        "Find out why its calls cost so much: long prompts, long answers or a dear model; then price it.",
    )


def _nothing(e: Economics) -> Finding:
    judged = [use for use in e.named if use.margin is not None]
    if e.named and e.uncosted:
        return Finding(
            id="nothing",
            title="No cost is logged: margins of features cannot be judged.",
            who=listing([use.name for use in e.named], most=NAMED),
            confidence="high",
            why_sure="cost_usd is 0 in every call of the period.",
            action=LOG_COSTS,
            section="verdicts",
            severity="warning",
        )
    if not judged:
        return Finding(
            id="nothing",
            title="No feature could be judged, because "
            + ("no user of one has a known revenue." if e.named else "no call names one."),
            who=listing(list(e.unknown_cost), most=NAMED) if e.named else "calls without a feature",
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
            who=listing([use.name for use in judged], most=NAMED),
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
        who=listing([use.name for use in judged], most=NAMED),
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
    cost, at_stake = _rate(e.revenue.period, unnamed.cost)
    return [
        Finding(
            id="without-feature",
            title=f"{plural(unnamed.calls, 'call names', 'calls name')} no feature, for {cost}.",
            who="calls without a feature",
            usd_per_month=at_stake or None,
            confidence="high",
            why_sure="feature_id is empty in the log.",
            action="Send feature_id with these calls: until then no feature answers for their cost.",
            section="economics",
        )
    ]
