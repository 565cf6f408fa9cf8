"""Reading a log into its ledger, against DuckDB and against itself. Prints ratios from one run.

    python benchmarks/bench_ledger.py [--rows 1000000]

- first: the first strict read of a log, against DuckDB copying the same CSV to Parquet with zstd on the same disk;
- grown: after 10,000 more rows, until the ledger can be queried, against the first read, and against the same at
  a tenth of the rows; the median of several;
- bad: a log of which 1 % of the lines are bad in five ways; quoted: one in which every field is quoted.
"""

from __future__ import annotations

import argparse
import math
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from itertools import islice
from pathlib import Path

import duckdb

from finops_core import calllog
from finops_core.ledger import Ledger

GROWTH = 10_000
TIMES = 7
CALLS_PER_SCALE = 390_000

DAMAGES: tuple[Callable[[bytes], bytes], ...] = (
    lambda line: b"yesterday" + line[24:],
    lambda line: line.replace(b",", b',"', 1),
    lambda line: line[: len(line) // 2] + b"\n",
    lambda line: line.replace(b"sim_", b"sim_\xff"),
    lambda line: line,  # the same call again
)


def simulate(folder: Path, rows: int) -> Path:
    """A simulated log of that many calls."""
    log = folder / "log.csv"
    scale = math.ceil(rows / CALLS_PER_SCALE * 10) / 10
    options = ["--start", "2026-01-05", "--scale", f"{scale:g}", "--quiet", "--log", str(folder / "simulated.csv")]
    subprocess.run([sys.executable, "-m", "finops_core", "simulate", *options], check=True)
    with (folder / "simulated.csv").open("rb") as simulated, log.open("wb") as file:
        file.writelines(islice(simulated, rows + 1))
    (folder / "simulated.csv").unlink()
    return log


def first_read(log: Path) -> tuple[Ledger, float]:
    """The ledger and its seconds."""
    ledger = Ledger(log)
    shutil.rmtree(ledger.folder, ignore_errors=True)
    began = time.perf_counter()
    ledger.ingest()
    return ledger, time.perf_counter() - began


def copy_with_duckdb(log: Path) -> float:
    """Seconds of DuckDB for the same file."""
    target = log.with_suffix(".parquet")
    began = time.perf_counter()
    duckdb.sql(f"COPY (SELECT * FROM read_csv('{log}')) TO '{target}' (FORMAT parquet, COMPRESSION zstd)")
    seconds = time.perf_counter() - began
    target.unlink()
    return seconds


def grow(log: Path, n: int) -> float:
    """Seconds from 10,000 more rows, made new by a number, to a ledger that can be queried."""
    with log.open("rb") as file:
        file.readline()
        rows = list(islice(file, GROWTH))
    calllog.append(log, [b"".join(row.replace(b"sim_", b"more%d_" % n, 1) for row in rows)])
    ledger = Ledger(log)
    began = time.perf_counter()
    assert ledger.ingest().accepted == GROWTH
    ledger.calls()
    return time.perf_counter() - began


def grow_in_turn(logs: Sequence[Path]) -> list[float]:
    """The median seconds of several for each log; in turn, so that each meets the same machine."""
    seconds = [[grow(log, n) for log in logs] for n in range(TIMES)]
    return [statistics.median(each) for each in zip(*seconds, strict=True)]


def rewrite(log: Path, name: str, change: Callable[[int, bytes], bytes]) -> Path:
    """A copy of a log with every line after the header changed."""
    changed = log.with_name(name)
    with log.open("rb") as file, changed.open("wb") as target:
        target.write(file.readline())
        target.writelines(change(n, line) for n, line in enumerate(file))
    return changed


def damage(n: int, line: bytes) -> bytes:
    """Every hundredth line is bad, each time in another way."""
    if n % 100:
        return line
    damaged = DAMAGES[n // 100 % len(DAMAGES)](line)
    return line + line if damaged == line else damaged


def quote(_: int, line: bytes) -> bytes:
    """Every field of a line that has no quotes yet."""
    return b'"' + line[:-1].replace(b",", b'","') + b'"\n'


def peak_memory(log: Path) -> float:
    """Of a process that does nothing but the first read, MiB."""
    script = "import sys, pathlib; from finops_core.ledger import Ledger; Ledger(pathlib.Path(sys.argv[1])).ingest()"
    process = subprocess.Popen([sys.executable, "-c", script, str(log)])
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"reading failed with status {status}")
    return usage.ru_maxrss / 1024


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    rows = parser.parse_args().rows
    with tempfile.TemporaryDirectory(prefix="finops-bench-", dir=Path.cwd()) as name:
        folder = Path(name)
        log = simulate(folder, rows)
        memory = peak_memory(log)  # first, while this process is small: a child begins with its parent's peak
        tenth = folder / "tenth.csv"
        with log.open("rb") as file, tenth.open("wb") as target:
            target.writelines(islice(file, rows // 10 + 1))
        first_read(tenth)  # also warms up imports and caches
        copy = copy_with_duckdb(log)
        ledger, first = first_read(log)
        print(f"ledger of {ledger.counts.accepted:,} calls, {log.stat().st_size / 2**20:,.0f} MiB:")
        print(f"  first read / duckdb copy       {first / copy:6.2f}   ({first:.1f} s / {copy:.1f} s)")
        print(f"  peak memory                    {memory:6.0f} MiB")
        grown, grown_tenth = grow_in_turn([log, tenth])
        print(f"  first read / 10,000 rows more  {first / grown:6.1f}   ({grown * 1000:.0f} ms)")
        print(f"  the latter / at a tenth        {grown / grown_tenth:6.2f}   ({grown_tenth * 1000:.0f} ms)")
        shutil.rmtree(Ledger(log).folder)
        _, clean = first_read(log)
        for what, change in (("1 % bad lines", damage), ("every field quoted", quote)):
            other = rewrite(log, "other.csv", change)
            ledger, seconds = first_read(other)
            found = f"{ledger.counts.quarantined:,} quarantined"
            print(f"  {what + ' / clean':<29}  {seconds / clean:6.2f}   ({seconds:.1f} s / {clean:.1f} s, {found})")


if __name__ == "__main__":
    main()
