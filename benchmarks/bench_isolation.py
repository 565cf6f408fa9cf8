"""What ``--isolate`` costs: the same simulation and analysis with it and without. Prints ratios from one run."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROUNDS = 3
SIMULATE = ("simulate", "--plugins", "seasonal", "--start", "2026-01-01", "--quiet")
ANALYZE = ("analyze", "--plugins", "understanding", "--quiet")


def seconds(folder: Path, *arguments: str) -> float:
    """The shortest of several runs: the one least disturbed."""
    environment = {**os.environ, "FINOPS_LOAD_PLUGINS": "seasonal,understanding"}  # no pages: they are not isolated
    best = float("inf")
    for _ in range(ROUNDS):
        began = time.perf_counter()
        subprocess.run([sys.executable, "-m", "finops_core", *arguments], cwd=folder, check=True, env=environment)
        best = min(best, time.perf_counter() - began)
    return best


def compare(name: str, folder: Path, *arguments: str) -> None:
    """Print one ratio, and what it is the ratio of."""
    inside = seconds(folder, *arguments)
    outside = seconds(folder, *arguments, "--isolate")
    print(f"  {name:<34} {outside / inside:6.2f}   ({outside:.2f} s / {inside:.2f} s)")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as directory:
        folder = Path(directory)
        print("--isolate / without")
        compare("simulate, 1 pattern, small", folder, *SIMULATE, "--days", "1", "--scale", "0.1")
        compare("simulate, 1 pattern, 900,000 calls", folder, *SIMULATE, "--days", "30", "--scale", "10")
        compare("analyze, 1 analyzer, 900,000 calls", folder, *ANALYZE)
