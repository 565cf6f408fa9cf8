"""What holds for every log, whatever is in it and in whatever pieces it is read."""

from __future__ import annotations

import tempfile
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from finops_core import calllog
from finops_core.call import NAMES
from finops_core.ledger import Ledger, check

HEADER = calllog.header_line()
REVERSED = ",".join(reversed(NAMES)).encode() + b"\n"
LARGEST_NANOS = 999_999_999 * 10**9


def cells(n: int, cost: str = "0.100000000", customer: str = "c1") -> dict[str, str]:
    return {
        **dict.fromkeys(NAMES, ""),
        "timestamp": "2026-01-05T08:00:00.123Z",
        "call_id": f"id{n}",
        "provider": "openai",
        "model": "gpt-5",
        "input_tokens": "10",
        "output_tokens": "5",
        "cost_usd": cost,
        "customer_id": customer,
    }


def row(n: int, cost: str = "0.100000000", customer: str = "c1") -> bytes:
    return ",".join(cells(n, cost, customer).values()).encode() + b"\n"


def fresh_log() -> Path:
    return Path(tempfile.mkdtemp()) / "log.csv"


@pytest.fixture(autouse=True)
def temporary_folders(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))


def contents(ledger: Ledger):
    """Everything a ledger says, except how it is stored."""
    rows = ledger.calls().sql("SELECT * FROM history ORDER BY call_id").to_pylist()
    return ledger.counts, ledger.cost_usd, ledger.offset, ledger.fingerprint, ledger.quarantine(), rows


def at_once(data: bytes):
    log = fresh_log()
    log.write_bytes(data)
    ledger = Ledger(log)
    ledger.ingest()
    return contents(ledger)


LINES = st.one_of(
    st.integers(0, 6).map(row),
    st.integers(0, 6).map(lambda n: row(n, "0.2", "ü")),
    st.integers(0, 6).map(lambda n: row(n)[:-1] + b"\r\n"),
    st.integers(0, 6).map(lambda n: ",".join(reversed(cells(n).values())).encode() + b"\n"),
    st.sampled_from([b"\n", HEADER, REVERSED, b"bad\n", b'"\n', b"\0\n", b"\xff\n", b"x" * 70_000 + b"\n"]),
)
BLANK = st.sampled_from([b"", b"\n", b"\r\n\n"])
LOGS = st.builds(lambda blank, lines: blank + HEADER + b"".join(lines), BLANK, st.lists(LINES, max_size=12))


@given(st.binary(max_size=200) | LOGS.flatmap(lambda log: st.binary(max_size=30).map(lambda junk: log + junk)))
@settings(max_examples=60, deadline=None)
def test_any_bytes_are_counted_or_refused_in_words(data):
    log = fresh_log()
    log.write_bytes(data)
    result = check(log)
    assert result.counts.add_up()
    assert log.read_bytes() == data
    if result.refused:
        assert result.refused.code.startswith("F_")
    else:
        assert result.counts.lines == data.count(b"\n") + (not data.endswith(b"\n"))
        assert len(result.quarantine) == result.counts.quarantined == sum(result.counts.reasons.values())


@given(LOGS, st.lists(st.floats(0, 1), max_size=4))
@settings(max_examples=25, deadline=None)
def test_a_ledger_built_in_steps_is_the_ledger_built_at_once(data, cuts):
    log = fresh_log()
    ledger = Ledger(log)
    start = len(data) - len(data.lstrip()) + 1  # a file of blank lines is refused
    for end in sorted({*(start + int(cut * (len(data) - start)) for cut in cuts), len(data)}):
        with log.open("ab") as file:
            file.write(data[log.stat().st_size : end])
        assert not ledger.ingest().again
    assert contents(ledger) == at_once(data)


@given(st.lists(LINES, min_size=1, max_size=30), st.integers(0, 200_000))
@settings(max_examples=25, deadline=None)
def test_reading_in_blocks_of_any_size_is_reading_at_once(lines, extra):
    data = HEADER + b"".join(lines) + b"y" * extra + b"\n" + b"".join(lines) + b"z" * extra
    whole = at_once(data)
    defaults = calllog.blocks.__defaults__
    calllog.blocks.__defaults__ = (1,)
    try:
        assert at_once(data) == whole
    finally:
        calllog.blocks.__defaults__ = defaults


@given(st.integers(0, 5), st.data())
@settings(max_examples=50, deadline=None)
def test_a_prefix_of_a_clean_log_is_clean_and_accepts_a_prefix_of_its_rows(rows, data):
    whole = HEADER + b"".join(row(n) for n in range(rows))
    end = data.draw(st.integers(1, len(whole)))
    log = fresh_log()
    log.write_bytes(whole[:end])
    counts = check(log).counts
    complete = whole[:end].count(b"\n")
    assert (counts.header, counts.accepted) == (min(complete, 1), max(complete - 1, 0))
    assert (counts.quarantined, counts.blank, counts.pending) == (0, 0, int(whole[end - 1 : end] != b"\n"))


@given(st.permutations(NAMES), st.lists(st.integers(0, 10**12), min_size=1, max_size=5))
@settings(max_examples=25, deadline=None)
def test_any_order_of_columns_gives_the_same_ledger(order, nanos):
    def log_in(names):
        rows = [cells(n, f"{Decimal(cost).scaleb(-9):f}") for n, cost in enumerate(nanos)]
        return "".join(",".join(line) + "\n" for line in [names, *([cell[name] for name in names] for cell in rows)])

    counts, cost, _, _, _, rows = at_once(log_in(order).encode())
    counts_of_ours, cost_of_ours, _, _, _, rows_of_ours = at_once(log_in(NAMES).encode())
    assert (counts, cost, rows) == (counts_of_ours, cost_of_ours, rows_of_ours)
    assert cost == Decimal(sum(nanos)).scaleb(-9)


@given(st.lists(st.integers(0, LARGEST_NANOS), min_size=1, max_size=20))
@settings(max_examples=25, deadline=None)
def test_money_comes_back_to_the_last_digit(nanos):
    """Also where a double could not: 20 costs of up to 10^18 nano-dollars, summed as whole numbers by hand."""
    log = fresh_log()
    calllog.append(log, [row(n, f"{Decimal(cost).scaleb(-9):.9f}") for n, cost in enumerate(nanos)])
    ledger = Ledger(log)
    ledger.ingest()
    assert ledger.cost_usd == Decimal(sum(nanos)).scaleb(-9)
    (total,) = ledger.calls().rows("SELECT sum(cost_usd) AS cost FROM calls")
    assert total["cost"] == ledger.cost_usd
    each = ledger.calls().rows("SELECT cost_usd FROM calls ORDER BY CAST(substr(call_id, 3) AS INTEGER)")
    assert [found["cost_usd"] for found in each] == [Decimal(cost).scaleb(-9) for cost in nanos]
    assert ledger.counts.rounded_costs == 0
