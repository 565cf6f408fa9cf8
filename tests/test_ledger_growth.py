"""The ledger follows its log: only new bytes are read, what changed is noticed, and what was killed leaves no trace."""

from __future__ import annotations

import errno
import json
import os
import sqlite3
import time
from decimal import Decimal

import pyarrow.parquet as pq
import pytest

from finops_core import calllog
from finops_core.errors import FinopsError, InputRefusedError
from finops_core.ledger import Ledger, check, store
from finops_core.ledger.reading import read_block

HEADER = calllog.header_line()


def row(n: int, cost: bytes = b"0.100000000", customer: bytes = b"c1") -> bytes:
    return b"2026-01-05T08:00:00.123Z,id%04d,openai,gpt-5,10,2,%s,,%s" % (n, cost, customer) + b"," * 17 + b"\n"


def ids(ledger: Ledger) -> list[int]:
    return [int(found["call_id"][2:]) for found in ledger.calls().rows("SELECT call_id FROM calls ORDER BY call_id")]


@pytest.fixture
def log(tmp_path):
    return tmp_path / "log.csv"


@pytest.fixture
def ledger(log):
    """Of a log with two calls, read."""
    calllog.append(log, [row(1), row(2)])
    ledger = Ledger(log)
    ledger.ingest()
    return ledger


def test_a_log_is_read_into_typed_calls(log):
    calllog.append(log, [row(1), row(2, b"0.200000001")])
    ledger = Ledger(log)
    result = ledger.ingest()
    assert (result.accepted, result.bytes_read, result.again) == (2, log.stat().st_size, False)
    assert (ledger.counts.lines, ledger.counts.header, ledger.counts.accepted) == (3, 1, 2)
    assert ledger.offset == log.stat().st_size
    assert ledger.cost_usd == Decimal("0.300000001")
    assert ids(ledger) == [1, 2]


def test_segments_hold_the_call_schema_without_a_time_zone(ledger):
    (segment,) = ledger.segments
    schema = pq.read_schema(segment)
    assert str(schema.field("timestamp").type) == "timestamp[us]"
    assert str(schema.field("cost_usd").type) == "decimal128(18, 9)"
    assert "finops" not in str(schema.metadata)


def test_without_any_call_there_is_a_ledger_to_query(log):
    calllog.append(log, [])
    ledger = Ledger(log)
    ledger.ingest()
    calls = ledger.calls()
    assert calls.total == 0
    assert calls.period is None
    assert ledger.segments == []


def test_a_ledger_that_was_never_made_is_empty_and_looking_at_it_makes_nothing(log):
    calllog.append(log, [row(1)])
    ledger = Ledger(log)
    assert (ledger.counts.lines, ledger.cost_usd, ledger.offset, ledger.quarantine()) == (0, 0, 0, [])
    assert ledger.calls().total == 0
    assert not ledger.folder.exists()


def test_a_log_that_does_not_exist_is_named_and_nothing_is_made(log):
    with pytest.raises(FinopsError, match=r"log\.csv: cannot be read"):
        Ledger(log).ingest()
    assert list(log.parent.iterdir()) == []


def test_only_new_bytes_are_read_when_the_log_has_grown(log, ledger):
    written = calllog.append(log, [row(3)])
    assert ledger.ingest().bytes_read == written
    assert ids(ledger) == [1, 2, 3]
    assert ledger.ingest().bytes_read == 0


def test_a_duplicate_is_found_over_any_number_of_ingests(log, ledger):
    for n in range(3, 8):
        calllog.append(log, [row(n)])
        ledger.ingest()
    calllog.append(log, [row(1), row(5, b"0.7"), row(8), row(8)])
    ledger.ingest()
    assert [bad["code"] for bad in ledger.quarantine()] == ["E_DUP_ID", "E_DUP_CONFLICT", "E_DUP_ID"]
    assert ids(ledger) == list(range(1, 9))
    assert check(log).counts == ledger.counts


def test_a_pending_line_counts_once_its_newline_is_there(log, ledger):
    with log.open("ab") as file:
        file.write(row(3)[:30])
    ledger.ingest()
    assert (ledger.counts.pending, ledger.counts.accepted) == (1, 2)
    with log.open("ab") as file:
        file.write(row(3)[30:])
    ledger.ingest()
    assert (ledger.counts.pending, ledger.counts.accepted, ledger.counts.lines) == (0, 3, 4)


def test_a_header_that_is_still_being_written_is_waited_for(log):
    log.write_bytes(b"\n" + HEADER[:50])
    ledger = Ledger(log)
    ledger.ingest()
    assert (ledger.counts.lines, ledger.counts.blank, ledger.counts.pending) == (2, 1, 1)
    log.write_bytes(b"\n" + HEADER + b"bad\n" + row(1))
    ledger.ingest()
    assert (ledger.counts.lines, ledger.counts.blank, ledger.counts.pending, ledger.counts.accepted) == (4, 1, 0, 1)
    assert [bad["line"] for bad in ledger.quarantine()] == [3]


def truncate(log):
    os.truncate(log, len(HEADER + row(1)))


def replace(log):
    new = log.with_name("new")
    new.write_bytes(HEADER + row(7) + row(8) + row(9))
    calllog.replace(log, new)


def rotate(log):
    log.rename(log.with_name("log.csv.1"))
    log.write_bytes(HEADER + row(7))


def edit_in_place(log):
    with log.open("r+b") as file:
        file.seek(len(HEADER))
        file.write(row(9))
    os.utime(log, ns=(1, 1))


def recreate(log):
    log.unlink()
    log.write_bytes(HEADER + row(5) + row(6))


def rewrite_and_grow(log):
    log.write_bytes(HEADER + row(5) + row(6) + row(7))


def grow_with_another_end_before(log):
    data = log.read_bytes()
    with log.open("r+b") as file:
        file.write(data.replace(b"id0002", b"id0003") + row(4))


CHANGES = [
    (truncate, [1]),
    (replace, [7, 8, 9]),
    (rotate, [7]),
    (edit_in_place, [2, 9]),
    (recreate, [5, 6]),
    (rewrite_and_grow, [5, 6, 7]),
    (grow_with_another_end_before, [1, 3, 4]),
]


@pytest.mark.parametrize(("change", "expected"), CHANGES, ids=[change.__name__ for change, _ in CHANGES])
def test_a_log_that_did_more_than_grow_is_read_again(log, ledger, change, expected):
    calllog.append(log, [b"bad\n"])
    ledger.ingest()
    change(log)
    result = ledger.ingest()
    assert result.again
    assert result.bytes_read == log.stat().st_size
    assert ids(ledger) == ids(Ledger(log)) == expected
    assert ledger.counts == check(log).counts
    assert len(ledger.quarantine()) == ledger.counts.quarantined


def test_an_edit_far_from_both_ends_with_growth_is_found_by_a_full_check_only(log):
    many = [row(n) for n in range(3000)]
    calllog.append(log, many)
    ledger = Ledger(log)
    ledger.ingest()
    with log.open("r+b") as file:
        file.seek(len(HEADER) + 1500 * len(row(0)))
        file.write(row(1500, customer=b"c2"))
    calllog.append(log, [row(3000)])
    assert ledger.ingest().bytes_read == len(row(0))
    assert check(log).refused is None
    with pytest.raises(FinopsError, match="no longer what is there") as found:
        check(log, full=True)
    assert str(ledger.folder) in found.value.hint


def test_a_full_check_of_an_untouched_log_finds_nothing(log, ledger):
    calllog.append(log, [row(3)])
    ledger.ingest()
    calllog.append(log, [row(4)])
    assert check(log, full=True).counts.accepted == 4


def test_a_log_that_became_something_else_is_refused_and_the_ledger_stays(log, ledger):
    log.write_bytes(b"shopping list\nmilk\n")
    with pytest.raises(InputRefusedError):
        ledger.ingest()
    assert ids(Ledger(log)) == [1, 2]


def test_the_fingerprint_names_the_bytes_read_not_the_steps(tmp_path, log, ledger):
    first = ledger.fingerprint
    calllog.append(log, [row(3)])
    ledger.ingest()
    copy = tmp_path / "copy.csv"
    copy.write_bytes(log.read_bytes())
    other = Ledger(copy)
    other.ingest()
    assert other.fingerprint == ledger.fingerprint != first


def test_a_deleted_ledger_comes_back_the_same(log, ledger):
    before = (ledger.counts, ledger.cost_usd, ledger.fingerprint, ids(ledger))
    for path in ledger.folder.iterdir():
        path.unlink()
    ledger.folder.rmdir()
    ledger.ingest()
    assert (ledger.counts, ledger.cost_usd, ledger.fingerprint, ids(ledger)) == before


@pytest.mark.parametrize("end", [".parquet", ".ids.npy"])
def test_a_ledger_that_lost_a_file_is_made_again(log, ledger, end):
    (path,) = ledger.folder.glob(f"*{end}")
    path.unlink()
    assert ledger.ingest().again
    assert ids(ledger) == [1, 2]


def test_a_segment_that_a_crash_cut_short_is_made_again(log, ledger):
    os.truncate(ledger.segments[0], 10)
    assert ledger.ingest().again
    assert ids(ledger) == [1, 2]


def test_a_ledger_of_another_format_is_made_again(log, ledger, monkeypatch):
    with sqlite3.connect(ledger.folder / "state.sqlite") as connection:
        connection.execute("PRAGMA user_version = 999")
        connection.execute("DROP TABLE quarantine")
    connection.close()
    assert Ledger(log).counts.lines == 0
    assert Ledger(log).quarantine() == []
    assert ledger.ingest().accepted == 2
    assert ids(ledger) == [1, 2]


def test_a_broken_state_file_is_named_with_the_way_out(log, ledger):
    for path in ledger.folder.glob("state.sqlite*"):
        path.write_bytes(b"not a database " * 1000)
    with pytest.raises(FinopsError, match="file is not a database") as broken:
        Ledger(log).ingest()
    assert "delete the folder" in broken.value.hint


def test_an_ingest_that_fails_half_way_leaves_the_old_ledger(log, ledger, monkeypatch):
    calllog.append(log, [row(3), b"bad\n"])
    files = {path.name for path in ledger.folder.glob("*.parquet*")}

    def full(*args, **kwargs):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(store.np, "save", full)
        with pytest.raises(FinopsError, match="No space left"):
            ledger.ingest()
    assert ids(Ledger(log)) == [1, 2]
    assert Ledger(log).quarantine() == []
    assert {path.name for path in ledger.folder.glob("*.parquet*")} == files
    assert ledger.ingest().accepted == 1
    assert len(ledger.quarantine()) == 1


def test_a_log_that_is_cut_while_it_is_read_changes_nothing(log, ledger, monkeypatch):
    calllog.append(log, [row(3)])
    blocks = calllog.blocks

    def cut(file, start, end):
        os.truncate(log, len(HEADER))
        return blocks(file, start, end)

    with monkeypatch.context() as patch:
        patch.setattr(calllog, "blocks", cut)
        with pytest.raises(FinopsError, match="cut short"):
            ledger.ingest()
    assert ids(Ledger(log)) == [1, 2]


def test_lines_that_do_not_add_up_stop_everything(log, ledger, monkeypatch):
    calllog.append(log, [row(3), row(4)])
    with monkeypatch.context() as patch:
        patch.setattr("finops_core.ledger.intake.read_block", lambda data, *rest: read_block(data + b"\n", *rest))
        with pytest.raises(FinopsError, match="do not add up"):
            ledger.ingest()
        with pytest.raises(FinopsError, match="do not add up"):
            check(log)
    assert ids(Ledger(log)) == [1, 2]


def test_progress_ends_at_the_number_of_new_bytes(log):
    calllog.append(log, [row(n) for n in range(5)])
    told = []
    Ledger(log).ingest(lambda done, total: told.append((done, total)))
    size = log.stat().st_size
    assert told[-1] == (size, size)
    assert [done for done, _ in told] == sorted(done for done, _ in told)


def test_many_small_ingests_leave_few_segments_in_order(log):
    ledger = Ledger(log)
    for n in range(100):
        calllog.append(log, [row(n)])
        ledger.ingest()
    assert len(ledger.segments) <= 8
    stored = [
        found for path in ledger.segments for found in pq.read_table(path, columns=["call_id"])["call_id"].to_pylist()
    ]
    assert stored == [f"id{n:04d}" for n in range(100)]
    assert len(ids(ledger)) == 100


def test_large_ingests_are_cut_into_segments_and_row_groups(log, monkeypatch):
    monkeypatch.setattr(store, "SEGMENT_ROWS", 1000)
    monkeypatch.setattr(store, "GROUP_ROWS", 300)
    monkeypatch.setattr(calllog.blocks, "__defaults__", (calllog.MAX_LINE,))
    calllog.append(log, [row(n) for n in range(5000)])
    ledger = Ledger(log)
    ledger.ingest()
    assert len(ledger.segments) >= 4
    assert ids(ledger) == list(range(5000))
    calllog.append(log, [row(17), row(4321), row(5000)])
    ledger.ingest()
    assert [bad["code"] for bad in ledger.quarantine()] == ["E_DUP_ID", "E_DUP_ID"]


def test_superseded_segments_are_kept_for_ten_minutes_and_deleted_by_the_next_ingest(log, ledger):
    reader = Ledger(log)
    calls = reader.calls()
    superseded = ledger.segments
    os.utime(superseded[0], (1, 1))
    calllog.append(log, [row(3)])
    ledger.ingest()
    assert superseded[0] not in ledger.segments
    assert calls.total == 2
    calllog.append(log, [row(4)])
    ledger.ingest()
    assert superseded[0].exists()
    for path in ledger.folder.glob(superseded[0].stem + "*"):
        os.utime(path, (time.time() - 601,) * 2)
    Ledger(log).calls()
    check(log)
    assert superseded[0].exists()
    calllog.append(log, [row(5)])
    ledger.ingest()
    assert not list(ledger.folder.glob(superseded[0].stem + "*"))
    assert all(path.exists() for path in ledger.segments)


def test_the_quarantine_is_listed_in_order_and_cut_off_at_a_limit(log):
    calllog.append(log, [b"one\n", row(1), b"two\n", row(1), b"\xff\xfe\n"])
    ledger = Ledger(log)
    ledger.ingest()
    assert [(bad["line"], bad["code"], bad["text"]) for bad in ledger.quarantine()] == [
        (2, "E_COLS", "one"),
        (4, "E_COLS", "two"),
        (5, "E_DUP_ID", row(1)[:-1].decode()),
        (6, "E_UTF8", "\\xff\\xfe"),
    ]
    assert [bad["line"] for bad in ledger.quarantine(limit=2)] == [2, 4]
    with sqlite3.connect(ledger.folder / "state.sqlite") as connection:
        assert connection.execute("SELECT raw FROM quarantine WHERE line = 6").fetchone() == (b"\xff\xfe",)
    connection.close()


def test_awkward_names_of_files_are_no_trouble(tmp_path):
    log = tmp_path / "it's [a] *log*?.csv"
    calllog.append(log, [row(1)])
    ledger = Ledger(log)
    ledger.ingest()
    assert ids(ledger) == [1]


def test_times_are_utc_wherever_the_machine_is(log, monkeypatch):
    monkeypatch.setenv("TZ", "America/New_York")
    time.tzset()
    try:
        calllog.append(log, [row(1).replace(b"08:00:00.123Z", b"23:30:00-05:00")])
        ledger = Ledger(log)
        ledger.ingest()
        found = ledger.calls().rows("SELECT CAST(date_trunc('day', timestamp) AS VARCHAR) AS day FROM calls")
    finally:
        monkeypatch.delenv("TZ")
        time.tzset()
    assert found[0]["day"].startswith("2026-01-06")


def test_the_check_document_is_json(log, ledger):
    calllog.append(log, [row(1), b"bad\n"])
    assert json.loads(json.dumps(check(log).document())) == {
        "lines": 5,
        "header": 1,
        "repeated_headers": 0,
        "accepted": 2,
        "quarantined": 2,
        "blank": 0,
        "pending": 0,
        "cost_usd": "0.200000000",
        "refused": None,
        "quarantine": [
            {"line": 4, "code": "E_DUP_ID", "reason": f"the call at byte {len(HEADER)} again"},
            {"line": 5, "code": "E_COLS", "reason": "1 fields where the header has 26"},
        ],
        "naive_timestamps": 0,
        "rounded_costs": 0,
        "unknown_columns": [],
    }


def test_a_check_writes_nothing(log):
    calllog.append(log, [row(1)])
    before = {path.name: path.stat().st_mtime_ns for path in log.parent.iterdir()}
    check(log)
    check(log, full=True)
    assert {path.name: path.stat().st_mtime_ns for path in log.parent.iterdir()} == before
