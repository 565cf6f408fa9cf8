"""Which customers lose money: revenue, cost and margin of every customer for exactly the days of the period."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal
from fractions import Fraction
from typing import ClassVar

from pydantic import NonNegativeInt

from finops_core import (
    Analyzer,
    Calls,
    Metric,
    Report,
    count,
    dollars,
    hookimpl,
    percent,
    plural,
    some_of,
)
from finops_plugin_revenue.account_tables import nobody_known, unknown_customers
from finops_plugin_revenue.accounts import Account, Accounts, Spans, read_accounts
from finops_plugin_revenue.profitability.findings import SURE_DAYS, findings, losing_accounts, lost
from finops_plugin_revenue.profitability.margins import (
    QUIET_DAYS,
    by_day,
    charged_after_last_call,
    margin_percent,
)
from finops_plugin_revenue.profitability.sections import margin_sections
from finops_plugin_revenue.revenue import dollars_of


class ProfitabilityAnalyzer(Analyzer):
    """Revenue, cost and margin per customer and tier, and at which usage the unprofitable ones break even."""

    report_name: ClassVar[str] = "customer_profitability"
    title: ClassVar[str] = "Customer profitability"
    capability: ClassVar[str] = "Unit Economics"
    audience: ClassVar[str] = "CFO, account management"
    question: ClassVar[str] = "Which customers lose money?"

    named_customers: NonNegativeInt = 5
    """How many of the unprofitable customers, those with the largest loss, get a finding of their own."""

    @hookimpl
    def analyze(self, calls: Calls) -> Report:
        """The report on the calls of the period."""
        if calls.period is None or not calls.total:
            return self.empty(calls.empty_text)
        spans = read_accounts(calls)
        accounts = spans[0]
        days = by_day(accounts)
        losing = losing_accounts(accounts)
        return self.report(
            answer=_answer(accounts, losing),
            metrics=_metrics(spans),
            findings=findings(accounts, losing, days, self.named_customers),
            sections=margin_sections(accounts, losing, days),
            method=(
                "Revenue of a day = price of the customer's tier / days of that calendar month, for every day of the "
                "period from the customer's first call in the log; the tier is that of the latest call on or before "
                "the day.",
                "Cost = the logged cost of the customer's calls in the period; margin = revenue - cost; margin % = "
                "margin / revenue x 100.",
                "Break-even calls = calls x revenue / cost, rounded down: the calls that would cost no more than the "
                "customer paid, at its own cost per call.",
                "Whale curve: customers sorted by profit, added up one by one.",
                "A loss a month = the loss of the customer's charged days / those days x 30; less than a whole week of "
                "them does not show whether the loss lasts, and has no amount a month.",
                f"A loss is sure (high) if the customer is charged for at least {SURE_DAYS} days and cost more than it "
                "paid on at least half of them, unsure (low) under a whole week of charged days, else medium.",
            ),
            assumptions=tuple(_assumptions(calls, accounts)),
            comparison=calls.comparison_text,
            headline="margin",
            sparkline=tuple(round(float(v), 6) for v in days.margin) if _judged(accounts) else (),
        )


def _answer(accounts: Accounts, losing: Sequence[Account]) -> str:
    known, unknown = len(accounts.known), len(accounts.unknown)
    if not known:
        return (
            f"Nobody's margin can be known: {nobody_known(accounts)}; the calls of the period cost "
            f"{dollars(accounts.unknown_cost)}."
        )
    if accounts.uncosted:
        return (
            f"No margin can be judged: by the log, {some_of(accounts.calls, accounts.calls, 'call')} of the period "
            f"cost nothing; customers paid {dollars(accounts.revenue)} in {plural(accounts.period.days, 'day')}."
        )
    margin = f"the margin is {_of_revenue(accounts)} over {plural(accounts.period.days, 'day')}"
    if unknown:
        margin += f", without {unknown_customers(accounts)}"
    if losing:
        return (
            f"{count(len(losing))} of {plural(known, 'customer')} cost {dollars(lost(losing))} more than they paid, "
            f"{losing[0].name} alone {dollars(-losing[0].margin)}; {margin}."
            if len(losing) > 1
            else f"{losing[0].name} cost {dollars(lost(losing))} more than it paid, "
            f"{'and is the only customer' if known == 1 else f'the only one of {count(known)} customers'}; {margin}."
        )
    if known == 1:
        return f"The one customer, {accounts.known[0].name}, pays at least what it costs; {margin}."
    return f"No customer loses money: {some_of(known, known, 'customer')} pay at least what they cost; {margin}."


def _metrics(spans: Spans) -> tuple[Metric, ...]:
    def if_judged(value: Callable[[Accounts], object]) -> Callable[[Accounts], object]:
        return lambda accounts: value(accounts) if _judged(accounts) else None

    known = "Customers of known revenue." if spans[0].known else "Unknown: no customer's tier has a price in [tiers]."
    whose = "Unknown: no call has a cost." if spans[0].uncosted else known
    return (
        Metric.over(
            spans,
            if_judged(lambda a: a.margin),
            id="margin",
            label="Margin",
            unit="usd",
            better="higher",
            home=2,
            note=f"Revenue less cost. {whose}",
        ),
        Metric.over(
            spans,
            if_judged(lambda a: margin_percent(a.margin, a.revenue)),
            id="margin_percent",
            label="Margin %",
            unit="percent",
            better="higher",
            note="Margin / revenue x 100.",
        ),
        Metric.over(
            spans,
            lambda a: a.revenue if a.known else None,
            id="revenue",
            label="Revenue",
            unit="usd",
            better="higher",
            note=f"Tier prices for the charged days. {known}",
        ),
        Metric.over(
            spans,
            if_judged(_cost_per_customer),
            id="cost_per_customer",
            label="Cost per customer and month",
            unit="usd",
            better="lower",
            note="Unit cost: cost / calendar months charged, of the customers of known revenue.",
        ),
        Metric.over(
            spans,
            if_judged(lambda a: len(losing_accounts(a))),
            id="unprofitable",
            label="Unprofitable customers",
            unit="count",
            better="lower",
            note="Customers that cost more than they pay.",
        ),
        Metric.over(
            spans,
            if_judged(lambda a: lost(losing_accounts(a))),
            id="lost",
            label="Lost on them",
            unit="usd",
            better="lower",
            note="What the unprofitable customers cost more than they pay.",
        ),
        Metric.over(
            spans,
            lambda a: a.unknown_cost,
            id="unknown_cost",
            label="Cost without known revenue",
            unit="usd",
            better="lower",
            note="Cost of customers whose tier has no known price; in no margin.",
        ),
    )


def _judged(accounts: Accounts) -> bool:
    """Whether margins can be told: they take a known revenue and a logged cost."""
    return bool(accounts.known) and not accounts.uncosted


def _assumptions(calls: Calls, accounts: Accounts) -> list[str]:
    prices = ", ".join(f"{tier} {dollars(price)}" for tier, price in sorted(calls.settings.tiers.items()))
    lines = [
        f"Tier prices a calendar month: {prices} ([tiers] in finops.toml).",
        "A customer pays from the day of its first call in the log on, also on days without calls and after its last "
        "call: the log does not say when a subscription begins or ends. What came before the log is not known.",
        "A call that states no tier changes no tier.",
        "Cost is the logged cost of AI calls; other costs of serving a customer are not in the log.",
    ]
    silent, charged = charged_after_last_call(accounts)
    if silent:
        lines.append(
            f"{plural(silent, 'customer')} made no call in the last {QUIET_DAYS} days or more; the days after "
            f"their last call bring {dollars(charged)} of the revenue. Where they have left, that revenue is not there."
        )
    return lines


def _cost_per_customer(accounts: Accounts) -> Decimal | None:
    months = sum((a.paid.months for a in accounts.known), Fraction(0))
    return dollars_of(Fraction(accounts.cost) / months) if months else None


def _of_revenue(accounts: Accounts) -> str:
    share = margin_percent(accounts.margin, accounts.revenue)
    kept = "" if share is None else f" ({percent(share)})"
    return f"{dollars(accounts.margin)}{kept} on {dollars(accounts.revenue)} of revenue"
