"""Reading on another thread what analyzers will ask for, while others compute: Python and databases rarely wait."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from finops_core.analyzer import Analyzer
from finops_core.plugins.prints import captured, captured_aside

if TYPE_CHECKING:
    from finops_core.ledger.calls import Calls
    from finops_core.plugins.loading import Loaded

PATIENCE_S = 1.0
"""How long the end waits for something that is still being read and nobody needs any more."""


@contextmanager
def reading_ahead(analyzers: Loaded, calls: Calls) -> Iterator[None]:
    """Meanwhile call :meth:`Analyzer.read_ahead` of each plugin in turn; what it raises is dropped.

    Args:
        analyzers: Those that will analyze, in this order; isolated ones are left out.
        calls: What they will get.
    """
    over = threading.Event()

    def read() -> None:
        for plugin in analyzers.plugins:
            with captured_aside(plugin.found.name), suppress(BaseException):
                if not over.is_set() and calls.total and isinstance(plugin.instance, Analyzer):
                    plugin.instance.read_ahead(calls)

    thread = threading.Thread(target=read, name="read-ahead", daemon=True)
    with captured("finops"):  # for what is printed between two plugins
        thread.start()
        try:
            yield
        finally:
            over.set()
            end = time.monotonic() + PATIENCE_S
            while thread.is_alive() and time.monotonic() < end:
                calls.interrupt(thread.ident)
                thread.join(0.05)
