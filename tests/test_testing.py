"""Calls by hand, for tests."""

from datetime import datetime
from decimal import Decimal

import pytest

from finops_core import SCHEMA
from finops_core.testing import calls_from


def test_a_row_that_says_little_is_filled_in():
    (row,) = calls_from([{"cost_usd": 0.1}]).rows("SELECT * FROM calls")
    assert list(row) == SCHEMA.names
    assert row["cost_usd"] == Decimal("0.100000000")
    assert (row["timestamp"], row["customer_id"], row["status"]) == (datetime(2026, 1, 5, 12), "c1", "success")
    assert row["organization_id"] is None


def test_times_may_be_text():
    calls = calls_from([{"timestamp": "2026-02-03T04:05:06"}, {"timestamp": "2026-02-04"}])
    assert calls.now == datetime(2026, 2, 4)
    assert str(calls.period) == "2026-02-03 to 2026-02-04"


def test_a_column_that_a_call_does_not_have_is_told():
    with pytest.raises(ValueError, match="row 1: a call has no column 'costs'"):
        calls_from([{}, {"costs": 1}])
