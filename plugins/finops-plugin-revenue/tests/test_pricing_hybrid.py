"""The search for the hybrid against every plan that could be tried by hand, and prices as people print them."""

from datetime import datetime
from decimal import Decimal
from itertools import pairwise, product

import pytest
from finops_plugin_revenue.accounts import Accounts, read_accounts
from finops_plugin_revenue.pricing.hybrid import HybridTerms, best_hybrids
from finops_plugin_revenue.pricing.offers import amount_text, price_text
from finops_plugin_revenue.pricing.plans import Hybrid, outcome, readable
from hypothesis import given, settings
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


@settings(max_examples=30, deadline=None)
@given(CUSTOMERS, st.integers(0, 3))
def test_no_plan_of_a_grid_within_the_limit_earns_more(customers: list[tuple[str, int]], n: int) -> None:
    accounts = accounts_of(customers)
    (best,) = best_hybrids(accounts, HybridTerms("tokens"), RISE, [n])
    if best is None:
        assert all(used == 0 for _, used in customers)
        return
    gain = outcome(best, accounts, RISE).gain
    allowances = {readable(used / a.revenue, 3, "up") for a in accounts.known if (used := Decimal(a.use.tokens) / 1000)}
    for included, share in product(allowances, (Decimal(i) / 8 for i in range(1, 9))):
        other = outcome(Hybrid("tokens", None, included, share / included), accounts, RISE)
        if len(other.raised) <= n:
            # The search rounds its price down at the fourth digit, at most 0.1 % of the overage.
            assert other.gain <= gain * Decimal("1.0011") + Decimal("1e-6")


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
    # = 0.13156..; at a fixed price of 1 the only allowance that raises nobody is 200 / 99 = 2.0203 (2.03)
    (searched,) = best_hybrids(accounts, HybridTerms("tokens", included=Decimal("0.5")), RISE, [0])
    assert searched == Hybrid("tokens", None, Decimal("0.5"), Decimal("0.1315"))
    (at_one,) = best_hybrids(accounts, HybridTerms("tokens", overage=Decimal(1)), RISE, [0])
    assert at_one == Hybrid("tokens", None, Decimal("2.03"), Decimal(1))


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
