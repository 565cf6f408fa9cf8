"""What customers pay, worked out by hand."""

from datetime import date
from decimal import Decimal
from fractions import Fraction
from functools import cache
from gc import collect
from weakref import ref

import pytest
from finops_plugin_revenue.accounts import read_accounts
from finops_plugin_revenue.revenue import Revenue, dollars_of, months_between, read_subscriptions
from hypothesis import given
from hypothesis import strategies as st

from finops_core import Calls, Period, PeriodChoice, Settings
from finops_core.testing import calls_from

DAYS = st.dates(date(2023, 1, 1), date(2028, 12, 31))


def call(day: str, customer: str = "c", tier: str | None = "pro") -> dict[str, object]:
    return {"timestamp": day, "customer_id": customer, "subscription_tier": tier}


def customer_revenue(calls: Calls) -> Revenue:
    """The revenue of the analyzed period, customer by customer."""
    assert calls.period is not None
    return read_subscriptions(calls).over(calls.period)


def test_a_day_of_a_long_month_brings_less_than_a_day_of_a_short_one() -> None:
    # 30 January to 2 February 2026 at $99: 2 x 99/31 + 2 x 99/28 = 6.387096774 + 7.071428571 = 13.458525346
    revenue = customer_revenue(calls_from([call("2026-01-30"), call("2026-02-02")]))
    assert revenue.known["c"].revenue == Decimal("13.458525346")
    assert revenue.known["c"].days == 4
    assert revenue.known["c"].months == Fraction(2, 31) + Fraction(2, 28)


@pytest.mark.parametrize(("year", "days"), [(2023, 28), (2024, 29)])
def test_a_whole_february_brings_the_whole_price_in_leap_years_too(year: int, days: int) -> None:
    revenue = customer_revenue(calls_from([call(f"{year}-02-01"), call(f"{year}-02-{days}")]))
    assert (revenue.known["c"].days, revenue.known["c"].revenue) == (days, Decimal(99))


def test_one_day_of_a_leap_february_is_a_twenty_ninth() -> None:
    # 29 / 29 = 1
    revenue = customer_revenue(calls_from([call("2024-02-29 23:59:59", tier="starter")]))
    assert revenue.known["c"].revenue == Decimal(1)


def test_charging_begins_on_the_day_of_the_first_call_and_goes_on_through_silence() -> None:
    # June has 30 days; a new customer from the 11th on is charged 20 of them: 99 x 20/30 = 66
    calls = calls_from([call("2026-06-01", "old"), call("2026-06-11 23:00", "new"), call("2026-06-30", "old")])
    revenue = customer_revenue(calls)
    assert (revenue.known["new"].days, revenue.known["new"].revenue) == (20, Decimal(66))
    assert revenue.known["old"].revenue == Decimal(99)
    assert revenue.total == Decimal(165)


def test_a_first_call_before_the_period_charges_the_whole_period() -> None:
    rows = [call("2026-05-20", "early"), call("2026-06-16", "late"), call("2026-06-30", "early")]
    choice = PeriodChoice(date(2026, 6, 1), date(2026, 6, 30))
    revenue = customer_revenue(calls_from(rows, choice=choice))
    assert {c.customer_id: (c.days, c.first_day) for c in revenue.known.values()} == {
        "early": (30, date(2026, 5, 20)),
        "late": (15, date(2026, 6, 16)),
    }


def test_the_tier_of_a_day_is_that_of_the_latest_call_on_or_before_it() -> None:
    # Pro on 1-10 June, enterprise from the evening of the 11th on: 10/30 x 99 + 20/30 x 299 = 33 + 199.33..
    rows = [
        call("2026-06-01"),
        call("2026-06-11 08:00", tier="pro"),
        call("2026-06-11 20:00", tier="enterprise"),
        call("2026-06-30", tier="enterprise"),
    ]
    paid = customer_revenue(calls_from(rows)).known["c"]
    assert paid.tier == "enterprise"
    assert paid.revenue == Decimal("232.333333333")


def test_a_tier_from_before_the_period_holds_until_another_is_stated() -> None:
    rows = [call("2026-05-31", tier="starter"), call("2026-06-16", tier=None), call("2026-06-30", tier="pro")]
    calls = calls_from(rows, choice=PeriodChoice(date(2026, 6, 1), date(2026, 6, 30)))
    # 29 days of starter, then one of pro: 29 x 29/30 + 99/30 = 28.0333.. + 3.3 = 31.3333..
    assert customer_revenue(calls).known["c"].revenue == Decimal("31.333333333")


def test_going_back_to_an_earlier_tier_counts() -> None:
    rows = [call("2026-06-01", tier="pro"), call("2026-06-11", tier="starter"), call("2026-06-21", tier="pro")]
    calls = calls_from([*rows, call("2026-06-30", tier="pro")])
    # 20 days of pro and 10 of starter: 66 + 29/3
    assert customer_revenue(calls).known["c"].revenue == Decimal("75.666666667")


@pytest.mark.parametrize(
    ("rows", "why"),
    [
        ([call("2026-06-01", tier=None), call("2026-06-30", tier=None)], "no tier stated in the log"),
        ([call("2026-06-01", tier="gold"), call("2026-06-30", tier="gold")], "tier 'gold' has no price"),
        ([call("2026-06-01", tier=None), call("2026-06-30", tier="pro")], "no tier stated up to 2026-06-29"),
        ([call("2026-06-01", tier="pro"), call("2026-06-30", tier="Pro")], "tier 'Pro' has no price"),
    ],
)
def test_a_day_without_a_price_makes_the_customers_revenue_unknown(rows: list[dict[str, object]], why: str) -> None:
    revenue = customer_revenue(calls_from(rows))
    assert revenue.known == {}
    assert revenue.unknown["c"].why == why
    assert revenue.total == 0


def test_a_tier_gets_its_price_from_the_settings() -> None:
    calls = calls_from([call("2026-06-01", tier="gold"), call("2026-06-30")], settings=Settings(tiers={"gold": 60}))
    # 29 days of gold at $60, then one of pro at $99: 58 + 3.3
    assert customer_revenue(calls).known["c"].revenue == Decimal("61.3")


def test_the_spans_of_a_comparison_are_charged_by_their_own_days() -> None:
    calls = calls_from([call("2026-06-01"), call("2026-06-28"), call("2026-06-20", "late")])
    assert calls.comparison is not None
    subscriptions = read_subscriptions(calls)
    # 14 of 30 days each at $99; the late customer began in the later span: 9 of 30 days
    previous, current = subscriptions.over(calls.comparison.previous), subscriptions.over(calls.comparison.current)
    assert {c: r.revenue for c, r in previous.known.items()} == {"c": Decimal("46.2")}
    assert {c: r.revenue for c, r in current.known.items()} == {"c": Decimal("46.2"), "late": Decimal("29.7")}


def test_revenue_is_split_by_use_and_unknown_revenue_is_not() -> None:
    calls = calls_from([call("2026-06-01"), call("2026-06-30"), call("2026-06-30", "x", None)])
    # 99 split 1 : 2 is 33 and 66; who used nothing gets nothing; evenly where nothing was used at all
    revenue = customer_revenue(calls)
    assert revenue.split_by_use(["c", "x", "c", "c"], [1, 5, 2, 0]) == [Decimal(33), None, Decimal(66), Decimal(0)]
    assert revenue.split_by_use(["c", "c", "c"], [0, 0, 0]) == [Decimal(33)] * 3


@cache
def two_customers() -> Revenue:
    calls = calls_from([call("2026-01-05", "a"), call("2026-02-03", "b", "starter"), call("2026-02-03", "a")])
    return customer_revenue(calls)


@given(st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 10**9)), min_size=1, max_size=20))
def test_what_is_split_by_use_adds_up_to_each_customers_revenue(rows: list[tuple[str, int]]) -> None:
    revenue = two_customers()
    shares = revenue.split_by_use([c for c, _ in rows], [n for _, n in rows])
    for customer in {c for c, _ in rows}:
        parts = [share for (c, _), share in zip(rows, shares, strict=True) if c == customer]
        assert sum(p for p in parts if p is not None) == revenue.known[customer].revenue


@given(DAYS, DAYS, DAYS)
def test_months_add_up_over_any_cut(a: date, b: date, c: date) -> None:
    first, cut, last = sorted((a, b, c))
    after = months_between(date.fromordinal(cut.toordinal() + 1), last) if cut < last else 0
    assert months_between(first, cut) + after == months_between(first, last)


@given(DAYS.map(lambda d: d.replace(day=1)))
def test_a_calendar_month_is_one_month(first: date) -> None:
    next_first = date(first.year + first.month // 12, first.month % 12 + 1, 1)
    assert months_between(first, date.fromordinal(next_first.toordinal() - 1)) == 1


@given(st.fractions(-(10**18), 10**18))
def test_dollars_are_rounded_once_to_the_nearest_nano_dollar(amount: Fraction) -> None:
    assert abs(Fraction(dollars_of(amount)) - amount) <= Fraction(1, 2 * 10**9)


def test_the_order_of_rows_changes_nothing_even_among_calls_of_one_microsecond() -> None:
    rows = [
        call("2026-06-01", tier="pro"),
        call("2026-06-11", tier="starter"),
        call("2026-06-11", tier="enterprise"),
        call("2026-06-30", "d", None),
    ]
    forward, backward = (customer_revenue(calls_from(r)) for r in (rows, rows[::-1]))
    assert forward == backward
    # Of two tiers at the same moment the last by name holds: starter. 10 x 99/30 + 20 x 29/30 = 33 + 19.333..
    assert forward.known["c"].revenue == Decimal("52.333333333")


def test_a_period_before_the_first_call_brings_nothing() -> None:
    subscriptions = read_subscriptions(calls_from([call("2026-06-10")]))
    revenue = subscriptions.over(Period(date(2026, 6, 1), date(2026, 6, 9)))
    assert (revenue.known, revenue.unknown, revenue.total) == ({}, {}, 0)


def test_several_reports_read_the_same_calls_once() -> None:
    calls, others = calls_from([call("2026-06-10")]), calls_from([call("2026-06-10", customer="d")])
    assert read_subscriptions(calls) is read_subscriptions(calls)
    assert list(read_subscriptions(others).by_customer) == ["d"]


def test_what_was_read_goes_with_its_calls() -> None:
    calls = calls_from([call("2026-06-10")])
    read = ref(read_accounts(calls)[0])
    del calls
    collect()
    assert read() is None
