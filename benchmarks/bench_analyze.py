"""All installed analyzers against one grouped query over the same ledger. Prints ratios from one run.

    python benchmarks/bench_analyze.py [--larger 10]

Everything happens in one process after the imports, without publishing; each figure is the best of several rounds.
The larger log has the same patterns with that many times the customers.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path

from finops_core import pipeline
from finops_core.catalog import Catalog
from finops_core.ledger import Ledger
from finops_core.plugins import Loaded, find, load, select
from finops_core.settings import Settings

ROUNDS = 5
SCALE = 1.047
"""Makes about 420,000 calls in 30 days."""
YARDSTICK = "SELECT customer_id, date_trunc('hour', timestamp) AS hour, sum(cost_usd) AS cost FROM calls GROUP BY ALL"


def best(work: Callable[[], object], rounds: int = ROUNDS) -> float:
    """The shortest of several rounds, in seconds: the one least disturbed."""
    seconds = []
    for _ in range(rounds):
        began = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - began)
    return min(seconds)


def make(folder: Path, scale: float) -> Ledger:
    """A log of all patterns, read into its ledger."""
    settings = Settings()
    log = folder / f"scale-{scale:g}.csv"
    request = pipeline.Request(start=date(2026, 1, 5), scale=scale, workers=2)
    pipeline.simulate(load(select(find().found, "patterns"), settings), log, request, Catalog())
    return pipeline.ingest(log)


def measure(ledger: Ledger, analyzers: Loaded, rounds: int) -> tuple[float, dict[str, float], float]:
    """Seconds of all analyzers together, of each by itself, and of the yardstick."""
    together = best(lambda: pipeline.analyze(ledger, analyzers, Settings()), rounds)
    each = {p.found.name: best(lambda p=p: analyzers.call(p, calls=ledger.calls()), rounds) for p in analyzers.plugins}
    calls = ledger.calls()
    return together, each, best(lambda: calls.sql(YARDSTICK), rounds)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--larger", type=float, default=10, help="times the calls; 0 leaves it out")
    arguments = parser.parse_args()
    analyzers = load(select(find().found, "analyzers"), Settings())
    with tempfile.TemporaryDirectory(prefix="finops-bench-", dir=Path.cwd()) as name:
        ledger = make(Path(name), SCALE)
        together, each, yardstick = measure(ledger, analyzers, ROUNDS)
        print(f"{len(each)} analyzers on {ledger.counts.accepted:,} calls")
        print(f"  together / one GROUP BY    {together / yardstick:6.1f}   ({together:.2f} s / {yardstick:.3f} s)")
        print("  each by itself, with what several of them share")
        for analyzer, seconds in sorted(each.items(), key=lambda item: -item[1]):
            print(f"    {analyzer:<24} {seconds / yardstick:6.1f}")
        if arguments.larger:
            larger = make(Path(name), SCALE * arguments.larger)
            more = best(lambda: pipeline.analyze(larger, analyzers, Settings()))
            print(f"{larger.counts.accepted:,} calls / {ledger.counts.accepted:,} calls")
            print(f"  time / time                {more / together:6.1f}   ({more:.2f} s / {together:.2f} s)")


if __name__ == "__main__":
    main()
