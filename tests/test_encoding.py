import csv
import io
from datetime import UTC, datetime
from decimal import Decimal

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from finops_core.call import NAMES, SCHEMA
from finops_core.encoding import encode, money_array, money_text, nanos, timestamp_text
from finops_core.testing import calls_from

TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0\r\n"), max_size=12)
US = st.integers(946_684_800_000_000, 4_102_444_799_999_999)  # 2000 to 2099


def lines(rows):
    table = calls_from(rows).sql("SELECT * FROM calls ORDER BY call_id")
    return list(csv.reader(io.StringIO(encode(table).decode()), strict=True))


@given(st.lists(US, min_size=1, max_size=5))
def test_a_time_is_read_back_to_the_microsecond(us):
    texts = timestamp_text(np.array(us)).to_pylist()
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    assert [(datetime.fromisoformat(t) - epoch) // (datetime.resolution) for t in texts] == us


def test_times_have_three_digits_and_six_only_where_they_are_needed():
    assert timestamp_text(np.array([1_767_600_000_123_000])).to_pylist() == ["2026-01-05T08:00:00.123Z"]
    assert timestamp_text(np.array([1_767_600_000_123_456])).to_pylist() == ["2026-01-05T08:00:00.123456Z"]


@given(st.lists(st.integers(0, 10**18 - 1), max_size=8))
def test_money_is_written_with_nine_digits_and_without_an_exponent(amounts):
    texts = money_text(np.array(amounts, dtype=np.int64)).to_pylist()
    assert [int(Decimal(t).scaleb(9)) for t in texts] == amounts
    assert all(len(t.partition(".")[2]) == 9 and (t == "0" or not t.startswith("00")) for t in texts)


@given(st.lists(st.integers(-(10**18), 10**18), max_size=8))
def test_nano_dollars_and_decimals_are_the_same_bytes(amounts):
    array = money_array(np.array(amounts, dtype=np.int64))
    assert [int(d.scaleb(9)) for d in array.to_pylist()] == amounts
    assert nanos(array).tolist() == amounts


def test_a_call_is_one_line_with_a_field_for_each_column():
    (fields,) = lines(
        [{"timestamp": "2026-01-05T08:00:00", "cost_usd": "0.0000001", "input_tokens": 12, "source": "x"}]
    )
    row = dict(zip(NAMES, fields, strict=True))
    assert row["timestamp"] == "2026-01-05T08:00:00.000Z"
    assert row["cost_usd"] == "0.000000100"
    assert (row["input_tokens"], row["latency_ms"], row["cache_read_tokens"]) == ("12", "", "0")
    assert (row["status"], row["source"], row["tags"]) == ("success", "x", "")


@given(TEXT, TEXT)
def test_any_text_is_read_back_as_it_was(customer, tags):
    (fields,) = lines([{"customer_id": customer, "tags": tags, "source": 'a "quoted", one'}])
    row = dict(zip(NAMES, fields, strict=True))
    assert (row["customer_id"], row["tags"], row["source"]) == (customer, tags, 'a "quoted", one')


def test_only_rows_that_need_quotes_make_quotes():
    assert b'"' not in encode(calls_from([{"customer_id": "plain"}]).sql("SELECT * FROM calls"))


def test_dictionary_encoded_texts_make_the_same_lines():
    table = calls_from([{"customer_id": "a"}, {"customer_id": "b", "provider": "x"}]).sql("SELECT * FROM calls")
    encoded = pa.table(
        [c.dictionary_encode() if pa.types.is_string(c.type) else c for c in table.columns], names=table.column_names
    )
    assert encode(encoded) == encode(table)


def test_no_calls_are_no_lines():
    assert encode(SCHEMA.empty_table()) == b""
