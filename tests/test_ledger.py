from __future__ import annotations

from decimal import Decimal

import pytest

from finops_core import calllog
from finops_core.errors import FinopsError
from finops_core.ledger import Ledger, check

HEADER = calllog.header_line()


def row(n: int, cost: bytes = b"0.100000000") -> bytes:
    return b"2026-01-05T08:00:00.123Z,id%d,openai,gpt-5,10,2,%s,,c1" % (n, cost) + b"," * 17 + b"\n"


def write(log, *parts: bytes) -> None:
    log.write_bytes(b"".join(parts))


def ids(ledger: Ledger) -> list[str]:
    return [found["call_id"] for found in ledger.calls().rows("SELECT call_id FROM calls ORDER BY call_id")]


@pytest.fixture
def log(tmp_path):
    return tmp_path / "log.csv"


def test_a_log_is_read_into_typed_calls(log):
    calllog.append(log, [row(1), row(2, b"0.200000001")])
    ledger = Ledger(log)
    result = ledger.ingest()
    assert (result.accepted, result.bytes_read, result.again) == (2, log.stat().st_size, False)
    assert ledger.counts.add_up()
    assert (ledger.counts.lines, ledger.counts.header, ledger.counts.accepted) == (3, 1, 2)
    assert ledger.cost_usd == Decimal("0.300000001")
    assert ids(ledger) == ["id1", "id2"]


def test_without_any_call_there_is_a_ledger_to_query(log):
    calllog.append(log, [])
    ledger = Ledger(log)
    ledger.ingest()
    calls = ledger.calls()
    assert calls.total == 0
    assert calls.period is None
    assert ledger.segments == []


def test_only_new_bytes_are_read_when_the_log_has_grown(log):
    calllog.append(log, [row(1)])
    ledger = Ledger(log)
    ledger.ingest()
    written = calllog.append(log, [row(2)])
    assert ledger.ingest().bytes_read == written
    assert ids(ledger) == ["id1", "id2"]
    assert ledger.ingest().bytes_read == 0


def test_a_log_that_does_not_exist_is_named(log):
    with pytest.raises(FinopsError, match=r"log\.csv: cannot be read"):
        Ledger(log).ingest()
    assert list(log.parent.iterdir()) == []


def test_a_check_says_the_same_as_the_ledger_and_writes_nothing(log):
    write(log, HEADER, row(1), row(1), b"\n", row(2)[:-2])
    before = log.stat()
    result = check(log)
    assert list(log.parent.iterdir()) == [log]
    assert log.stat().st_mtime_ns == before.st_mtime_ns
    ledger = Ledger(log)
    ledger.ingest()
    assert result.counts == ledger.counts
    assert result.document() == {
        "lines": 5,
        "header": 1,
        "repeated_headers": 0,
        "accepted": 1,
        "quarantined": 1,
        "blank": 1,
        "pending": 1,
        "cost_usd": "0.100000000",
        "refused": None,
        "quarantine": [{"line": 3, "code": "E_DUP_ID", "reason": f"the call at byte {len(HEADER)} again"}],
        "naive_timestamps": 0,
        "rounded_costs": 0,
        "unknown_columns": [],
    }
