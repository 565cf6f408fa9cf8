"""``finops --help`` against ``import click``, the floor of any command of this kind. Prints a ratio from one run."""

from __future__ import annotations

import subprocess
import sys
import time

ROUNDS = 15


def seconds(*command: str) -> float:
    """The shortest of several runs: the one least disturbed."""
    best = float("inf")
    for _ in range(ROUNDS):
        began = time.perf_counter()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        best = min(best, time.perf_counter() - began)
    return best


if __name__ == "__main__":
    help_page = seconds(sys.executable, "-m", "finops_core", "--help")
    floor = seconds(sys.executable, "-c", "import click")
    print("finops --help")
    print(
        f"  total / import click       {help_page / floor:6.2f}   ({help_page * 1000:.0f} ms / {floor * 1000:.0f} ms)"
    )
