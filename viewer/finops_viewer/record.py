"""What a publication remembers: how it was made, and the last good content of every report."""

from __future__ import annotations

from datetime import date, datetime
from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict, ValidationError

from finops_core.errors import FinopsError
from finops_core.ledger.calls import LogCounts
from finops_core.report import Report
from finops_core.site import Site

DATA = "data"


class About(BaseModel):
    """How and from what a publication was made."""

    model_config = ConfigDict(frozen=True)

    schema_version: int = 1
    run_id: str
    built_at: datetime
    log: str
    log_offset: int
    log_fingerprint: str
    settings_fingerprint: str
    plugins: dict[str, str]
    counts: LogCounts
    quarantine: tuple[dict[str, str], ...] = ()
    first_day: date | None = None
    last_day: date | None = None
    log_first_day: date | None = None
    log_last_day: date | None = None
    data_through: datetime | None = None
    month_caveat: str = ""
    """What amounts a month rest on, where the calls cover less than a week."""

    @property
    def is_of_whole_log(self) -> bool:
        """Whether all days of the log were analyzed."""
        return (self.first_day, self.last_day) == (self.log_first_day, self.log_last_day)

    @classmethod
    def of(cls, site: Site) -> Self:
        """The facts that a publication's pages and manifest state."""
        whole = site.calls.log_period if site.calls else site.period
        return cls(
            run_id=site.run_id,
            built_at=site.built_at,
            log=str(site.log),
            log_offset=site.offset,
            log_fingerprint=site.log_fingerprint,
            settings_fingerprint=site.settings_fingerprint,
            plugins=dict(sorted((site.plugins or {}).items())),
            counts=site.counts,
            quarantine=tuple({k: str(v) for k, v in line.items()} for line in site.quarantine),
            first_day=site.period.first if site.period else None,
            last_day=site.period.last if site.period else None,
            log_first_day=whole.first if whole else None,
            log_last_day=whole.last if whole else None,
            data_through=site.now,
            month_caveat=site.calls.month_caveat if site.calls else "",
        )


class Record(BaseModel):
    """A report with the facts of the publication that made it, as kept in ``data/<name>.json``."""

    model_config = ConfigDict(frozen=True)

    about: About
    report: Report

    @classmethod
    def file_of(cls, name: str) -> str:
        """The file, relative to the published directory, that keeps the record of a report."""
        return f"{DATA}/{name}.json"

    @classmethod
    def kept(cls, directory: Path, name: str) -> Self | None:
        """The record that an earlier publication kept; ``None`` if there is none, or this version cannot read it."""
        try:
            return cls.model_validate_json((directory / cls.file_of(name)).read_bytes())
        except (OSError, ValidationError):
            return None

    @classmethod
    def published(cls, directory: Path, name: str) -> Self:
        """The record of a published report.

        Raises:
            FinopsError: No such report was published there.
        """
        record = cls.kept(directory, name)
        if record is None:
            names = sorted(path.stem for path in (directory / DATA).glob("*.json"))
            known = (
                f"Published reports: {', '.join(names)}." if names else "Run `finops run` or `finops analyze` first."
            )
            raise FinopsError(f"there is no published report {name!r} in {directory}", hint=known)
        return record
