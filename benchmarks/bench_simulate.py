"""Simulating against the CSV writer alone, and against a plain Python loop. Prints ratios from one run.

    python benchmarks/bench_simulate.py [--scale 20] [--larger 60]

- total: ``finops simulate --scale N`` as a command, from start to exit, flushed to disk;
- floor: pyarrow's CSV writer writing the finished table (its timestamps and costs already text) to the same disk;
- plain: a Python loop that draws and writes the same 26 columns with ``random`` and ``csv.DictWriter``.
"""

from __future__ import annotations

import argparse
import csv
import os
import random
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.csv as pacsv

from finops_core.call import BY_NAME, NAMES

PLAIN_ROWS = 100_000
START = "2026-01-05"


def simulate(folder: Path, scale: float) -> tuple[Path, float, float]:
    """Run the command; returns the log, its seconds, and its peak memory in MiB."""
    log = folder / f"scale-{scale:g}.csv"
    command = [sys.executable, "-m", "finops_core", "simulate", "--start", START, "--scale", f"{scale:g}", "--quiet"]
    began = time.perf_counter()
    process = subprocess.Popen([*command, "--log", str(log)])
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - began
    if status:
        raise SystemExit(f"finops simulate failed with status {status}")
    return log, seconds, usage.ru_maxrss / 1024


def write_only(log: Path, target: Path) -> tuple[int, float]:
    """Read a log into memory, then time pyarrow writing it, flushed to disk; returns rows and seconds."""
    counts = {name: pa.int64() for name, column in BY_NAME.items() if column.kind == "count"}
    texts = {name: pa.string() for name in NAMES if name not in counts}
    table = pacsv.read_csv(log, convert_options=pacsv.ConvertOptions(column_types={**counts, **texts}))
    began = time.perf_counter()
    with target.open("wb") as file:
        pacsv.write_csv(table, file, pacsv.WriteOptions(quoting_style="none"))
        file.flush()
        os.fsync(file.fileno())
    return table.num_rows, time.perf_counter() - began


def plain_loop(target: Path, rows: int) -> float:
    """The same columns with random and csv.DictWriter; returns seconds."""
    rng = random.Random(1)
    models = [("openai", "gpt-5", 1.25, 10.0), ("anthropic", "claude-sonnet-4-5", 3.0, 15.0)]
    tasks = [("chat", "support_chat", 5.1, 5.6), ("summarization", "meeting_notes", 7.7, 5.4)]
    at = datetime(2026, 1, 5, tzinfo=UTC)
    began = time.perf_counter()
    with target.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, NAMES)
        writer.writeheader()
        for _ in range(rows):
            at += timedelta(milliseconds=rng.expovariate(1 / 200))
            customer = rng.randrange(100)
            provider, model, input_price, output_price = rng.choice(models)
            task, feature, input_mu, output_mu = rng.choice(tasks)
            input_tokens = int(rng.lognormvariate(input_mu, 0.7))
            output_tokens = int(rng.lognormvariate(output_mu, 0.7))
            cost = (input_tokens * input_price + output_tokens * output_price) / 1e6
            writer.writerow(
                {
                    "timestamp": at.strftime("%Y-%m-%dT%H:%M:%S.") + f"{at.microsecond // 1000:03}Z",
                    "call_id": f"sim_{rng.getrandbits(64):016x}",
                    "provider": provider,
                    "model": model,
                    "input_tokens": input_tokens,
                    "output_tokens": output_tokens,
                    "cost_usd": f"{cost:.9f}",
                    "latency_ms": int(
                        500 * rng.lognormvariate(0, 0.35) + output_tokens * 12 * rng.lognormvariate(0, 0.35)
                    ),
                    "customer_id": f"base-42-{customer:05d}",
                    "subscription_tier": ("starter", "pro", "enterprise")[customer % 3],
                    "organization_id": f"org-base-42-{customer // 10:04d}",
                    "product_id": rng.choice(("product_a", "product_b", "product_c")),
                    "feature_id": feature,
                    "task_type": task,
                    "environment": "production" if rng.random() < 0.9 else "staging",
                    "request_id": f"req_{rng.getrandbits(64):016x}",
                    "trace_id": f"trc_{rng.getrandbits(64):016x}",
                    "session_id": f"ses_{rng.getrandbits(64):016x}",
                    "user_agent": "finops-sdk-python/2.4",
                    "cache_read_tokens": input_tokens // 3 if rng.random() < 0.5 else 0,
                    "cache_write_tokens": 0,
                    "reasoning_tokens": output_tokens // 2 if model == "gpt-5" else 0,
                    "region": "us-east-1",
                    "status": "success" if rng.random() < 0.988 else "timeout",
                    "source": "base",
                    "tags": "",
                }
            )
    return time.perf_counter() - began


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scale", type=float, default=20)
    parser.add_argument("--larger", type=float, default=60, help="for the memory; 0 leaves it out")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="finops-bench-", dir=Path.cwd()) as name:
        folder = Path(name)
        # The larger run comes first: a child's peak memory counts what its parent holds when it begins.
        larger = None
        if arguments.larger:
            log, _, larger = simulate(folder, arguments.larger)
            log.unlink()
        log, total, memory = simulate(folder, arguments.scale)
        rows, floor = write_only(log, folder / "floor.csv")
        (folder / "floor.csv").unlink()
        log.unlink()
        plain = plain_loop(folder / "plain.csv", PLAIN_ROWS) / PLAIN_ROWS * rows
        print(f"simulate --scale {arguments.scale:g}: {rows:,} calls")
        print(f"  total / CSV writer alone   {total / floor:6.2f}   ({total:.1f} s / {floor:.1f} s)")
        print(
            f"  plain Python loop / total  {plain / total:6.1f}   ({plain:.0f} s / {total:.1f} s, {PLAIN_ROWS:,} rows)"
        )
        print(f"  peak memory                {memory:6.0f} MiB")
        if larger:
            print(f"simulate --scale {arguments.larger:g}:")
            print(f"  peak memory                {larger:6.0f} MiB   ({larger / memory:.2f} times the above)")


if __name__ == "__main__":
    main()
