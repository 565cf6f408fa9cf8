"""What a publisher needs beside the reports: where to write, and what the reports were made from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from finops_core.ledger.calls import Calls, LogCounts
from finops_core.ledger.periods import Period


@dataclass(frozen=True)
class Site:
    """One publication of all reports.

    Attributes:
        directory: Where the files go; created if missing.
        log: The call log that was read.
        counts: Its conservation counts.
        quarantine: The first quarantined lines: line, code, reason, text shortened.
        period: The days analyzed; ``None`` without calls.
        now: The last accepted call; ``None`` without calls.
        built_at: When the analysis ended, UTC.
        run_id: Names this publication.
        offset: Bytes of the log that the ledger has read.
        log_fingerprint: Which bytes those were.
        settings_fingerprint: Which settings were in force.
        plugins: Version of the distribution of each plugin that took part, by plugin name.
        calls: The calls that were analyzed, for publishers that write data (filters, exports); ``None`` in a
            publication of reports that were made elsewhere.
    """

    directory: Path
    log: Path
    counts: LogCounts
    quarantine: tuple[Mapping[str, object], ...]
    period: Period | None
    now: datetime | None
    built_at: datetime
    run_id: str
    offset: int = 0
    log_fingerprint: str = ""
    settings_fingerprint: str = ""
    plugins: Mapping[str, str] | None = None
    calls: Calls | None = None
