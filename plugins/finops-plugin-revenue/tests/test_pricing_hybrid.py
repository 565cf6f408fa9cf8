"""The search for the hybrid against every plan that could be tried by hand, and prices as people print them."""

from datetime import datetime
from decimal import Decimal
from itertools import combinations, pairwise

import pytest
from finops_plugin_revenue.accounts import Accounts, read_accounts
from finops_plugin_revenue.pricing.hybrid import HybridTerms, best_hybrids
from finops_plugin_revenue.pricing.offers import amount_text, price_text
from finops_plugin_revenue.pricing.plans import Hybrid, bases, outcome, readable
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from finops_core.testing import calls_from

CUSTOMERS = st.lists(
    st.tuples(st.sampled_from(["starter", "pro", "enterprise"]), st.integers(0, 5000)), min_size=1, max_size=8
)
RISE = Decimal(20)


def accounts_of(customers: list[tuple[str, int]]) -> Accounts:
    """Customers of a tier with some thousands of tokens in one June."""
    days = (datetime(2026, 6, 1), datetime(2026, 6, 30))
    return read_accounts(
        calls_from(
            {"customer_id": f"c{i}", "timestamp": day, "subscription_tier": tier, "input_tokens": 1000 * n * first}
            for i, (tier, n) in enumerate(customers)
            for first, day in enumerate(days)
        )
    )[0]


@settings(max_examples=60, deadline=None)
@given(CUSTOMERS, st.integers(0, 8), st.none() | st.integers(0, 300).map(Decimal))
def test_the_limit_is_kept_in_exact_decimals(customers: list[tuple[str, int]], n: int, base: Decimal | None) -> None:
    accounts = accounts_of(customers)
    (plan,) = best_hybrids(accounts, HybridTerms("tokens", base), RISE, [n])
    if plan is not None:
        assert len(outcome(plan, accounts, RISE).raised) <= n
        assert plan.overage * plan.included <= 1


def most_by_brute_force(accounts: Accounts, base: Decimal | None, n: int) -> float:
    """What the best plan of many earns beyond its bases, with at most ``n`` raised bills: every plan billed one by one.

    The allowances are a dense grid, and, as what is earned has peaks between the points of any grid, those where it
    can have one: where a customer stands at its allowance, where the cap meets a customer's highest price, and where
    the highest prices of two customers meet. For each, every customer's highest price and the cap are tried.
    """
    bases_ = [float(b) for b in bases(accounts, base)]
    customers = [(b, 1.2 * float(a.revenue), a.use.tokens / 1000) for a, b in zip(accounts.known, bases_, strict=True)]
    top = max(used / b for b, _, used in customers if b)
    allowances = {top * i / 400 for i in range(400)}
    allowances |= {used / b for b, _, used in customers} | {used / ceiling for _, ceiling, used in customers}
    for (b1, c1, u1), (b2, c2, u2) in combinations(customers, 2):
        slope = (c1 - b1) * b2 - (c2 - b2) * b1
        if slope:
            allowances.add(((c1 - b1) * u2 - (c2 - b2) * u1) / slope)
    most = -1.0
    for k in allowances:
        if k < 0:
            continue
        beyond = [max(0.0, used - k * b) for b, _, used in customers]
        prices = [(c - b) / over for (b, c, _), over in zip(customers, beyond, strict=True) if over]
        for price in (*prices, *([1 / k] if k else [])):
            raised = sum(b + price * over > c * (1 + 1e-12) for (b, c, _), over in zip(customers, beyond, strict=True))
            if price >= 0 and raised <= n and price * k <= 1 + 1e-12:
                most = max(most, price * sum(beyond))
    return most


@settings(max_examples=150, deadline=None)
@given(CUSTOMERS, st.integers(0, 3), st.none() | st.integers(10, 150).map(Decimal))
def test_no_plan_within_the_limit_earns_more(customers: list[tuple[str, int]], n: int, base: Decimal | None) -> None:
    assume(sum(used > 0 for _, used in customers) > n)
    accounts = accounts_of(customers)
    most = most_by_brute_force(accounts, base, n)
    (best,) = best_hybrids(accounts, HybridTerms("tokens", base), RISE, [n])
    if best is None:
        assert most < 0
        return
    todays = sum(bases(accounts, base), Decimal(0))
    earned = float(outcome(best, accounts, RISE).revenue - todays)
    # Rounded up at the fourth digit, an allowance takes up to a thousandth of the bases out of what is billed beyond
    # them, at no more than a dollar for a dollar's worth; the price is rounded down by up to a thousandth too, and of
    # plans a thousandth apart the one that includes most is taken.
    assert earned >= 0.997 * most - 0.001 * float(todays) - 1e-6


@settings(max_examples=60, deadline=None)
@given(CUSTOMERS, st.integers(0, 3), st.integers(1, 400))
def test_at_a_given_price_no_smaller_allowance_keeps_to_the_limit(
    customers: list[tuple[str, int]], n: int, cents: int
) -> None:
    accounts, price = accounts_of(customers), Decimal(cents) / 100
    (plan,) = best_hybrids(accounts, HybridTerms("tokens", overage=price), RISE, [n])
    if plan is None:
        assert all(used == 0 for _, used in customers)
        return
    assert len(outcome(plan, accounts, RISE).raised) <= n
    if plan.included:
        less = Hybrid("tokens", None, plan.included * Decimal("0.999"), price)
        assert len(outcome(less, accounts, RISE).raised) > n


@pytest.mark.parametrize(
    ("n", "included", "overage", "raised"),
    [
        # Nobody raised: s = u / today is 1, 2 and 10 thousand tokens a dollar. With nothing included c's bill holds the
        # price back: 0.2 x 99 / 990 = 0.02, which earns 0.02 x (99 + 198 + 990) = 25.74. At the crossing, 10 / 1.2 =
        # 8.33.., only c pays more: 19.80.
        (0, "0", "0.02", []),
        # c may be raised: b's bill is next, 19.80 / 198 = 0.1 at nothing included, which earns 128.70; at b's crossing,
        # 2 / 1.2 = 1.667 (rounded up), the cap is 0.59988..: 0.5998 x (990 - 165.033 + 198 - 165.033) = 514.59..
        (1, "1.667", "0.5998", ["c2"]),
        # b and c may be raised: a's crossing is 1 / 1.2 = 0.8334 (rounded up), the cap 1.1999
        (2, "0.8334", "1.199", ["c1", "c2"]),
    ],
)
def test_the_best_hybrid_includes_nothing_or_stands_where_the_cap_meets_the_limit(
    n: int, included: str, overage: str, raised: list[str]
) -> None:
    accounts = accounts_of([("pro", 99), ("pro", 198), ("pro", 990)])
    (plan,) = best_hybrids(accounts, HybridTerms("tokens"), RISE, [n])
    assert plan == Hybrid("tokens", None, Decimal(included), Decimal(overage))
    assert sorted(a.name for a, _ in outcome(plan, accounts, RISE).raised) == raised


def test_where_all_who_use_anything_may_be_raised_no_price_is_the_highest() -> None:
    accounts = accounts_of([("pro", 100), ("pro", 200), ("pro", 0)])
    assert best_hybrids(accounts, HybridTerms("tokens"), RISE, [2, 3]) == [None, None]
    assert best_hybrids(accounts, HybridTerms("tokens"), RISE, [1]) != [None]


@settings(max_examples=30, deadline=None)
@given(CUSTOMERS)
def test_a_wider_limit_never_earns_less(customers: list[tuple[str, int]]) -> None:
    accounts = accounts_of(customers)
    plans = best_hybrids(accounts, HybridTerms("tokens"), RISE, range(len(customers) + 1))
    gains = [outcome(plan, accounts, RISE).gain for plan in plans if plan is not None]
    # Rounded prices may cost a thousandth of a gain.
    assert all(wider >= gain * Decimal("0.9989") for gain, wider in pairwise(gains))


def test_a_base_that_alone_raises_too_many_bills_has_no_plan() -> None:
    # A base of $120 raises $99 by 21 %; $118.80 is exactly 20 % more, which is not over it
    accounts = accounts_of([("pro", 10), ("enterprise", 10)])
    assert best_hybrids(accounts, HybridTerms("tokens", Decimal(120)), RISE, [0]) == [None]
    assert best_hybrids(accounts, HybridTerms("tokens", Decimal("118.8")), RISE, [0]) != [None]


def test_what_is_fixed_stays_and_the_rest_is_searched() -> None:
    accounts = accounts_of([("pro", 100), ("pro", 200)])
    # 0.5 thousand tokens per dollar include 49.5; b is over by 150.5, a by 50.5. Nobody over 20 %: 19.80 / 150.5
    # = 0.13156..; at a fixed price of 1, b's 19.80 allow for 19.80 beyond: (200 - 19.80) / 99 = 1.8202.. (1.821)
    (searched,) = best_hybrids(accounts, HybridTerms("tokens", included=Decimal("0.5")), RISE, [0])
    assert searched == Hybrid("tokens", None, Decimal("0.5"), Decimal("0.1315"))
    (at_one,) = best_hybrids(accounts, HybridTerms("tokens", overage=Decimal(1)), RISE, [0])
    assert at_one == Hybrid("tokens", None, Decimal("1.821"), Decimal(1))


@pytest.mark.parametrize(
    ("value", "digits", "direction", "expected"),
    [
        ("142.3333", 4, "near", "142.33"),
        ("0.0123456", 4, "near", "0.01235"),
        ("0.0123456", 4, "down", "0.01234"),
        ("0.34482", 3, "up", "0.345"),
        ("23.0499", 3, "up", "23.05"),
        ("0.0000000001", 3, "up", "0.000000001"),
        ("0", 4, "near", "0"),
    ],
)
def test_prices_are_rounded_to_what_people_print(value: str, digits: int, direction: str, expected: str) -> None:
    assert readable(Decimal(value), digits, direction) == Decimal(expected)


@pytest.mark.parametrize(
    ("price", "text"),
    [("99.000", "$99"), ("93.7", "$93.70"), ("0.03021", "$0.03021"), ("1200", "$1,200"), ("0", "$0"), ("1E+2", "$100")],
)
def test_a_price_in_a_sentence_keeps_all_its_digits(price: str, text: str) -> None:
    assert price_text(Decimal(price)) == text


def test_amounts_are_told_in_their_unit() -> None:
    assert amount_text(Decimal("33.1"), "tokens") == "33,100 tokens"
    assert amount_text(Decimal("0.345"), "calls") == "0.345 calls"
    assert amount_text(Decimal(1), "calls") == "1 call"
    assert amount_text(Decimal("0.12"), "cost") == "$0.12 of cost"
