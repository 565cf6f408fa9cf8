"""A plugin in a process of its own, held to a time and a memory limit.

The process runs :mod:`finops_core.plugins.isolated`. What it is asked goes to it pickled; what it answers is not
trusted and comes back as frames of data (:class:`Kind`): record batches as Arrow streams, everything else as JSON,
and a mark at the end of a result, so that half a result is never taken for a whole one.

It guards against accidents (a plugin that hangs, crashes or eats the memory), not against malice: the process has
the rights of the user.
"""

from __future__ import annotations

import json
import os
import pickle
import select
import signal
import struct
import subprocess
import sys
import threading
import time
import weakref
from collections.abc import Iterator
from contextlib import suppress
from datetime import date
from enum import Enum
from types import SimpleNamespace
from typing import IO, TYPE_CHECKING, Any

from finops_core.errors import PluginError, UsageError
from finops_core.plugins.found import ContainedError, Found, Problem
from finops_core.plugins.prints import NamedLines

if TYPE_CHECKING:
    import pyarrow as pa

    from finops_core.report import Report
    from finops_core.settings import Settings
    from finops_core.simulation import Run

HEAD = struct.Struct(">cQ")
"""What a frame begins with: its kind, and the number of bytes that follow."""

_LOOK_AGAIN = 0.2
"""Seconds after which a process that says nothing is looked at."""

_LAST_WORDS = 2.0
"""Seconds that a process has to end after its last frame, and its last lines to arrive."""

_READ = 1 << 20
_LINE = 1 << 16


class Kind(Enum):
    """The kinds of frames; all but ``BATCH`` and ``END`` hold JSON."""

    LOADED = b"L"
    """The plugin is ready: the traits that :data:`TRAITS` names."""
    WRONG_SETTING = b"U"
    """A parameter is wrong: message and hint of a :class:`~finops_core.errors.UsageError`."""
    PROBLEM = b"P"
    """The plugin failed: the fields of a :class:`~finops_core.plugins.Problem`."""
    BATCH = b"B"
    """A record batch of a pattern, as an Arrow stream."""
    REPORT = b"R"
    """The report of an analyzer."""
    END = b"E"
    """The result is complete; of a pattern, an Arrow stream of the events that it planted."""


TRAITS = ("start", "num_days", "seed", "report_name", "title")
"""What the core reads of a plugin's object besides calling its hook."""


class Isolated:
    """A plugin that runs in a process of its own.

    Args:
        found: The plugin.
        settings: Its parameters, and the limits in ``[isolation]``.
    """

    def __init__(self, found: Found, settings: Settings) -> None:
        if os.name != "posix":
            raise UsageError("--isolate needs a POSIX system, such as Linux or macOS", hint="Leave it out.")
        self._limits = settings.isolation
        self._seconds_left = self._limits.seconds
        results, theirs = os.pipe()
        self._results = os.fdopen(results, "rb", buffering=0)
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-X", "faulthandler", "-m", "finops_core.plugins.isolated", str(theirs)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            pass_fds=(theirs,),
            start_new_session=True,
            # each arena of the allocator reserves 64 MiB of what the process may have
            env={**os.environ, "MALLOC_ARENA_MAX": "2"},
        )
        os.close(theirs)
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._questions, printed = self._process.stdin, self._process.stdout
        self.close = weakref.finalize(self, _end, self._process, self._questions, self._results)
        """Ends the process and all that it started; called again, it does nothing."""
        self._relay = threading.Thread(target=_show, args=(printed, found.name), daemon=True)
        self._relay.start()
        self._ask(sys.path)
        self._ask((found, settings))

    def traits(self) -> SimpleNamespace | UsageError:
        """Wait until the plugin is imported and constructed.

        Returns:
            What the core reads of it, or that a parameter's name or value is wrong.

        Raises:
            PluginError: It cannot be loaded, or not within the limits.
        """
        try:
            kind, payload = self._frame()
            if kind not in (Kind.LOADED, Kind.WRONG_SETTING):
                raise _out_of_turn(kind)
        except BaseException:
            self.close()
            raise
        traits = json.loads(payload)
        if kind is Kind.WRONG_SETTING:
            self.close()
            return UsageError(traits["message"], hint=traits["hint"])
        if traits.get("start"):
            traits["start"] = date.fromisoformat(traits["start"])
        return SimpleNamespace(**traits)

    def call(self, **arguments: Any) -> Iterator[pa.RecordBatch] | Report:
        """Call the plugin's hook, once.

        Returns:
            What the hook of a pattern yields, or of an analyzer returns.

        Raises:
            PluginError: It failed, or reached a limit.
        """
        return self._batches(**arguments) if "run" in arguments else self._report(**arguments)

    def _batches(self, run: Run) -> Iterator[pa.RecordBatch]:
        """The batches of a pattern; when they are all there, the events that it planted are in the run."""
        import pyarrow as pa

        from finops_core.simulation import Event

        try:
            self._ask({"run": run})
            while True:
                kind, payload = self._frame()
                if kind is Kind.BATCH:
                    yield pa.ipc.open_stream(payload).read_next_batch()
                elif kind is Kind.END:
                    events = pa.ipc.open_stream(payload).read_all().drop_columns(["source"])
                    run.plant(Event(**row) for row in events.to_pylist())
                    self._hear_out()
                    return
                else:
                    raise _out_of_turn(kind)
        finally:
            self.close()

    def _report(self, **arguments: Any) -> Report:
        from finops_core.report import Report

        try:
            self._ask(arguments)
            kind, payload = self._frame()
            if kind is not Kind.REPORT:
                raise _out_of_turn(kind)
            end, _ = self._frame()
            if end is not Kind.END:
                raise _out_of_turn(end)
            self._hear_out()
            return Report.model_validate_json(payload)
        finally:
            self.close()

    def _ask(self, question: Any) -> None:
        # What ended cannot be asked; that it ended is told when its answer is read.
        with suppress(BrokenPipeError):
            self._questions.write(pickle.dumps(question))
            self._questions.flush()

    def _frame(self) -> tuple[Kind, bytes]:
        """The next frame that is a result.

        Raises:
            ContainedError: The frame says that the plugin failed.
            PluginError: The process ended or reached a limit instead.
        """
        letter, size = HEAD.unpack(self._exactly(HEAD.size))
        if size > self._limits.memory_mib << 20:
            raise PluginError("its process sent something that is not a result")
        kind, payload = Kind(letter), self._exactly(size)
        if kind is Kind.PROBLEM:
            raise ContainedError(Problem(**json.loads(payload)))
        return kind, payload

    def _exactly(self, size: int) -> bytes:
        """The next bytes; only the time in which nothing comes counts as the plugin's."""
        data = bytearray()
        while len(data) < size:
            if self._seconds_left <= 0:
                raise PluginError(
                    f"it was ended after {self._limits.seconds:g} s",
                    hint="If it needs longer, raise [isolation] seconds in finops.toml.",
                )
            ended = self._process.poll() is not None
            if self._waits():
                chunk = self._results.read(min(size - len(data), _READ))
                if not chunk:
                    raise self._ended()
                data += chunk
            elif ended:
                raise self._ended()
        return bytes(data)

    def _waits(self) -> bool:
        """Whether there is something to read, after a moment if need be."""
        began = time.monotonic()
        ready, _, _ = select.select([self._results], [], [], min(_LOOK_AGAIN, self._seconds_left))
        self._seconds_left -= time.monotonic() - began
        return bool(ready)

    def _ended(self) -> PluginError:
        try:
            code = self._process.wait(_LAST_WORDS)
        except subprocess.TimeoutExpired:
            return PluginError("it closed the way for its result")
        self._hear_out()
        how = f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended itself with exit code {code}"
        return PluginError(f"its process {how} before its result was complete")

    def _hear_out(self) -> None:
        """Wait a moment for the process to end by itself, and show what it printed last."""
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(_LAST_WORDS)
        self._relay.join(_LAST_WORDS)


def _out_of_turn(kind: Kind) -> PluginError:
    return PluginError(f"its process sent a frame {kind.name} out of turn")


def _show(lines: IO[bytes], name: str) -> None:
    """Show the lines of a plugin's process; those of its hooks have the name already."""
    shown = NamedLines(name)
    prefix = f"{name}: "
    while line := lines.readline(_LINE):
        shown.write(line.decode(errors="backslashreplace").removeprefix(prefix))
    shown.end()
    lines.close()


def _end(process: subprocess.Popen[bytes], questions: IO[bytes], results: IO[bytes]) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    with suppress(BrokenPipeError):
        questions.close()
    results.close()
