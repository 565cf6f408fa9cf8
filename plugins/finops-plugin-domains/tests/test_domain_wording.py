"""Parts of a whole, as a finance team would say them."""

import pytest
from finops_plugin_domains.wording import are, begin, some_of


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
def test_a_part_of_a_whole_is_a_subject_with_its_verb(part, whole, sentence):
    assert begin(f"{some_of(part, whole, 'call')} {are(part)} late.") == sentence
