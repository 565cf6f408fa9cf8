"""Reading a log only to say what is in it: nothing is written, neither into the log nor into its ledger."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa

from finops_core.errors import FinopsError, InputRefusedError
from finops_core.ledger.calls import LogCounts
from finops_core.ledger.header import open_log
from finops_core.ledger.intake import Intake, Progress, Quarantined, Tally
from finops_core.ledger.ledger import Ledger, shown
from finops_core.ledger.seen import Seen


@dataclass(frozen=True)
class CheckResult:
    """What is in a file that may be a call log.

    Attributes:
        counts: Its lines, by what they are.
        cost_usd: What the accepted calls cost, US dollars, exact.
        quarantine: The quarantined lines in order, each with ``line``, ``offset``, ``code``, ``reason`` and ``text``.
        refused: Why the file is no call log; ``None`` if it is one.
    """

    counts: LogCounts = field(default_factory=LogCounts)
    cost_usd: Decimal = Decimal(0)
    quarantine: tuple[dict[str, Any], ...] = ()
    refused: InputRefusedError | None = None

    def document(self) -> dict[str, Any]:
        """What ``finops check --json`` prints."""
        counts = self.counts
        return {
            "lines": counts.lines,
            "header": counts.header,
            "repeated_headers": counts.repeated_headers,
            "accepted": counts.accepted,
            "quarantined": counts.quarantined,
            "blank": counts.blank,
            "pending": counts.pending,
            "cost_usd": f"{self.cost_usd:.9f}",
            "refused": self.refused and {"code": self.refused.code, "message": str(self.refused)},
            "quarantine": [{name: bad[name] for name in ("line", "code", "reason")} for bad in self.quarantine],
            "naive_timestamps": counts.naive_timestamps,
            "rounded_costs": counts.rounded_costs,
            "unknown_columns": list(counts.unknown_columns),
        }


def check(log: Path, full: bool = False, progress: Progress | None = None) -> CheckResult:
    """Read a file from its start to its end and say what it holds.

    Args:
        log: The file.
        full: Also compare every byte that its ledger has read with what is there now.
        progress: Told now and then how many bytes are read, and how many there are.

    Raises:
        FinopsError: The system does not let us read it, the lines do not add up, or with ``full``: bytes
            that the ledger has read were changed since.
    """
    quarantine: list[dict[str, Any]] = []

    def note(lines: list[Quarantined]) -> None:
        quarantine.extend({**bad._asdict(), "text": shown(bad.raw)} for bad in lines)
        for bad in quarantine[-len(lines) :]:
            del bad["raw"]

    def ignore(calls: pa.Table) -> None:
        """Calls are only counted."""

    try:
        with open_log(log) as file:
            tally = Intake(log, file, Tally(), Seen(), ignore, note).run(os.fstat(file).st_size, progress)
            ledger = Ledger(log)
            if full and not ledger.matches(file):
                raise FinopsError(
                    f"{log}: what the ledger has read of it is no longer what is there",
                    hint=f"Delete the folder {ledger.folder}; the next run makes it again from the log.",
                )
    except InputRefusedError as refused:
        return CheckResult(refused=refused)
    quarantine.sort(key=lambda bad: int(bad["line"]))
    return CheckResult(tally.counts, tally.cost_usd, tuple(quarantine))
