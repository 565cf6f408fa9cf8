from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from finops_core import split, usd

AMOUNTS = st.decimals(min_value=-(10**15), max_value=10**15, places=9)
WEIGHTS = st.lists(
    st.one_of(st.integers(0, 10**12), st.decimals(min_value=0, max_value=10**6, places=9), st.floats(0, 1e9)),
    min_size=1,
    max_size=40,
)


def test_a_third_of_a_dollar_leaves_its_last_digit_to_the_first_share():
    # 1 / 3 = 0.333333333 with a remainder of one nano-dollar; equal remainders go to the earlier share
    assert split(Decimal(1), [1, 1, 1]) == [Decimal("0.333333334"), Decimal("0.333333333"), Decimal("0.333333333")]


def test_shares_follow_the_weights_and_the_rest_goes_to_the_largest_remainder():
    # 10 nano-dollars by 5 : 3 : 1 are 5.56, 3.33 and 1.11: floors 5, 3, 1, and the one left over goes to .56
    assert split(Decimal("0.000000010"), [5, 3, 1]) == [Decimal("6E-9"), Decimal("3E-9"), Decimal("1E-9")]


def test_weights_that_are_all_zero_share_out_evenly():
    assert split(Decimal(3), [0, 0, 0]) == [Decimal(1)] * 3


@pytest.mark.parametrize("weights", [[], [1, -1]])
def test_a_split_without_weights_or_with_a_negative_one_is_refused(weights):
    with pytest.raises(ValueError, match="needs weights"):
        split(Decimal(1), weights)


@given(AMOUNTS, WEIGHTS)
def test_shares_add_up_to_the_last_digit(total, weights):
    assert sum(split(total, weights), Decimal(0)) == total


@given(AMOUNTS, WEIGHTS)
def test_no_share_is_off_by_more_than_a_nano_dollar(total, weights):
    exact = [Fraction(Decimal(repr(w)) if isinstance(w, float) else Decimal(w)) for w in weights]
    if not any(exact):
        exact = [Fraction(1)] * len(exact)
    for share, weight in zip(split(total, weights), exact, strict=True):
        assert abs(Fraction(share) - Fraction(total) * weight / sum(exact)) < Fraction(1, 10**9)


@pytest.mark.parametrize(
    ("value", "expected"),
    [("0.0000000005", "0E-9"), ("0.0000000015", "2E-9"), (0.1, "0.1"), (7, "7"), (Decimal("1E-9"), "1E-9")],
)
def test_dollars_have_nine_digits_rounded_half_to_even(value, expected):
    assert usd(value) == Decimal(expected)
    assert usd(value).as_tuple().exponent == -9


@pytest.mark.parametrize("value", [float("nan"), float("inf"), "NaN"])
def test_what_is_not_a_finite_number_is_not_money(value):
    with pytest.raises(ValueError, match="not a finite amount"):
        usd(value)
