from __future__ import annotations

import errno
import os

import pytest

from finops_core import calllog
from finops_core.errors import FinopsError, InputRefusedError

HEADER = calllog.header_line()


def row(n: int) -> bytes:
    return b"2026-01-05T08:00:00.123Z,id%d,openai,gpt-5,1,2,0.000000001,,c1" % n + b"," * 17 + b"\n"


def test_the_header_has_the_26_names_users_know_and_no_quotes():
    assert HEADER.startswith(b"timestamp,call_id,provider,model,input_tokens,output_tokens,cost_usd,latency_ms,")
    assert HEADER.endswith(b",status,source,tags\n")
    assert HEADER.count(b",") == 25
    assert b'"' not in HEADER


def test_append_writes_the_header_once_and_says_how_many_bytes_it_wrote(tmp_path):
    log = tmp_path / "data" / "log.csv"
    assert calllog.append(log, [row(1), row(2)]) == len(HEADER + row(1) + row(2))
    assert calllog.append(log, [row(3)]) == len(row(3))
    assert log.read_bytes() == HEADER + row(1) + row(2) + row(3)


def test_append_of_nothing_leaves_a_log_with_a_header(tmp_path):
    log = tmp_path / "log.csv"
    calllog.append(log, [])
    assert log.read_bytes() == HEADER


def test_a_torn_line_is_ended_before_the_first_new_one(tmp_path):
    log = tmp_path / "log.csv"
    log.write_bytes(HEADER + row(1) + row(2)[:20])
    calllog.append(log, [row(3)])
    assert log.read_bytes() == HEADER + row(1) + row(2)[:20] + b"\n" + row(3)


def test_a_header_torn_anywhere_is_completed(tmp_path):
    log = tmp_path / "log.csv"
    for length in range(len(HEADER) + 1):
        log.write_bytes(HEADER[:length])
        calllog.append(log, [row(1)])
        assert log.read_bytes() == HEADER + row(1)


OTHER_ORDER = b",".join(reversed(HEADER.strip().split(b","))) + b"\n"
FEWER = b"call_id,timestamp,provider,model,input_tokens,output_tokens,cost_usd,customer_id\r\n"


@pytest.mark.parametrize("theirs", [OTHER_ORDER, FEWER, b"\xef\xbb\xbf" + FEWER, b"\n \n"])
def test_our_header_comes_again_before_our_rows_if_the_columns_are_others(tmp_path, theirs):
    log = tmp_path / "log.csv"
    log.write_bytes(theirs + b"whatever\n")
    if not theirs.strip():
        log.write_bytes(theirs)
    before = log.read_bytes()
    calllog.append(log, [row(1)])
    calllog.append(log, [row(2)])
    assert log.read_bytes() == before + HEADER + row(1) + row(2)


def test_a_header_of_others_in_the_middle_of_a_large_log_is_found(tmp_path, monkeypatch):
    monkeypatch.setattr(calllog, "BLOCK", 1000)
    log = tmp_path / "log.csv"
    before = HEADER + row(1) * 50 + OTHER_ORDER + b"theirs\n" * 1000
    log.write_bytes(before)
    calllog.append(log, [row(2)])
    assert log.read_bytes() == before + HEADER + row(2)


def test_what_an_earlier_append_knew_of_a_log_does_not_outlive_the_log(tmp_path):
    log = tmp_path / "log.csv"
    calllog.append(log, [row(1)])
    log.write_bytes(OTHER_ORDER + b"theirs, in the same file\n" * 100)
    calllog.append(log, [row(2)])
    assert log.read_bytes().endswith(b"theirs, in the same file\n" + HEADER + row(2))


def test_another_header_appended_by_others_between_two_appends_is_noticed(tmp_path):
    log = tmp_path / "log.csv"
    calllog.append(log, [row(1)])
    with log.open("ab") as file:
        file.write(OTHER_ORDER.rstrip())
    calllog.append(log, [row(2)])
    assert log.read_bytes() == HEADER + row(1) + OTHER_ORDER + HEADER + row(2)


def test_a_file_that_is_no_call_log_is_refused_and_left_alone(tmp_path):
    log = tmp_path / "notes.txt"
    log.write_bytes(b"shopping list\nmilk\n")
    before = log.stat()
    with pytest.raises(InputRefusedError) as refused:
        calllog.append(log, [row(1)])
    assert refused.value.code == "F_HEADER"
    assert log.read_bytes() == b"shopping list\nmilk\n"
    assert log.stat().st_mtime_ns == before.st_mtime_ns


def test_rows_must_be_whole_lines(tmp_path):
    log = tmp_path / "log.csv"
    calllog.append(log, [row(1)])
    with pytest.raises(ValueError, match="newline"):
        calllog.append(log, [row(2), row(3)[:-1]])
    assert log.read_bytes() == HEADER + row(1)


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
def test_rows_that_end_in_an_error_leave_the_log_as_it_was(tmp_path, error):
    def rows():
        yield row(2)
        raise error

    log = tmp_path / "log.csv"
    calllog.append(log, [row(1)])
    with pytest.raises(error):
        calllog.append(log, rows())
    assert log.read_bytes() == HEADER + row(1)
    fresh = tmp_path / "fresh.csv"
    with pytest.raises(error):
        calllog.append(fresh, rows())
    assert not fresh.exists()


class FailingDisk:
    """Writes at most three bytes at a time and fails on the n-th write, or on the n-th flush."""

    def __init__(self, monkeypatch, *, write: int = 0, sync: int = 0, code: int = errno.ENOSPC, step: int = 3):
        self.writes = self.syncs = 0
        self.write, self.sync, self.code, self.step = write, sync, code, step
        self.os_write, self.os_fsync = os.write, os.fsync
        monkeypatch.setattr(calllog.os, "write", self._write)
        monkeypatch.setattr(calllog.os, "fsync", self._fsync)

    def _write(self, file, data):
        self.writes += 1
        if self.writes == self.write:
            raise OSError(self.code, os.strerror(self.code))
        return self.os_write(file, data[: self.step])

    def _fsync(self, file):
        self.syncs += 1
        if self.syncs == self.sync:
            raise OSError(self.code, os.strerror(self.code))
        self.os_fsync(file)


def test_short_writes_are_continued(tmp_path, monkeypatch):
    log = tmp_path / "log.csv"
    disk = FailingDisk(monkeypatch)
    calllog.append(log, [row(1), row(2)])
    assert log.read_bytes() == HEADER + row(1) + row(2)
    assert disk.writes > len(HEADER) // 3


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO])
@pytest.mark.parametrize("fault", ["write", "sync"])
@pytest.mark.parametrize("existed", [False, True])
def test_a_disk_that_fails_on_any_write_or_flush_leaves_the_log_as_it_was(tmp_path, monkeypatch, code, fault, existed):
    log = tmp_path / "log.csv"
    before = HEADER + row(1) + b"torn"

    def append_on(disk_options):
        if existed:
            log.write_bytes(before)
        else:
            log.unlink(missing_ok=True)
        with monkeypatch.context() as patch:
            disk = FailingDisk(patch, code=code, step=7, **disk_options)
            calllog.append(log, [row(2), row(3)])
            return {"write": disk.writes, "sync": disk.syncs}[fault]

    for n in range(1, append_on({}) + 1):
        with pytest.raises(FinopsError, match="as it was before") as failed:
            append_on({fault: n})
        assert os.strerror(code) in failed.value.message
        assert log.read_bytes() == before if existed else not log.exists()


def test_a_disk_that_takes_nothing_without_an_error_is_full(tmp_path, monkeypatch):
    monkeypatch.setattr(calllog.os, "write", lambda file, data: 0)
    with pytest.raises(FinopsError, match="No space left"):
        calllog.append(tmp_path / "log.csv", [row(1)])


def test_a_log_that_cannot_be_cut_back_is_named_as_such(tmp_path, monkeypatch):
    def broken(file, size):
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    log = tmp_path / "log.csv"
    calllog.append(log, [row(1)])
    size = log.stat().st_size
    FailingDisk(monkeypatch, write=2)
    monkeypatch.setattr(calllog.os, "ftruncate", broken)
    with pytest.raises(FinopsError, match=f"could not be cut back to {size} bytes"):
        calllog.append(log, [row(2)])


def test_a_folder_and_a_device_are_refused_with_a_message(tmp_path):
    with pytest.raises(FinopsError, match="Is a directory"):
        calllog.append(tmp_path, [row(1)])
    (tmp_path / "device").symlink_to("/dev/null")
    with pytest.raises(FinopsError, match="not a regular file"):
        calllog.append(tmp_path / "device", [row(1)])


def test_a_lock_that_another_writer_keeps_is_named(tmp_path):
    log = tmp_path / "log.csv"
    with (
        calllog.lock(log),
        pytest.raises(FinopsError, match=r"log\.csv\.lock"),
        calllog.lock(log, timeout=0.05),
    ):
        pass


def test_replace_puts_a_finished_file_in_the_place_of_the_log(tmp_path):
    log, new = tmp_path / "log.csv", tmp_path / "log.csv.new"
    calllog.append(log, [row(1)])
    new.write_bytes(HEADER + row(2))
    calllog.replace(log, new)
    assert log.read_bytes() == HEADER + row(2)
    assert not new.exists()
    with pytest.raises(FinopsError, match="could not be replaced"):
        calllog.replace(log, new)
    assert log.read_bytes() == HEADER + row(2)


@pytest.mark.parametrize(
    ("line", "fields"),
    [
        ("", [""]),
        ("a,b", ["a", "b"]),
        (",", ["", ""]),
        ('"a,b",c', ["a,b", "c"]),
        ('"say ""hi""",', ['say "hi"', ""]),
        ('""', [""]),
        ('"open', None),
        ('a"b,c', None),
        ('"a"b,c', None),
        ('"a" ,c', None),
        ('a,"', None),
    ],
)
def test_a_line_is_split_by_rfc_4180(line, fields):
    assert calllog.cells(line) == fields


def read(log, size, start=0):
    file = os.open(log, os.O_RDONLY)
    try:
        return list(calllog.blocks(file, start, os.fstat(file).st_size, size))
    finally:
        os.close(file)


def test_blocks_are_whole_lines_without_the_one_still_being_written(tmp_path):
    log = tmp_path / "log.csv"
    lines = b"".join(b"%d" % n * 1000 + b"\n" for n in range(500))
    log.write_bytes(lines + b"pending")
    read_blocks = read(log, calllog.MAX_LINE)
    assert len(read_blocks) > 10
    assert b"".join(block.data for block in read_blocks) == lines
    assert all(block.data.endswith(b"\n") for block in read_blocks)
    assert [block.start for block in read_blocks] == [0, *(block.end for block in read_blocks[:-1])]
    assert read_blocks[-1].end == len(lines)


def test_a_line_longer_than_a_block_comes_alone_and_cut(tmp_path):
    log = tmp_path / "log.csv"
    long = b"x" * 300_000 + b"\n"
    log.write_bytes(b"first\n" + long + b"last\n" + b"y" * 300_000)
    first, cut, last = read(log, calllog.MAX_LINE)
    assert (first.data, last.data) == (b"first\n", b"last\n")
    assert cut.data == b"x" * (calllog.MAX_LINE + 2) + b"\n"
    assert (cut.start, cut.end) == (6, 6 + len(long))
    assert last.end == 6 + len(long) + 5
