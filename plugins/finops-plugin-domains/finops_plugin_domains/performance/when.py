"""When calls are made, and how slow they are then."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from finops_core import Axis, Calls, Chart, Section, Series, plural, read_once
from finops_plugin_domains.service import FEWEST_FOR_P95, TIMED, duration

WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
MONDAY = "2026-01-05"


@dataclass(frozen=True)
class Times:
    """When calls are made, and how slow they are then.

    Attributes:
        days: Day, median and 95th percentile of every day with timed calls, in order; milliseconds. The percentile is
            ``None`` for a day with too few.
        hours: The 95th percentile of every hour of the week (weekday from Monday = 0, hour) with enough timed calls.
        calls: Calls of every hour of the week that has some; filled where no latency is known at all.
    """

    days: list[tuple[str, float, float | None]]
    hours: dict[tuple[int, int], float]
    calls: dict[tuple[int, int], int]


# dayofweek counts from 0 in one SQL dialect and from 1 in another; the difference to a Monday does not.
_HOUR = f"(dayofweek(timestamp) - dayofweek(DATE '{MONDAY}') + 7) % 7 AS weekday, hour(timestamp) AS hour"


@read_once
def times_of(calls: Calls) -> Times:
    """Latency by day and by hour of the week."""
    days, hours, made = [], {}, {}
    for row in calls.rows(
        f"""
        WITH timed AS (
            SELECT date_trunc('day', timestamp) AS day, {_HOUR}, latency_ms FROM calls WHERE {TIMED}
        )
        SELECT day, weekday, hour, count(*) AS calls,
            percentile_cont($quantiles) WITHIN GROUP (ORDER BY latency_ms) AS latency
        FROM timed GROUP BY GROUPING SETS ((day), (weekday, hour))
        """,
        quantiles=[0.5, 0.95],
    ):
        p50, p95 = row["latency"]
        enough = row["calls"] >= FEWEST_FOR_P95
        if row["day"] is not None:
            days.append((row["day"].date().isoformat(), p50, p95 if enough else None))
        elif enough:
            hours[row["weekday"], row["hour"]] = p95
    if not days:
        rows = calls.rows(f"SELECT {_HOUR}, count(*) AS calls FROM calls GROUP BY 1, 2")
        made = {(row["weekday"], row["hour"]): row["calls"] for row in rows}
    return Times(sorted(days), hours, made)


def when_section(times: Times) -> Section:
    """Latency by day, and by hour of the week; the number of calls where no latency is known."""
    title = "When is it slow?"
    if not times.days:
        return Section(
            id="when",
            title=title,
            text="No successful call has a known latency; shown is when calls are made.",
            blocks=(_heatmap(times.calls, "Calls", "count", "number of calls"),),
        )
    text = "Hours are UTC."
    if times.hours:
        (day, hour), slowest = min(times.hours.items(), key=lambda item: (-item[1], item[0]))
        (low_day, low_hour), fastest = min(times.hours.items(), key=lambda item: (item[1], item[0]))
        text += (
            f" p95 is highest on {WEEKDAYS[day]} at {hour:02d}:00 ({duration(slowest)}) and lowest on "
            f"{WEEKDAYS[low_day]} at {low_hour:02d}:00 ({duration(fastest)})."
            if slowest > fastest
            else f" p95 is {duration(slowest)} in every hour of the week with {FEWEST_FOR_P95} timed calls or more."
        )
    else:
        text += f" No hour of the week has {FEWEST_FOR_P95} timed calls, so none has a 95th percentile worth showing."
    line = Chart(
        id="latency-per-day",
        kind="line",
        title="How did latency develop?",
        description=f"Median and 95th percentile of the latency of {plural(len(times.days), 'day')}.",
        x=Axis(label="Day", unit="date"),
        y=Axis(label="Latency", unit="ms"),
        categories=tuple(day for day, _, _ in times.days),
        series=(
            Series(name="p50", values=tuple(p50 for _, p50, _ in times.days)),
            Series(name="p95", values=tuple(p95 for _, _, p95 in times.days)),
        ),
    )
    heat = _heatmap(times.hours, "p95 latency", "ms", "95th percentile of the latency")
    return Section(id="when", title=title, text=text, blocks=(line, heat) if times.hours else (line,))


def _heatmap(hours: Mapping[tuple[int, int], float], name: str, unit: str, what: str) -> Chart:
    return Chart(
        id="hours-of-the-week",
        kind="heatmap",
        title=f"{name} by hour of the week",
        description=f"The {what} for each hour (UTC) of each weekday; an empty cell has none, or too few to tell.",
        x=Axis(label="Hour (UTC)"),
        y=Axis(label=name, unit=unit),
        categories=tuple(f"{hour:02d}:00" for hour in range(24)),
        series=tuple(
            Series(name=weekday, values=tuple(hours.get((day, hour)) for hour in range(24)))
            for day, weekday in enumerate(WEEKDAYS)
        ),
    )
