from decimal import Decimal

import pytest

from finops_core.wording import are, begin, count, dollars, listing, percent, plural, signed_dollars, some_of


@pytest.mark.parametrize(
    ("amount", "text"),
    [
        (0, "$0"),
        (Decimal("0E-9"), "$0"),
        (Decimal("1234.5"), "$1,235"),
        (Decimal("999.994"), "$999.99"),
        (Decimal("-56.7"), "-$56.70"),
        (0.1, "$0.10"),
        (Decimal("0.0042"), "$0.0042"),
        (Decimal("0.05"), "$0.05"),
        (Decimal("0.000000001"), "$0.000000001"),
    ],
)
def test_dollars_keep_the_digits_that_matter(amount: Decimal | float, text: str) -> None:
    assert dollars(amount) == text


def test_a_change_carries_its_sign() -> None:
    assert [signed_dollars(v) for v in (12, -12, 0)] == ["+$12.00", "-$12.00", "$0"]


def test_percentages_round_as_people_do_and_never_show_a_negative_zero() -> None:
    assert [percent(v) for v in (12.25, -0.01, 1234.0)] == ["12.3 %", "0.0 %", "1,234.0 %"]
    assert percent(12.5, 0) == "13 %"


def test_counts_and_nouns_agree() -> None:
    assert count(420_000) == "420,000"
    assert [plural(n, "call") for n in (0, 1, 2000)] == ["0 calls", "1 call", "2,000 calls"]
    assert plural(2, "category", "categories") == "2 categories"


def test_names_become_a_phrase() -> None:
    assert [listing(["a"]), listing(["a", "b"]), listing(["a", "b", "c"])] == ["a", "a and b", "a, b and c"]
    names = [f"c{i}" for i in range(2_003)]
    assert [listing(names, most=2), listing(names[:2], most=2)] == ["c0, c1 and 2,001 more", "c0 and c1"]


@pytest.mark.parametrize(
    ("part", "whole", "sentence"),
    [
        (0, 1, "No call is late."),
        (1, 1, "The only call is late."),
        (0, 3, "No call is late."),
        (1, 3, "1 of 3 calls is late."),
        (2, 2, "Both calls are late."),
        (2, 3_000, "2 of 3,000 calls are late."),
        (3_000, 3_000, "All 3,000 calls are late."),
    ],
)
def test_a_part_of_a_whole_is_a_subject_with_its_verb(part: int, whole: int, sentence: str) -> None:
    assert begin(f"{some_of(part, whole, 'call')} {are(part)} late.") == sentence
