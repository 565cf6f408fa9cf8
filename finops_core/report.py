"""A report as data: what an analyzer says, never how it looks.

A :class:`Report` answers one question with one sentence, and proves it with metrics, findings and
sections of charts and tables. Every number carries a named unit; the viewer formats it. Text is
text: nothing in a report is markup.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal
from typing import Annotated, Any, Literal, Self, TypeVar

import pyarrow as pa
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SkipValidation,
    StringConstraints,
    ValidationError,
    field_validator,
    model_validator,
)

from finops_core.cells import Cell, Number, Rows, Unit, cell, cells, typed_rows
from finops_core.errors import PluginError

S = TypeVar("S")

SCHEMA_VERSION: Literal[1] = 1
MAX_ROWS = 20_000

SLUG = r"^[a-z][a-z0-9_-]*$"
Slug = Annotated[str, StringConstraints(pattern=SLUG, max_length=80)]
HOME_PAGE = "index"


def is_report_name(name: object) -> bool:
    """Whether a report can be called so."""
    return isinstance(name, str) and re.fullmatch(SLUG, name) is not None and len(name) <= 80 and name != HOME_PAGE


class _Data(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, use_attribute_docstrings=True)


class Metric(_Data):
    """One number of a report, with the same number of the period before."""

    id: Slug
    label: str
    value: Cell
    """Over the whole period; ``None`` is unknown and is shown as such."""
    unit: Unit
    current: Cell = None
    """Over the later span of the comparison (see ``Report.comparison``)."""
    previous: Cell = None
    """Over the earlier span of the comparison."""
    better: Literal["lower", "higher"] | None = None
    """Which direction is good news, where one is."""
    note: str = ""
    """What the number means or why it is unknown; a KPI's formula."""
    home: Annotated[int, Field(ge=0)] = 0
    """Its place among the headline numbers of the home page, 1 is the first; 0 keeps it to the report."""

    @model_validator(mode="before")
    @classmethod
    def _typed(cls, data: Any) -> Any:
        if isinstance(data, dict) and "unit" in data:
            data = dict(data)
            for key in ("value", "current", "previous"):
                data[key] = cell(data.get(key), data["unit"])
        return data

    @classmethod
    def over(cls, spans: Sequence[S | None], measure: Callable[[S], Any], **fields: Any) -> Self:
        """A metric measured over the period and, where there is a comparison, over both of its spans.

        Args:
            spans: What is measured in the period, in the later and in the earlier span; the latter two may be missing
                or ``None``.
            measure: The value of one of them.
            fields: The other fields.
        """
        value, current, previous = (None if span is None else measure(span) for span in (*spans, None, None)[:3])
        return cls(value=value, current=current, previous=previous, **fields)


class Finding(_Data):
    """Something to act on."""

    id: Slug
    title: str
    """What, in one sentence, with who and how much."""
    who: str = ""
    """The customer, model, organisation or feature concerned."""
    usd_per_month: Decimal | None = None
    """What is at stake in 30 days, US dollars; ``None`` where no amount can be computed."""
    confidence: Literal["high", "medium", "low"]
    why_sure: str = ""
    """What the confidence rests on."""
    action: str
    """What to do."""
    section: Slug
    """The section of the same report that proves it."""
    severity: Literal["good", "info", "warning", "critical"] = "info"

    @field_validator("usd_per_month", mode="before")
    @classmethod
    def _money(cls, value: Any) -> Any:
        return cell(value, "usd")


def extrapolated(findings: Iterable[Finding], caveat: str) -> tuple[Finding, ...]:
    """Findings whose amounts a month were extrapolated, of low confidence and with the caveat.

    Args:
        findings: Those whose ``usd_per_month`` was made with :meth:`Period.per_month
            <finops_core.ledger.periods.Period.per_month>`; those without an amount stay as they are.
        caveat: :attr:`Calls.month_caveat <finops_core.ledger.calls.Calls.month_caveat>`; empty changes nothing.
    """
    return tuple(
        f.model_copy(update={"confidence": "low", "why_sure": f"{f.why_sure} {caveat}".strip()})
        if caveat and f.usd_per_month is not None
        else f
        for f in findings
    )


class Column(_Data):
    """A column of a table."""

    name: Slug
    label: str
    unit: Unit = "text"
    role: Literal["dimension", "measure", "share", "derived"] = "derived"
    """A dimension names what a row is about; a measure may be added up over rows; a share depends on the other rows,
    so that it means nothing when some of them are filtered out; all else is derived from its own row."""
    dimension: str = ""
    """For a dimension: the column of the call log that it shows, so that pages can filter by it."""


class Table(_Data):
    """Rows of typed cells, at most 20,000 of them; what was cut is in ``other``, exactly."""

    type: Literal["table"] = "table"
    id: Slug
    title: str
    takeaway: str = ""
    columns: tuple[Column, ...]
    rows: SkipValidation[Rows]  # the units have checked every cell; checking them against a union takes twice as long
    total: tuple[Cell, ...] | None = None
    """A closing row: the measures added up."""
    other: tuple[Cell, ...] | None = None
    """The rows that were cut, as one row."""
    other_rows: int = 0
    """How many rows ``other`` stands for."""
    note: str = ""

    @model_validator(mode="before")
    @classmethod
    def _typed(cls, data: Any) -> Any:
        if not isinstance(data, dict) or "columns" not in data:
            return data
        data = dict(data)
        columns = [c if isinstance(c, Column) else Column.model_validate(c) for c in data["columns"]]
        units = [c.unit for c in columns]

        data["columns"] = tuple(columns)
        rows = tuple(data.get("rows", ()))
        if len(rows) > MAX_ROWS:
            raise ValueError(f"table {data.get('id')!r}: {len(rows)} rows; use Table.of to keep the top {MAX_ROWS}")
        what = f"table {data.get('id')!r}"
        data["rows"] = typed_rows(rows, units, what)
        for key in ("total", "other"):
            if data.get(key) is not None:
                (data[key],) = typed_rows([data[key]], units, what)
        return data

    @classmethod
    def of(
        cls,
        id: str,  # noqa: A002 - the field's name
        title: str,
        columns: Sequence[Column],
        rows: pa.Table | Iterable[Sequence[Any]],
        *,
        takeaway: str = "",
        note: str = "",
        limit: int = MAX_ROWS,
        total: bool = False,
    ) -> Self:
        """A table from rows that are already in their order of importance.

        Args:
            id: Stable id, unique in the report.
            title: What the table shows.
            columns: One for each value of a row.
            rows: An Arrow table whose columns have the names of ``columns``, or rows of values.
            takeaway: What to see in it.
            note: A remark below it.
            limit: Rows to keep; the others are added up in ``other``, measure by measure.
            total: Whether to close with the sum of every measure.
        """
        if isinstance(rows, pa.Table):
            values: list[Sequence[Any]] = list(zip(*(rows[c.name].to_pylist() for c in columns), strict=True))
        else:
            values = [tuple(r) for r in rows]

        def added(label: str, of: Sequence[Sequence[Any]]) -> tuple[Any, ...]:
            out: list[Any] = []
            labelled = False
            for i, column in enumerate(columns):
                if column.role == "measure":
                    out.append(sum((r[i] for r in of if r[i] is not None), Decimal(0) if column.unit == "usd" else 0))
                elif not labelled and column.unit == "text":
                    out.append(label)
                    labelled = True
                else:
                    out.append(None)
            return tuple(out)

        kept, cut = values[:limit], values[limit:]
        return cls(
            id=id,
            title=title,
            takeaway=takeaway,
            note=note,
            columns=tuple(columns),
            rows=tuple(tuple(r) for r in kept),
            total=added("Total", values) if total and values else None,
            other=added(f"{len(cut):,} more", cut) if cut else None,
            other_rows=len(cut),
        )


class Axis(_Data):
    """An axis of a chart."""

    label: str
    unit: Unit = "text"


class Series(_Data):
    """One line, bar group or heatmap row of a chart."""

    name: str
    values: tuple[Cell, ...]
    role: Literal["actual", "forecast", "lower", "upper", "reference"] = "actual"
    """``lower`` and ``upper`` of the same chart bound a shaded interval; ``reference`` is drawn dashed."""


class Point(_Data):
    """One point of a scatter chart."""

    label: str
    x: float
    y: float
    highlight: bool = False
    """Marked as on the frontier."""


class Breakdown(_Data):
    """What the values of a chart are made of, by columns of the call log, so that a page can show what a filter leaves.

    The rows of a category add up to its values, to the last digit for dollars. Rates and percentiles do not add up:
    they can be told apart only where each category has one row.
    """

    by: tuple[str, ...]
    """The columns, such as ``("provider", "model")``."""
    rows: SkipValidation[Rows]  # checked by the chart, which knows the unit
    """In each the position of a category (or point), a name for each column, ``None`` where calls have none, and a
    value for each series."""


class Chart(_Data):
    """A chart that answers the question in its title.

    ===========  ==============================================================================
    kind         data
    ===========  ==============================================================================
    line         ``categories`` along x (dates or numbers as text), one or more ``series``
    bar          ``categories`` sorted by the caller, one or more ``series`` (``stacked``)
    heatmap      ``categories`` along x, a ``series`` for each row from top to bottom
    waterfall    ``categories`` and one series: the start, the changes, the end
    scatter      ``points``
    ===========  ==============================================================================
    """

    type: Literal["chart"] = "chart"
    id: Slug
    kind: Literal["line", "bar", "heatmap", "waterfall", "scatter"]
    title: str
    takeaway: str = ""
    description: str
    """What a person who cannot see it needs to know."""
    x: Axis
    y: Axis
    categories: tuple[str, ...] = ()
    series: tuple[Series, ...] = ()
    points: tuple[Point, ...] = ()
    stacked: bool = False
    dimension: str = ""
    """The column of the call log that the categories stand for, so that pages can filter by it; those along an axis of
    dates or times can be filtered by day without it."""
    breakdowns: tuple[Breakdown, ...] = ()
    """Further ways to filter it; a page uses the one that knows most of what is asked for. One of more than 20,000 rows
    is left out, so that pages stay light."""

    @model_validator(mode="before")
    @classmethod
    def _typed(cls, data: Any) -> Any:
        if not isinstance(data, dict) or "y" not in data:
            return data
        data = dict(data)
        y = data["y"] if isinstance(data["y"], Axis) else Axis.model_validate(data["y"])
        typed = []
        for s in data.get("series", ()):
            fields = {f: getattr(s, f) for f in Series.model_fields} if isinstance(s, Series) else dict(s)
            fields["values"] = tuple(cells(fields["values"], y.unit))
            typed.append(fields)
        breakdowns = []
        for b in data.get("breakdowns", ()):
            breakdown = b if isinstance(b, Breakdown) else Breakdown.model_validate(b)
            if len(breakdown.rows) > MAX_ROWS:
                continue
            names: list[Unit] = ["text"] * len(breakdown.by)
            units: list[Unit] = ["count", *names, *[y.unit] * len(typed)]
            what = f"chart {data.get('id')!r}: its breakdown by {', '.join(breakdown.by)}"
            breakdowns.append({"by": breakdown.by, "rows": typed_rows(breakdown.rows, units, what)})
        return {**data, "y": y, "series": tuple(typed), "breakdowns": tuple(breakdowns)}

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.kind == "scatter":
            if self.series or self.categories:
                raise ValueError(f"chart {self.id!r}: a scatter chart has points, not series")
        elif self.points:
            raise ValueError(f"chart {self.id!r}: only a scatter chart has points")
        for series in self.series:
            if len(series.values) != len(self.categories):
                raise ValueError(
                    f"chart {self.id!r}: series {series.name!r} has {len(series.values)} values "
                    f"for {len(self.categories)} categories"
                )
        for breakdown in self.breakdowns:
            self._check_breakdown(breakdown)
        return self

    def _check_breakdown(self, breakdown: Breakdown) -> None:
        what = f"chart {self.id!r}: its breakdown by {', '.join(breakdown.by)}"
        names = 1 + len(breakdown.by)
        parts: list[list[tuple[Cell, ...]]] = [[] for _ in self.points or self.categories]
        for row in breakdown.rows:
            position = row[0]
            if not isinstance(position, int) or not 0 <= position < len(parts):
                raise ValueError(f"{what} has the position {position!r} among {len(parts)}")
            parts[position].append(row[names:])
        for i, series in enumerate(self.series):
            for category, value, of_category in zip(self.categories, series.values, parts, strict=True):
                added = sum(_number(part[i]) for part in of_category)
                exact = self.y.unit == "usd"
                if not (added == _number(value) if exact else math.isclose(added, _number(value), rel_tol=1e-9)):
                    raise ValueError(f"{what} gives {added} for {category!r}, the chart {value}")


def _number(value: Cell) -> Number:
    """A value of a chart to add up; the unknown adds nothing."""
    return value if isinstance(value, (int, float, Decimal)) else 0


Block = Annotated[Chart | Table, Field(discriminator="type")]


class Section(_Data):
    """A part of a report that proves something."""

    id: Slug
    title: str
    text: str = ""
    """One or a few plain sentences; also where a section says what cannot be known, and why."""
    blocks: tuple[Block, ...] = ()


class Failure(_Data):
    """Why a report could not be made."""

    plugin: str
    distribution: str = ""
    version: str = ""
    message: str
    hint: str = ""
    traceback: str = ""


class Report(_Data):
    """What an analyzer found out."""

    name: Slug
    """Unique; the page is ``<name>.html``."""
    schema_version: Literal[1] = SCHEMA_VERSION
    """Grows when a reader of the JSON has to change."""
    state: Literal["ready", "empty", "failed"] = "ready"
    title: str
    capability: str = ""
    """The FinOps Framework capability it serves."""
    audience: str = ""
    question: str = ""
    answer: str
    """One sentence."""
    metrics: tuple[Metric, ...] = ()
    findings: tuple[Finding, ...] = ()
    sections: tuple[Section, ...] = ()
    method: tuple[str, ...] = ()
    assumptions: tuple[str, ...] = ()
    comparison: str = ""
    """What ``current`` and ``previous`` of the metrics stand for, or why there is no comparison."""
    headline: Slug | None = None
    """The metric that a card shows."""
    sparkline: tuple[float, ...] = ()
    """A small curve for the card, usually one value a day."""
    failure: Failure | None = None

    @field_validator("name")
    @classmethod
    def _not_the_home_page(cls, name: str) -> str:
        if name == HOME_PAGE:
            raise ValueError(f"a report cannot be called {HOME_PAGE!r}: that is the home page")
        return name

    @model_validator(mode="after")
    def _ids(self) -> Self:
        sections = [s.id for s in self.sections]
        for what, ids in (
            ("section", sections),
            ("finding", [f.id for f in self.findings]),
            ("metric", [m.id for m in self.metrics]),
            ("block", [b.id for s in self.sections for b in s.blocks]),
        ):
            double = sorted({i for i in ids if ids.count(i) > 1})
            if double:
                raise ValueError(f"report {self.name!r}: {what} id used twice: {', '.join(double)}")
        lost = sorted({f.section for f in self.findings} - set(sections))
        if lost:
            raise ValueError(
                f"report {self.name!r}: a finding points to a section that is not there: {', '.join(lost)}"
            )
        if self.headline is not None and self.headline not in {m.id for m in self.metrics}:
            raise ValueError(f"report {self.name!r}: no metric {self.headline!r} for the headline")
        return self


def checked(result: Any) -> Report:
    """What an analyzer returned, if it is a report in all of its parts.

    Raises:
        PluginError: It is not.
    """
    if not isinstance(result, Report):
        raise PluginError(f"analyze returned a {type(result).__name__} instead of a Report")
    try:
        return Report.model_validate(result.model_dump(warnings=False))
    except ValidationError as e:
        first = e.errors(include_url=False, include_input=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        raise PluginError(f"analyze returned a report that breaks the contract: {place}: {first['msg']}") from e
