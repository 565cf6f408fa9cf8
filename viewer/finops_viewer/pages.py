"""From reports to pages: what a page shows, and Jinja2 with autoescape for how."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from importlib.resources import files
from typing import Any, Literal

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from finops_core.cells import TEXT_UNITS, Unit
from finops_core.report import Chart, Column, Finding, Metric, Report, Table
from finops_core.wording import plural
from finops_viewer import units
from finops_viewer.record import About

SHOWN_ROWS = 10
"""Rows of a long table that are in the page's HTML; the others are in its data, one press away."""
LEAST_HIDDEN = 6
"""A table that would hide fewer rows than this shows all of them."""
SHOWN_FINDINGS = 10
"""Findings that the home page shows unfolded."""
STYLE = "viewer.css"
EARLY_SCRIPT = "theme.js"
"""Runs before the first paint, so that a chosen theme does not flash."""
SCRIPTS = (
    "echarts.min.js",
    "format.js",
    "selection.js",
    "filters.js",
    "axes.js",
    "scatter.js",
    "kinds.js",
    "charts.js",
    "tables.js",
    "picture.js",
    "downloads.js",
    "morph.js",
    "live.js",
    "page.js",
)

# Both numbers stand there; a change below these is not worth a word, and no good or bad news.
_LEAST_PERCENT, _LEAST_POINTS = Decimal("0.5"), Decimal("0.05")
_BEFORE_UNIT = re.compile(r"(?<=\d) (?=(?:%|ms|s|h)(?!\w))")
TIME = "timestamp"
"""The column of the call log that a range of days is about."""

# Charts of which a part is still true: the steps of a waterfall belong together.
_PICKABLE = frozenset({"line", "bar"})
_SPARK_WIDTH, _SPARK_HEIGHT = 120, 28
_CONFIDENCE = {"high": "High confidence", "medium": "Medium confidence", "low": "Low confidence"}
_SEVERITY = {"good": "Good news", "info": "For information", "warning": "Act soon", "critical": "Act now"}
_STATE = {"ready": "Ready", "empty": "Nothing to show", "failed": "Failed"}


@dataclass(frozen=True)
class Shown:
    """A report as a page shows it.

    Attributes:
        report: The content: this publication's, or the last good one if the plugin failed since.
        latest: What this publication's analysis returned.
        about: The facts of the publication that made the content.
    """

    report: Report
    latest: Report
    about: About

    @property
    def state(self) -> Literal["ready", "empty", "failed"]:
        """The state of the latest analysis."""
        return self.latest.state

    @property
    def is_earlier(self) -> bool:
        """Whether the content is older than the publication."""
        return self.report is not self.latest

    @property
    def headline(self) -> Metric | None:
        """The metric on the report's card."""
        return next((m for m in self.report.metrics if m.id == self.report.headline), None)


@dataclass(frozen=True)
class Change:
    """A metric against the period before, in words."""

    text: str
    mood: Literal["good", "bad", "neutral"]


@dataclass(frozen=True)
class Inline:
    """What a page holds itself instead of referring to files.

    Attributes:
        policy: The page's content security policy.
        style: Its style sheet.
        early_script: The script that runs before the first paint.
        scripts: The others, in order.
    """

    policy: str
    style: Markup
    early_script: Markup
    scripts: tuple[Markup, ...]


def render_report(shown: Shown, others: Sequence[Shown], about: About, inline: Inline | None = None) -> str:
    """The page of one report.

    Args:
        shown: The report.
        others: All reports of the publication, for the navigation.
        about: How the publication was made.
        inline: Makes a page that needs no other file.
    """
    tables = {t.id: t for _, t in _tables(shown.report)}
    charts = {
        b.id: {**b.model_dump(), "decimals": _decimals(tables[b.id])[-1]}
        for s in shown.report.sections
        for b in s.blocks
        if b.type == "chart"
    }
    data = {"run_id": about.run_id, "tables": {k: _table_data(t) for k, t in tables.items()}, "charts": charts}
    return (
        _environment()
        .get_template("report.html")
        .render(
            shown=shown,
            report=shown.report,
            findings=ranked([(shown, f) for f in shown.report.findings]),
            others=others,
            about=about,
            tables=tables,
            data=_json(data),
            page=shown.report.name,
            inline=inline,
        )
    )


def render_home(all_shown: Sequence[Shown], about: About) -> str:
    """The home page: headline numbers, a card per report, findings by dollars a month."""
    findings = ranked([(s, f) for s in all_shown for f in s.report.findings])
    return (
        _environment()
        .get_template("home.html")
        .render(
            others=all_shown,
            about=about,
            metrics=sorted(
                ((s, m) for s in all_shown for m in s.report.metrics if m.home),
                key=lambda shown: (shown[1].home, shown[0].report.name),
            ),
            comparisons=sorted({s.report.comparison for s in all_shown if s.report.comparison}),
            findings=findings[:SHOWN_FINDINGS],
            more_findings=findings[SHOWN_FINDINGS:],
            data=_json({"run_id": about.run_id, "tables": {}, "charts": {}}),
            page="index",
        )
    )


def render_waiting(message: str, hint: str) -> str:
    """The page that the server shows while there is no publication yet."""
    return (
        _environment()
        .get_template("waiting.html")
        .render(
            message=message,
            hint=hint,
            others=(),
            about=None,
            data=_json({"run_id": "", "tables": {}, "charts": {}}),
            page="index",
        )
    )


def assets() -> dict[str, bytes]:
    """The files that pages refer to, by path relative to the page."""
    folder = files("finops_viewer") / "assets"
    return {f"assets/{name}": (folder / name).read_bytes() for name in (STYLE, EARLY_SCRIPT, *SCRIPTS)}


def in_order(all_shown: Iterable[Shown]) -> list[Shown]:
    """Reports as navigation and cards list them: those of the headline numbers in their order, then by title."""

    def place(shown: Shown) -> tuple[bool, int, str, str]:
        places = [m.home for m in shown.report.metrics if m.home]
        return not places, min(places, default=0), shown.report.title, shown.report.name

    return sorted(all_shown, key=place)


def ranked(findings: Iterable[tuple[Shown, Finding]]) -> list[tuple[Shown, Finding]]:
    """Findings by dollars a month, the dearest first; those without an amount last, by severity."""
    order = list(_SEVERITY)
    return sorted(
        findings,
        key=lambda x: (
            x[1].usd_per_month is None,
            -(x[1].usd_per_month or 0),
            -order.index(x[1].severity),
            x[0].report.name,
            x[1].id,
        ),
    )


def change(metric: Metric) -> Change | None:
    """How a metric moved against the period before; ``None`` where there is nothing to compare.

    The number before always stands there, and the number now too where it is not the metric's own value: where only
    the last weeks of the period are compared.
    """
    if metric.current is None or metric.previous is None or metric.unit in TEXT_UNITS:
        return None
    now, before = Decimal(metric.current), Decimal(metric.previous)
    after = f"after {units.tile(metric.previous, metric.unit)}"
    if metric.current != metric.value:
        after = f"{units.tile(metric.current, metric.unit)} {after}"
    moved = _moved(now, before, metric.unit)
    if not moved:
        return Change(f"{after}, {'unchanged' if now == before else 'about the same'}", "neutral")
    direction = "higher" if now > before else "lower"
    mood: Literal["good", "bad", "neutral"] = (
        "neutral" if metric.better is None else "good" if metric.better == direction else "bad"
    )
    return Change(f"{after}, {moved}", mood)


def _moved(now: Decimal, before: Decimal, unit: Unit) -> str:
    """Which way and by how much, such as ``up 3.1 %``; empty where that would read as nothing."""
    word, difference = "up" if now > before else "down", abs(now - before)
    if unit == "percent":
        points = units.full(difference, "ratio").removesuffix("×")
        return f"{word} {points} points" if difference >= _LEAST_POINTS else ""
    if before <= 0:
        return word if difference else ""
    part = difference / before * 100
    return f"{word} {units.full(float(part), 'percent')}" if part >= _LEAST_PERCENT else ""


def table_of(chart: Chart) -> Table:
    """The numbers of a chart as a table: its twin for readers who cannot or will not see it."""
    rows: list[tuple[Any, ...]]
    if chart.kind == "scatter":
        columns = [
            Column(name="label", label="Name"),
            Column(name="x", label=chart.x.label, unit=chart.x.unit),
            Column(name="y", label=chart.y.label, unit=chart.y.unit),
            Column(name="highlight", label="Marked"),
        ]
        rows = [(p.label, p.x, p.y, "yes" if p.highlight else "no") for p in chart.points]
    else:
        is_time = chart.x.unit in {"date", "time"}
        dimension = (TIME if is_time else chart.dimension) if chart.kind in _PICKABLE else ""
        columns = [
            Column(
                name="x",
                label=chart.x.label,
                unit=chart.x.unit if is_time else "text",
                role="dimension" if dimension else "derived",
                dimension=dimension,
            )
        ]
        columns += [
            Column(name=f"y{i}", label=s.name or chart.y.label, unit=chart.y.unit, role="measure")
            for i, s in enumerate(chart.series)
        ]
        rows = list(zip(chart.categories, *(s.values for s in chart.series), strict=True))
    return Table(id=chart.id, title=chart.title, columns=tuple(columns), rows=tuple(rows))


def sparkline(values: Sequence[float]) -> str:
    """The points of a polyline that fills the card's small box; empty for fewer than two values."""
    if len(values) < 2:
        return ""
    low, high = min(values), max(values)
    height = _SPARK_HEIGHT - 4
    return " ".join(
        f"{i * _SPARK_WIDTH / (len(values) - 1):.1f},"
        f"{2 + height * (1 - (v - low) / (high - low)) if high > low else _SPARK_HEIGHT / 2:.1f}"
        for i, v in enumerate(values)
    )


def _tables(report: Report) -> list[tuple[str, Table]]:
    """Every table of a report and the twin of every chart, by block id."""
    return [(b.id, b if isinstance(b, Table) else table_of(b)) for section in report.sections for b in section.blocks]


def _table_data(table: Table) -> dict[str, Any]:
    kept = table.model_dump(include={"title", "rows", "total", "other", "other_rows"})
    columns = zip(table.columns, _decimals(table), strict=True)
    described = [{**c.model_dump(include={"label", "unit", "role", "dimension"}), "decimals": d} for c, d in columns]
    return {**kept, "columns": described}


def _decimals(table: Table) -> list[int]:
    """The decimals of each column; dollars that are added up have those of the largest, as in any account."""
    added_up = [i for i, c in enumerate(table.columns) if c.unit == "usd" and c.role == "measure"]
    of_account = units.decimals_of([row[i] for row in table.rows for i in added_up], "usd")
    return [
        of_account if i in added_up else units.decimals_of([row[i] for row in table.rows], c.unit, each=True)
        for i, c in enumerate(table.columns)
    ]


def _shown_rows(table: Table) -> int:
    """How many rows the page shows unasked."""
    return SHOWN_ROWS if len(table.rows) >= SHOWN_ROWS + LEAST_HIDDEN else len(table.rows)


def _json(data: Mapping[str, Any]) -> Markup:
    """JSON that cannot end the script element it stands in, nor a line of JavaScript; decimals are text."""
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"), default=lambda number: f"{number:f}")
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return Markup(text)


def _shown_text(value: Any) -> Any:
    """Text for reading: every character shows, and a number stays on one line with its unit."""
    return _BEFORE_UNIT.sub("\u00a0", units.plain(value)) if type(value) is str else value


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("finops_viewer"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_shown_text,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        full=units.full,
        tile=units.tile,
        cell_class=units.cell_class,
        decimals=_decimals,
        shown_rows=_shown_rows,
        change=change,
        plural=plural,
        sparkline=sparkline,
    )
    environment.globals.update(
        confidence=_CONFIDENCE,
        severity=_SEVERITY,
        states=_STATE,
        text_units=TEXT_UNITS,
        style=STYLE,
        early_script=EARLY_SCRIPT,
        scripts=SCRIPTS,
        inline=None,
    )
    return environment
