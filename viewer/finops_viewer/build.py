"""What the server builds from, whether that is due, and the one call into the core that does it."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from finops_core.ledger.periods import Period, PeriodChoice
from finops_viewer import publication

if TYPE_CHECKING:
    from finops_core.plugins import Kind

_TAIL = 1 << 16


@dataclass(frozen=True)
class Source:
    """What reports are made from, and where they go.

    Attributes:
        log: The call log.
        reports: The published directory.
        config: The settings file; ``None`` is ``finops.toml`` of the working directory, if there is one.
        sets: ``plugin.field=value`` texts.
        disabled: Names of plugins to leave out.
        choice: The days to analyze; by default the whole log.
    """

    log: Path
    reports: Path
    config: Path | None = None
    sets: tuple[str, ...] = ()
    disabled: frozenset[str] = frozenset()
    choice: PeriodChoice = field(default_factory=PeriodChoice)

    @property
    def settings_file(self) -> Path:
        """The file whose change makes reports stale."""
        return self.config or Path("finops.toml")

    @property
    def signature(self) -> tuple[tuple[int, int, int] | None, ...]:
        """Inode, size and time of the inputs; two builds of the same signature would be the same."""
        return tuple(_stat(path) for path in (self.log, self.settings_file))

    def is_current(self) -> bool:
        """Whether the publication in place is whole, of this log and these days, made with these settings and plugins.

        Raises:
            UsageError: As for :meth:`conditions`.
        """
        manifest = publication.read_manifest(self.reports)
        try:
            log = self.log.stat()
        except FileNotFoundError:
            return manifest is not None  # nothing newer can be made
        if manifest is None:
            return False
        return (
            publication.read_files(self.reports, manifest) is not None
            and manifest.get("log_offset") == _end_of_lines(self.log)
            and self._is_of_choice(manifest)
            and log.st_mtime <= datetime.fromisoformat(manifest["built_at"]).timestamp()
            and all(manifest.get(key) == value for key, value in self.conditions().items())
        )

    def _is_of_choice(self, manifest: Mapping[str, Any]) -> bool:
        """Whether the days that a manifest names are the ones chosen."""
        analyzed = (manifest.get("first_day"), manifest.get("last_day"))
        whole = (manifest.get("log_first_day"), manifest.get("log_last_day"))
        if None in whole:
            return analyzed == whole
        period = self.choice.of(Period(*map(date.fromisoformat, whole)))
        return analyzed == (period.first.isoformat(), period.last.isoformat())

    def conditions(self) -> dict[str, Any]:
        """What a manifest says of settings and plugins if it is up to date.

        Raises:
            UsageError: The settings, or the names of plugins to leave out, are wrong.
        """
        from finops_core.plugins import check_settings, find, select, versions
        from finops_core.settings import load_settings

        findings = find()
        settings = load_settings(self.config, self.sets)
        check_settings(findings, settings)
        kinds: tuple[Kind, ...] = ("analyzers", "publishers")
        chosen = [plugin for kind in kinds for plugin in select(findings.found, kind, None, self.disabled)]
        return {"settings_fingerprint": settings.fingerprint(), "plugins": versions(chosen)}

    def build(self) -> list[str]:
        """Ingest, analyze and publish.

        Returns:
            A line for each plugin that failed; the others' reports are published.

        Raises:
            FinopsError: There is no log, it is refused, a setting is wrong, or nothing can be written.
        """
        from finops_core import pipeline
        from finops_core.settings import load_settings

        settings = load_settings(self.config, self.sets)
        done = pipeline.refresh(self.log, self.reports, settings, choice=self.choice, disabled=self.disabled)
        return [problem.line() for problem in done.problems]


def _stat(path: Path) -> tuple[int, int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_ino, status.st_size, status.st_mtime_ns


def _end_of_lines(log: Path) -> int:
    """Where the last complete line of a file ends; an append that is under way is not counted."""
    with log.open("rb") as file:
        for start, block in _blocks_from_end(file):
            newline = block.rfind(b"\n")
            if newline >= 0:
                return start + newline + 1
    return 0


def _blocks_from_end(file: Any) -> Iterator[tuple[int, bytes]]:
    end = file.seek(0, os.SEEK_END)
    while end > 0:
        start = max(0, end - _TAIL)
        file.seek(start)
        yield start, file.read(end - start)
        end = start
