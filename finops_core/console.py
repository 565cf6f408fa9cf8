"""What people see on the terminal: progress, summaries, problems, the next step."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from decimal import Decimal
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TaskProgressColumn, TextColumn
from rich.table import Table
from rich.text import Text

from finops_core.wording import dollars, plural

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from finops_core.importing import ImportResult
    from finops_core.ledger import CheckResult
    from finops_core.ledger.calls import LogCounts
    from finops_core.plugins import Description, Problem
    from finops_core.report import Report
    from finops_core.simulation.recording import PatternTotals

SHOWN_EXAMPLES = 5
TOP_FINDINGS = 5
STATE_STYLE = {"ready": "green", "empty": "yellow", "failed": "red"}


class Terminal:
    """Where a command writes: results to stdout, everything else to stderr.

    Args:
        quiet: Only results and problems.
        json: Results are one JSON document, printed elsewhere; nothing else goes to stdout.
    """

    def __init__(self, *, quiet: bool = False, json: bool = False) -> None:
        self.out = Console(highlight=False, soft_wrap=True, stderr=json, quiet=quiet or json)
        self.err = Console(highlight=False, soft_wrap=True, stderr=True)
        self.quiet = quiet
        # a bar that leaves nothing behind would leave empty lines in a file
        self._still = quiet or not self.err.is_terminal

    @contextmanager
    def simulating(self, names: Sequence[str]) -> Iterator[Callable[[str, float, int], None]]:
        """A bar for each pattern; yields what tells how far one is."""
        columns = (
            TextColumn("{task.description:<12}"),
            BarColumn(),
            TaskProgressColumn(),
            TextColumn("{task.fields[calls]:>12,} calls"),
        )
        with Progress(*columns, console=self.err, disable=self.quiet) as progress:
            tasks = {name: progress.add_task(name, total=1.0, calls=0) for name in names}

            def tell(name: str, part: float, calls: int) -> None:
                progress.update(tasks[name], completed=part, calls=calls)

            yield tell
            for task in progress.tasks:
                if task.completed:
                    progress.update(task.id, completed=1.0)

    @contextmanager
    def reading(self) -> Iterator[Callable[[int, int], None]]:
        """A bar for the bytes of a log; yields what tells how many are read."""
        columns = (TextColumn("{task.description:<12}"), BarColumn(), TaskProgressColumn())
        with Progress(*columns, console=self.err, disable=self._still, transient=True) as progress:
            task = progress.add_task("reading", total=None)
            yield lambda done, total: progress.update(task, completed=done, total=max(1, total))

    @contextmanager
    def analyzing(self, count: int) -> Iterator[Callable[[str], None]]:
        """A bar for analyzers; yields what tells that one begins."""
        columns = (SpinnerColumn(), TextColumn("analyzing {task.fields[name]}"), BarColumn(), MofNCompleteColumn())
        with Progress(*columns, console=self.err, disable=self._still, transient=True) as progress:
            task = progress.add_task("analyzing", total=count, name="", start=True)
            begun = -1

            def tell(name: str) -> None:
                nonlocal begun
                begun += 1
                progress.update(task, completed=begun, name=name)

            yield tell

    def patterns(self, patterns: Sequence[PatternTotals], whole: PatternTotals) -> None:
        """The combined statistics of a simulation."""
        table = Table(box=None, header_style="bold", pad_edge=False)
        table.add_column("pattern")
        for name in ("calls", "customers", "cost", "tokens", "cost per call"):
            table.add_column(name, justify="right")
        for row in (*patterns, whole):
            each = f"${row.cost_usd / row.calls:,.6f}" if row.calls else "-"
            style = "bold" if row is whole else ""
            cells = (row.name, f"{row.calls:,}", f"{row.customers:,}", f"${row.cost_usd:,.2f}", f"{row.tokens:,}", each)
            table.add_row(*(Text(cell) for cell in cells), style=style)
        self.out.print(table)

    def log(self, path: object, counts: LogCounts, cost: Decimal) -> None:
        """The conservation counts of a log, and the cost of its accepted calls."""
        terms = (
            f"{counts.header} header",
            f"{counts.repeated_headers:,} repeated",
            f"{counts.accepted:,} accepted",
            f"{counts.quarantined:,} quarantined",
            f"{counts.blank:,} blank",
            f"{counts.pending} pending",
        )
        self.out.print(Text(f"\n{path}: {plural(counts.lines, 'line')} = {' + '.join(terms)}; cost ${cost:,.2f}"))

    def reports(self, reports: Sequence[Report], month_caveat: str) -> None:
        """One line for each report, then the findings with most at stake.

        Args:
            reports: All of them.
            month_caveat: What amounts a month rest on, if that is little.
        """
        table = Table(box=None, header_style="bold", pad_edge=False, show_header=False)
        table.add_column(no_wrap=True)
        table.add_column(overflow="fold")
        for report in reports:
            name = Text(report.name, style=STATE_STYLE[report.state])
            table.add_row(name, Text(report.answer))
        self.out.print()
        self.out.print(table, soft_wrap=False)
        found = [(f.usd_per_month, f, r) for r in reports for f in r.findings if f.usd_per_month is not None]
        top = sorted(found, key=lambda item: (-item[0], item[2].name, item[1].id))[:TOP_FINDINGS]
        if top:
            self.out.print(Text("\nMost at stake a month", style="bold"))
            if month_caveat:
                self.out.print(Text(month_caveat))
            for amount, finding, _ in top:
                self.out.print(Text(f"  ${amount:>12,.2f}  {finding.title}"))

    def problems(self, problems: Sequence[Problem]) -> None:
        """What plugins did wrong, a line each."""
        for problem in problems:
            self.err.print(Text(problem.line(), style="red"))

    def next_step(self, *lines: str) -> None:
        """What to do now."""
        self.out.print()
        for line in lines:
            self.out.print(Text(line))

    def check(self, log: Path, result: CheckResult, limit: int | None) -> None:
        """What a log holds, line by line.

        Args:
            log: The file.
            result: What the check found.
            limit: How many quarantined lines to list; ``None`` is all of them.
        """
        if result.refused:
            self.err.print(Text(f"{result.refused.code}: {result.refused}", style="red"))
            return
        self.log(log, result.counts, result.cost_usd)
        for count, meaning in (
            (result.counts.naive_timestamps, "times had no zone and were read as UTC"),
            (result.counts.rounded_costs, "costs had more than nine fractional digits and were rounded"),
        ):
            if count:
                self.out.print(Text(f"{count:,} {meaning}."))
        if result.counts.unknown_columns:
            columns = ", ".join(result.counts.unknown_columns)
            self.out.print(Text(f"Columns that are not a call's were left out: {columns}"))
        for line in result.quarantine[:limit]:
            self.out.print(Text(f"  line {line['line']:,}  {line['code']}  {line['reason']}"))
            self.out.print(Text(f"      {line['text']}", style="dim"))
        if limit is not None and len(result.quarantine) > limit:
            more = len(result.quarantine) - limit
            self.out.print(Text(f"  and {more:,} more: finops check {log} --quarantine"))
        if result.quarantine:
            self.next_step(
                "Quarantined lines count nowhere. Correct them where they come from and append them again,",
                "as whole lines; the lines in the log may stay as they are.",
            )

    def imported(self, file: Path, log: Path, result: ImportResult) -> None:
        """What an import brought, and what it left."""
        lines = [
            f"{file}: {result.imported:,} of {plural(result.rows, 'row')} imported into {log}, "
            f"{plural(result.tokens, 'token')}, {dollars(result.cost_usd)}."
        ]
        if result.priced:
            lines.append(f"Priced from the catalogue, each at its date: {plural(result.priced, 'call')}.")
        if result.naive_timestamps:
            lines.append(f"Read as UTC: {plural(result.naive_timestamps, 'time')} without a zone.")
        if result.rounded_costs:
            lines.append(f"Rounded to nine fractional digits: {plural(result.rounded_costs, 'cost')}.")
        if result.unused:
            lines.append(f"Columns that were not used: {', '.join(result.unused)}.")
        if result.quarantined:
            reasons = ", ".join(f"{n:,} {code}" for code, n in sorted(result.reasons.items()))
            lines.append(f"Not imported: {plural(result.quarantined, 'row')} ({reasons}), such as")
            lines += [f"  line {row.line:,}  {row.code}  {row.reason}" for row in result.examples[:SHOWN_EXAMPLES]]
            lines.append("Correct them in a file of their own and import that: the other rows would count twice.")
        for line in lines:
            self.out.print(Text(line))

    def plugin(self, description: Description) -> None:
        """What a plugin offers."""
        found = description.found
        head = f"{found.kind.removesuffix('s')} of {found.distribution} {found.version}"
        self.out.print(Text.assemble((found.name, "bold"), f", {head}: {description.summary}"))
        if description.hooks:
            self.out.print(Text(f"hooks: {', '.join(description.hooks)}"))
        if description.parameters:
            table = Table(box=None, header_style="bold", pad_edge=False)
            for name in ("parameter", "type", "default", "set to", "meaning"):
                table.add_column(name, overflow="fold")
            for p in description.parameters:
                table.add_row(*map(Text, (p.name, p.type, p.default, p.value or "", p.help)))
            self.out.print()
            self.out.print(table, soft_wrap=False)
            self.out.print(Text(f"\nSet one with --set {found.name}.{description.parameters[0].name}=VALUE"))
