"""The findings of the pricing report: what to charge, and how sure that is."""

from __future__ import annotations

from collections.abc import Sequence

from finops_core import Finding, count, dollars, listing, plural, some_of
from finops_plugin_revenue.account_tables import NAMED, everybody, unknown_finding, unknown_names
from finops_plugin_revenue.accounts import Spans
from finops_plugin_revenue.pricing.hybrid import HybridTerms, best_hybrids
from finops_plugin_revenue.pricing.offers import MONTH_DAYS, Limit, Missing, Offer, unsearched
from finops_plugin_revenue.pricing.plans import Outcome, outcome


def findings(
    spans: Spans, best: Offer | None, hybrid: HybridTerms, missing: Sequence[Missing], limit: Limit
) -> tuple[Finding, ...]:
    """What to charge, or that today's tiers stay, and whom the report leaves out.

    Args:
        spans: At least one account of known revenue in the period.
        best: The model that earns most within the limit, if one earns more than today's tiers.
        hybrid: What of the hybrid is set.
        missing: Models that could not be priced.
        limit: What customers may be asked to bear.
    """
    accounts = spans[0]
    found = []
    if best is not None:
        found.append(_gain_finding(spans, best, hybrid, limit))
    elif hybrid_missing := unsearched(best, missing):
        found.append(
            Finding(
                id="no-best-price",
                title=f"What to charge cannot be said: {hybrid_missing.why}.",
                who=everybody(accounts),
                confidence="low",
                why_sure="Flat and usage-based prices that are not set earn today's revenue by construction, and the "
                "hybrid was not priced.",
                action=hybrid_missing.action,
                section="models",
            )
        )
    else:
        found.append(
            Finding(
                id="keep-tiers",
                title="Today's tiers stay: no model earns more under the limit.",
                who=everybody(accounts),
                confidence="low" if missing else "medium",
                why_sure=f"Each was priced on the calls of {plural(accounts.period.days, 'day')}, so that {limit}.",
                action="Nothing to do; loosen rise_percent or raised_percent to see what a wider limit would bring.",
                section="models",
                severity="info",
            )
        )
    if accounts.unknown:
        found.append(unknown_finding(unknown_names(accounts), "bills and gains", "unknown"))
    return tuple(found)


def _gain_finding(spans: Spans, best: Offer, hybrid: HybridTerms, limit: Limit) -> Finding:
    accounts, result = spans[0], best.result
    per_month = accounts.period.per_month
    searched = best.key == "hybrid" and hybrid.searched
    sure, why = _searched_why(spans, hybrid, limit) if searched else _set_why(spans, best, limit)
    most = ", ".join(f"{a.name} ({dollars(a.revenue)} to {dollars(bill)})" for a, bill in result.raised[:3])
    if len(result.raised) > 3:
        most += " and so on"
    return Finding(
        id="best-model",
        title=f"{best.name} pricing would earn {dollars(per_month(result.gain))} a month more: {best.terms}.",
        who=listing([a.name for a, _ in result.raised] or [a.name for a in accounts.known], most=NAMED),
        usd_per_month=per_month(result.gain),
        confidence="medium" if sure else "low",
        why_sure=f"{why}; how customers react is not in the log.",
        action=(
            f"Before changing prices, talk to {_the_raised(result)}: {most}."
            if most
            else f"Announce it: no customer would pay {limit.raised}."
        ),
        section="models",
        severity="good",
    )


def _searched_why(spans: Spans, hybrid: HybridTerms, limit: Limit) -> tuple[bool, str]:
    """Whether the search holds on days that it did not see, and what it did there."""
    tested = _tested(spans, hybrid, limit)
    if tested is None:
        return False, "The prices fit the days they were searched on, and there are no others to test the search on"
    n, bills = len(tested.raised), len(tested.bills)
    later = tested.accounts.period
    evens_out = (
        f"; over {plural(later.days, 'day')} usage evens out less than over a month, so that a hybrid seems to "
        "earn more"
        if later.days < MONTH_DAYS
        else ""
    )
    why = (
        f"Searched on the earlier span of the comparison alone, the best hybrid would have earned "
        f"{dollars(later.per_month(tested.gain))} a month more in the later one, where {some_of(n, bills, 'customer')} "
        f"would have paid {limit.raised}{evens_out}"
    )
    return tested.gain > 0 and n <= 2 * limit.allowed(bills), why


def _set_why(spans: Spans, best: Offer, limit: Limit) -> tuple[bool, str]:
    """Whether prices that were set earn more in both spans, and how much."""
    halves = [half.accounts.period.per_month(half.gain) for half in in_spans(spans, best, limit)[1:] if half]
    if len(halves) < 2:
        return False, f"{plural(spans[0].period.days, 'day')} are too few to see the prices in two spans"
    return min(halves) > 0, (
        f"The same prices would have earned {dollars(halves[1])} a month more in the earlier span of the comparison "
        f"and {dollars(halves[0])} in the later one"
    )


def _the_raised(result: Outcome) -> str:
    if len(result.raised) == 1:
        return "the customer with a raised bill"
    return f"the {count(len(result.raised))} customers with a raised bill"


def in_spans(spans: Spans, best: Offer, limit: Limit) -> list[Outcome | None]:
    """What the best model does in the period, which is known already, and in both spans of the comparison."""
    compared = (None if span is None else outcome(best.plan, span, limit.rise_percent) for span in spans[1:])
    return [best.result, *compared]


def _tested(spans: Spans, terms: HybridTerms, limit: Limit) -> Outcome | None:
    """What the hybrid that the search finds on the earlier span does in the later one, which it did not see."""
    _, later, earlier = spans
    if later is None or earlier is None or not earlier.known:
        return None
    (found,) = best_hybrids(earlier, terms, limit.rise_percent, [limit.allowed(len(earlier.known))])
    return None if found is None else outcome(found, later, limit.rise_percent)
