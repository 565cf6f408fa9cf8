"""Many processes at one log and one ledger, and some of them killed in the middle of it."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

from finops_core import calllog
from finops_core.ledger import Ledger, check

HEADER = calllog.header_line()

ROW = """
def row(writer, n):
    return f"2026-01-05T08:00:00Z,id-{writer}-{n},openai,gpt-5,1,1,0.000000001,,c1{',' * 17}\\n".encode()
"""

# A disk that takes a few bytes at a time, so that writers have every chance to meet, or to die within a line.
SLOW_DISK = """
import os
from pathlib import Path
from finops_core import calllog
os_write = os.write
calllog.os.write = lambda file, data: os_write(file, bytes(data[:23]))
"""

APPEND = f"""
import sys
{SLOW_DISK}{ROW}
log, writer = Path(sys.argv[1]), sys.argv[2]
for n in range(20):
    calllog.append(log, [row(writer, 3 * n), row(writer, 3 * n + 1) + row(writer, 3 * n + 2)])
"""

# Forks writers and kills each at another moment; prints what the killed ones had finished.
KILL = f"""
import random, signal, sys, time
{SLOW_DISK}{ROW}
log, kills = Path(sys.argv[1]), int(sys.argv[2])
delays = random.Random(1)
for writer in range(kills):
    reader, pipe = os.pipe()
    child = os.fork()
    if not child:
        n = 0
        while True:
            calllog.append(log, [row(writer, n), row(writer, n + 1)])
            os_write(pipe, f"{{writer}}-{{n}} {{writer}}-{{n + 1}} ".encode())
            n += 2
    time.sleep(delays.uniform(0.001, 0.01))
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    os.close(pipe)
    with os.fdopen(reader) as finished:
        sys.stdout.write(finished.read())
    data = log.read_bytes() if log.exists() else b""
    assert data.count(b"timestamp,call_id") <= 1
"""

INGEST = """
import sys, time
from pathlib import Path
from finops_core.ledger import Ledger
log = Path(sys.argv[1])
until = time.monotonic() + float(sys.argv[2])
before = 0
while time.monotonic() < until:
    ledger = Ledger(log)
    if sys.argv[3] == "ingest":
        ledger.ingest()
    calls = ledger.calls()
    assert calls.total == ledger.counts.accepted >= before, (calls.total, ledger.counts, before)
    before = calls.total
"""

INGEST_AND_WAIT = """
import sys, time
from pathlib import Path
from finops_core.ledger import Ledger, store
finish = store.Change.finish
def and_wait(self, state):
    snapshot = finish(self, state)
    print("ready", flush=True)
    time.sleep(60)
    return snapshot
store.Change.finish = and_wait
Ledger(Path(sys.argv[1])).ingest()
"""


def row(name: str) -> bytes:
    return f"2026-01-05T08:00:00Z,{name},openai,gpt-5,1,1,1,,c1{',' * 17}\n".encode()


def start(script: str, *arguments: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", script, *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def end(process: subprocess.Popen[str]) -> str:
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    return out


@pytest.fixture
def log(tmp_path):
    return tmp_path / "log.csv"


@pytest.mark.parametrize("writers", [2, 10])
def test_processes_that_append_at_once_lose_and_mangle_nothing(log, writers):
    for process in [start(APPEND, log, writer) for writer in range(writers)]:
        end(process)
    lines = log.read_bytes().splitlines(keepends=True)
    assert lines[0] == HEADER
    found = [line.split(b",")[1].decode() for line in lines[1:]]
    assert sorted(found) == sorted(f"id-{writer}-{n}" for writer in range(writers) for n in range(60))
    counts = check(log).counts
    assert (counts.accepted, counts.quarantined, counts.pending) == (writers * 60, 0, 0)
    # The rows of one append are next to each other.
    assert all(one.rsplit("-", 1)[0] == two.rsplit("-", 1)[0] for one, two in zip(found[::3], found[2::3], strict=True))


def test_writers_killed_200_times_leave_one_torn_line_at_most_and_every_finished_append(log):
    for attempt in range(5):  # a busy machine may let every one of 200 kills miss the moment of a write
        log = log.with_name(f"log-{attempt}.csv")
        finished = {f"id-{name}" for name in end(start(KILL, log, 200)).split()}
        result = check(log)
        if result.counts.quarantined:
            break
    assert len(finished) > 50
    assert result.counts.header == 1
    assert result.counts.add_up()
    assert 0 < result.counts.quarantined <= 200
    assert result.counts.pending <= 1
    assert result.counts.repeated_headers == 0
    before = result.counts.accepted
    calllog.append(log, [row("last")])
    ledger = Ledger(log)
    ledger.ingest()
    assert ledger.counts.pending == 0
    assert ledger.counts.accepted - before in (1, 2)  # 2: the torn line was whole but for its newline
    there = {found["call_id"] for found in ledger.calls().rows("SELECT call_id FROM calls")}
    assert finished <= there


def test_an_ingest_killed_before_its_end_leaves_the_old_ledger(log):
    calllog.append(log, [row("one")])
    ledger = Ledger(log)
    ledger.ingest()
    calllog.append(log, [row("two"), b"bad\n"])
    process = start(INGEST_AND_WAIT, log)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGKILL)
    process.communicate()
    old = Ledger(log)
    assert (old.counts.accepted, old.calls().total, old.quarantine()) == (1, 1, [])
    assert old.ingest().accepted == 1
    assert (old.counts.accepted, old.calls().total, len(old.quarantine())) == (2, 2, 1)


def test_processes_share_a_ledger_while_the_log_grows(log):
    calllog.append(log, [])
    writers = [start(APPEND, log, writer) for writer in range(2)]
    others = [start(INGEST, log, 2.0, what) for what in ("ingest", "ingest", "read")]
    for process in (*writers, *others):
        end(process)
    ledger = Ledger(log)
    ledger.ingest()
    assert ledger.counts.accepted == ledger.calls().total == 120
    assert ledger.counts.quarantined == 0
