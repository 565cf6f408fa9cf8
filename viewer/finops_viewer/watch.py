"""Notices changes and keeps the publication up to date: callbacks set a flag, one loop does the rest."""

from __future__ import annotations

import contextlib
import threading
import time
import traceback
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from finops_core.errors import FinopsError
from finops_viewer import publication
from finops_viewer.build import Source

QUIET_SECONDS = 0.25
"""A build starts when nothing has changed for so long ..."""
PATIENCE_SECONDS = 2.0
"""... or this long after the first change."""
STAT_SECONDS = 3.0
"""How often files are looked at beside the system's events, which not every file system sends."""
POLL_SECONDS = 0.5
"""How often they are looked at without events."""
_STEP_SECONDS = 0.05


@dataclass(frozen=True)
class State:
    """What the pages are told about the publication.

    Attributes:
        phase: ``fresh``; ``stale`` (a change was noticed); ``building``; ``failed`` (the last build).
        run_id: The publication in place; empty if there is none.
        message: Why the last build failed.
        hint: What to do about it.
    """

    phase: Literal["fresh", "stale", "building", "failed"]
    run_id: str = ""
    message: str = ""
    hint: str = ""

    def document(self) -> dict[str, str]:
        """As sent to pages."""
        return asdict(self)


class Updater:
    """Builds when the inputs change, and tells who listens.

    Args:
        source: What to build.
        tell: Called from the updater's thread with each new state.
        say: Called with each line for the terminal.
        events: Whether to use the system's file events beside looking at the files.
    """

    def __init__(
        self, source: Source, tell: Callable[[State], None], say: Callable[[str], None], *, events: bool = True
    ) -> None:
        self.state = State("fresh", _run_id(source.reports))
        self._source = source
        self._tell = tell
        self._say = say
        self._events = events
        self._changed = threading.Event()
        self._stopped = threading.Event()
        self._built: Any = None
        self._thread = threading.Thread(target=self.run, name="finops-updater", daemon=True)

    def notice(self) -> None:
        """Something may have changed; from any thread."""
        self._changed.set()

    def start(self) -> None:
        """Run in a thread of its own."""
        self._thread.start()

    def stop(self, seconds: float) -> bool:
        """End :meth:`run` at its next step.

        Returns:
            Whether it ended within so many seconds; a build that is under way may take longer.
        """
        self._stopped.set()
        self._changed.set()
        if self._thread.is_alive():
            self._thread.join(seconds)
        return not self._thread.is_alive()

    def run(self) -> None:
        """Build what is due, then watch and build until stopped."""
        self.update()
        with _observing(self._source, self.notice) if self._events else contextlib.nullcontext(False) as observing:
            while not self._stopped.is_set():
                if self._source.signature != self._built:
                    self._settle()
                if self._stopped.is_set():
                    return
                self.update()
                self._changed.wait(STAT_SECONDS if observing else POLL_SECONDS)
                self._changed.clear()

    def update(self) -> None:
        """Build if the inputs changed since the last build, announce what others published; never raises."""
        signature = self._source.signature
        if signature != self._built:
            self._built = signature
            self._build()
        elif _run_id(self._source.reports) not in {"", self.state.run_id}:
            self._become(State("fresh", _run_id(self._source.reports)))

    def _settle(self) -> None:
        """Wait until the inputs have been quiet for a moment, but not for ever."""
        self._become(State("stale", self.state.run_id))
        first = changed = time.monotonic()
        seen = self._source.signature
        while (now := time.monotonic()) < min(changed + QUIET_SECONDS, first + PATIENCE_SECONDS):
            if self._stopped.wait(_STEP_SECONDS):
                return
            if self._source.signature != seen:
                seen, changed = self._source.signature, now

    def _build(self) -> None:
        started = time.monotonic()
        try:
            if self._source.is_current():
                self._become(State("fresh", _run_id(self._source.reports)))
                return
            self._say(f"Processing {self._source.log} ...")
            self._become(State("building", self.state.run_id))
            problems = self._source.build()
        except FinopsError as e:
            self._say(str(e))
            self._become(State("failed", _run_id(self._source.reports), e.message, e.hint))
        except Exception as e:  # the server outlives whatever a build does
            self._say("".join(traceback.format_exception(e)))
            message = f"The reports could not be built: {type(e).__name__}: {e}"
            hint = "The terminal in which finops serve runs shows more."
            self._become(State("failed", _run_id(self._source.reports), message, hint))
        else:
            for line in problems:
                self._say(line)
            self._say(f"Published to {self._source.reports} in {time.monotonic() - started:.1f} s.")
            self._become(State("fresh", _run_id(self._source.reports)))

    def _become(self, state: State) -> None:
        self.state = state
        self._tell(state)


def _run_id(reports: Path) -> str:
    return str((publication.read_manifest(reports) or {}).get("run_id", ""))


@contextlib.contextmanager
def _observing(source: Source, notice: Callable[[], None]) -> Any:
    """Have the system tell about changes; yields whether it can.

    The directories are watched, since programs replace files; only what concerns the inputs or the manifest
    counts, and reading a file does not.
    """
    from watchdog.events import EVENT_TYPE_CLOSED_NO_WRITE, EVENT_TYPE_OPENED, FileSystemEvent, FileSystemEventHandler
    from watchdog.observers import Observer

    files = {p.absolute() for p in (source.log, source.settings_file, source.reports / publication.MANIFEST)}

    class Handler(FileSystemEventHandler):
        def on_any_event(self, event: FileSystemEvent) -> None:
            if event.event_type in {EVENT_TYPE_OPENED, EVENT_TYPE_CLOSED_NO_WRITE}:
                return
            if files & {Path(str(event.src_path)), Path(str(event.dest_path))}:
                notice()

    observer = Observer()
    try:
        for directory in {file.parent for file in files if file.parent.is_dir()}:
            observer.schedule(Handler(), str(directory))
        observer.start()
    except OSError:  # no inotify instances or watches are left
        yield False
        return
    try:
        yield True
    finally:
        observer.stop()
