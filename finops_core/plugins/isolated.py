"""The process of an isolated plugin: ``python -m finops_core.plugins.isolated FD``.

It is asked on stdin and answers with frames on the file descriptor ``FD``; see :mod:`finops_core.plugins.isolation`.
"""

from __future__ import annotations

import json
import os
import pickle
import resource
import sys
from collections.abc import Callable, Iterable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from finops_core.errors import PluginError, UsageError
from finops_core.plugins.found import Problem
from finops_core.plugins.isolation import HEAD, TRAITS, Kind
from finops_core.plugins.loading import Loaded, LoadedPlugin, load

_STATM = Path("/proc/self/statm")
"""What a process has reserved, in pages; on systems without it, address space is no limit either."""

Send = Callable[[Kind, bytes | memoryview], None]


def main() -> None:
    """Load one plugin, call its hook once, and leave."""
    questions, results = os.fdopen(os.dup(0), "rb"), os.fdopen(int(sys.argv[1]), "wb")
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)  # a plugin that reads stdin finds nothing there

    def send(kind: Kind, payload: bytes | memoryview) -> None:
        results.write(HEAD.pack(kind.value, len(payload)))
        results.write(payload)
        results.flush()

    sys.path[:] = pickle.load(questions)
    found, settings = pickle.load(questions)
    unlimited = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    pa.array([0]), duckdb.connect(":default:")  # both reserve much at their first use, which is not the plugin's
    if _STATM.exists():
        reserved = int(_STATM.read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (reserved + (settings.isolation.memory_mib << 20), unlimited[1]))
    try:
        loaded = load((found,), settings)
        for problem in loaded.problems:
            _tell(send, problem)
        for plugin in loaded.plugins:
            traits = {name: getattr(plugin.instance, name) for name in TRAITS if hasattr(plugin.instance, name)}
            send(Kind.LOADED, json.dumps(traits, default=str).encode())
            answer = _simulate if found.kind == "patterns" else _analyze
            answer(loaded, plugin, pickle.load(questions), send)
    except UsageError as e:
        send(Kind.WRONG_SETTING, json.dumps({"message": e.message, "hint": e.hint}).encode())
    except PluginError as e:
        resource.setrlimit(resource.RLIMIT_AS, unlimited)  # so that there is room to tell what happened
        problem = found.problem(e)
        if isinstance(e.__cause__, MemoryError):
            problem = replace(
                problem,
                message=f"it needed more memory than its {settings.isolation.memory_mib:,} MiB: {problem.message}",
                hint="If it has to, raise [isolation] memory_mib in finops.toml.",
            )
        _tell(send, problem)
    sys.stderr.flush()
    os._exit(0)  # whatever threads the plugin has left behind


def _simulate(loaded: Loaded, plugin: LoadedPlugin, arguments: Any, send: Send) -> None:
    from finops_core.simulation.checks import BatchChecker

    run = arguments["run"]
    checker = BatchChecker(run)
    for batch in loaded.iterate(plugin, run=run):
        if not isinstance(batch, pa.RecordBatch):
            checker.check(batch)  # says what it is instead; whatever else can be wrong is checked outside
        send(Kind.BATCH, _stream(batch.schema, [batch]))
    checker.check_events()
    events = run.events()
    send(Kind.END, _stream(events.schema, events.to_batches()))


def _analyze(loaded: Loaded, plugin: LoadedPlugin, arguments: Any, send: Send) -> None:
    from finops_core.report import checked

    send(Kind.REPORT, checked(loaded.call(plugin, **arguments)).model_dump_json().encode())
    send(Kind.END, b"")


def _stream(schema: pa.Schema, batches: Iterable[pa.RecordBatch]) -> memoryview:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, schema) as writer:
        for batch in batches:
            writer.write_batch(batch)
    return memoryview(sink.getvalue())


def _tell(send: Send, problem: Problem) -> None:
    send(Kind.PROBLEM, json.dumps(asdict(problem)).encode())


if __name__ == "__main__":
    main()
