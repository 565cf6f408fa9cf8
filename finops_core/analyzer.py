"""What analyzers build with: who they are, and reports that say so."""

from __future__ import annotations

from typing import Any, ClassVar

from finops_core.ledger.calls import Calls
from finops_core.plugin_base import Plugin
from finops_core.report import Report


class Analyzer(Plugin):
    """Base of analyzers: what their report is called and for whom it is, whatever its state.

    A subclass sets the class variables and implements the ``analyze(calls)`` hook, marked with ``@hookimpl``.
    """

    report_name: ClassVar[str]
    title: ClassVar[str]
    capability: ClassVar[str] = ""
    audience: ClassVar[str] = ""
    question: ClassVar[str] = ""

    def read_ahead(self, calls: Calls) -> None:
        """Ask for what ``analyze`` needs first, so that it is there by then.

        finops calls this on another thread while other analyzers compute. Only what :func:`~finops_core.read_once`
        keeps, and what ``Calls`` keeps itself, is worth asking for; an error here is left for ``analyze`` to meet.

        Args:
            calls: Those that ``analyze`` gets, with at least one in the period.
        """

    def report(self, *, answer: str, **fields: Any) -> Report:
        """A report with this analyzer's name, title, capability, audience and question filled in."""
        return Report(
            name=self.report_name,
            title=self.title,
            capability=self.capability,
            audience=self.audience,
            question=self.question,
            answer=answer,
            **fields,
        )

    def empty(self, why: str = "No calls yet.") -> Report:
        """The report on a log (or a period) without calls."""
        return self.report(answer=why, state="empty")
