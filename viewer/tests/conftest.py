"""Reports as an analyzer might make them, and the publication they go into."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from finops_viewer.publisher import HtmlPublisher

from finops_core.ledger.calls import LogCounts
from finops_core.ledger.periods import Period
from finops_core.report import (
    Axis,
    Breakdown,
    Chart,
    Column,
    Failure,
    Finding,
    Metric,
    Point,
    Report,
    Section,
    Series,
    Table,
)
from finops_core.site import Site

FIRST = date(2026, 1, 5)
DAYS = [str(FIRST + timedelta(days=i)) for i in range(30)]
HOSTILE = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "' onmouseover='alert(1)",
    "</script><script>alert(1)</script>",
    "{{ 7 * 7 }}{% raw %}",
    "\u202egnp.exe\u2066",
    "\u2028\u2029</style>",
    "<!--",
    "x" * 10_000,
)


def make_site(directory: Path, **changes: Any) -> Site:
    """A site of a log of 1,000 lines: 990 accepted, 4 quarantined, 1 header, 5 blank."""
    fields: dict[str, Any] = {
        "directory": directory,
        "log": Path("data/simulated_calls.csv"),
        "counts": LogCounts(
            lines=1000, header=1, accepted=990, quarantined=4, blank=5, reasons={"Q_TIMESTAMP": 3, "Q_COST": 1}
        ),
        "quarantine": ({"line": 17, "code": "Q_COST", "reason": "cost_usd is not a number", "text": "abc"},),
        "period": Period(FIRST, FIRST + timedelta(days=29)),
        "now": datetime(2026, 2, 3, 23, 59, 58),
        "built_at": datetime(2026, 2, 4, 8, 0, tzinfo=UTC),
        "run_id": "run-1",
        "offset": 123_456,
        "log_fingerprint": "f00d",
        "settings_fingerprint": "5e77",
        "plugins": {"html": "0.1.0", "understanding": "0.1.0"},
    }
    return Site(**{**fields, **changes})


def understanding() -> Report:
    """Lines, bars, a waterfall, a heatmap and tables: what most reports look like."""
    cost = [250 + 60 * math.sin(i / 2) + 4 * i for i in range(30)]
    models = ["gpt-5", "claude-sonnet-4-5", "gemini-2.5-pro", "gpt-5-mini", "claude-haiku-4-5", "mistral-large"]
    spend = [4210.5, 2980.25, 1240.75, 611.2, 240.1, 12.004512]
    ahead = 7
    known, unknown = [None] * 29, [None] * ahead
    forecast_days = DAYS + [str(FIRST + timedelta(days=30 + i)) for i in range(ahead)]
    ahead_values = [cost[-1] + 4 * i for i in range(ahead + 1)]
    hours = [str(h) for h in range(24)]
    weekdays = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
    return Report(
        name="finops_understanding",
        title="Usage and cost",
        capability="Reporting & Analytics; Forecasting",
        audience="finance and engineering",
        question="What do we spend, on what, and what next?",
        answer="Spend was $9,294.80 in 30 days, 6.4% up in the last two weeks, and will be about $10,900 next month.",
        metrics=(
            Metric(
                id="cost",
                label="Spend",
                value=Decimal("9294.804512"),
                unit="usd",
                current="4590.1",
                previous="4314.2",
                better="lower",
                note="Logged cost of all accepted calls",
                home=1,
            ),
            Metric(
                id="calls",
                label="Calls",
                value=421_337,
                unit="count",
                current=200_000,
                previous=198_000,
                note="Accepted calls",
            ),
            Metric(
                id="tokens",
                label="Tokens",
                value=1_234_567_890,
                unit="tokens",
                current=6e8,
                previous=5.5e8,
                note="Input and output",
            ),
            Metric(
                id="per_call",
                label="Cost per call",
                value=Decimal("0.02206"),
                unit="usd",
                current="0.0221",
                previous="0.0219",
                better="lower",
            ),
            Metric(
                id="cache",
                label="Cache hit rate",
                value=31.4,
                unit="percent",
                current=31.4,
                previous=29.9,
                better="higher",
                note="Cached input tokens / input tokens",
            ),
            Metric(
                id="accuracy",
                label="Forecast error",
                value=None,
                unit="percent",
                note="Needs 21 days, the log holds 14",
            ),
        ),
        findings=(
            Finding(
                id="gpt5",
                title="gpt-5 makes 45% of the spend and grew by 12%",
                who="gpt-5",
                usd_per_month="4210.5",
                confidence="high",
                why_sure="30 days, 120,000 calls",
                action="Look at its tasks first: classification does not need it.",
                section="by-model",
                severity="warning",
            ),
            Finding(
                id="quiet",
                title="No change of price explains the growth",
                confidence="high",
                action="Nothing to do.",
                section="why",
                severity="good",
            ),
        ),
        sections=(
            Section(
                id="over-time",
                title="Cost over time",
                text="Days are UTC days.",
                blocks=(
                    Chart(
                        id="cost-per-day",
                        kind="line",
                        title="What did each day cost?",
                        takeaway="Weekdays cost a third more than weekends.",
                        description="A line of 30 daily costs that rises from about $250 to $370 with a weekly wave.",
                        x=Axis(label="Day", unit="date"),
                        y=Axis(label="Cost", unit="usd"),
                        categories=tuple(DAYS),
                        series=(Series(name="Cost", values=tuple(cost)),),
                    ),
                    Chart(
                        id="forecast",
                        kind="line",
                        title="What will the next week cost?",
                        takeaway="Between $2,400 and $3,000 at 80%.",
                        description="The daily cost with a forecast of seven days and its interval.",
                        x=Axis(label="Day", unit="date"),
                        y=Axis(label="Cost", unit="usd"),
                        categories=tuple(forecast_days),
                        series=(
                            Series(name="Cost", values=(*cost, *unknown)),
                            Series(name="Forecast", role="forecast", values=(*known, *ahead_values)),
                            Series(
                                name="Lower",
                                role="lower",
                                values=(*known, *[v * (1 - 0.03 * i) for i, v in enumerate(ahead_values)]),
                            ),
                            Series(
                                name="Upper",
                                role="upper",
                                values=(*known, *[v * (1 + 0.03 * i) for i, v in enumerate(ahead_values)]),
                            ),
                            Series(name="Budget", role="reference", values=(400,) * 37),
                        ),
                    ),
                    Chart(
                        id="per-provider",
                        kind="line",
                        stacked=True,
                        title="Which provider took what share of each day?",
                        description="Three stacked areas.",
                        x=Axis(label="Day", unit="date"),
                        y=Axis(label="Cost", unit="usd"),
                        categories=tuple(DAYS),
                        series=tuple(
                            Series(name=n, values=tuple(c * share for c in cost))
                            for n, share in (("openai", 0.5), ("anthropic", 0.3), ("google", 0.2))
                        ),
                    ),
                ),
            ),
            Section(
                id="by-model",
                title="Cost by model",
                blocks=(
                    Chart(
                        id="model-bars",
                        kind="bar",
                        title="Which models cost most?",
                        takeaway="Two models make three quarters.",
                        description="Six models by cost.",
                        x=Axis(label="Model"),
                        y=Axis(label="Cost", unit="usd"),
                        categories=tuple(models),
                        series=(Series(name="Cost", values=tuple(spend)),),
                    ),
                    Chart(
                        id="model-bars-2",
                        kind="bar",
                        title="Which models grew?",
                        takeaway="All but one.",
                        description="Six models by cost in two spans.",
                        x=Axis(label="Model"),
                        y=Axis(label="Cost", unit="usd"),
                        categories=tuple(models),
                        series=(
                            Series(name="This period", values=tuple(spend)),
                            Series(name="Before", values=tuple(s * 0.9 for s in spend)),
                        ),
                    ),
                    Table.of(
                        "models",
                        "Models",
                        (
                            Column(name="model", label="Model", role="dimension", dimension="model"),
                            Column(name="cost", label="Cost", unit="usd", role="measure"),
                            Column(name="calls", label="Calls", unit="count", role="measure"),
                            Column(name="share", label="Share", unit="percent", role="share"),
                            Column(name="p95", label="p95 latency", unit="ms"),
                            Column(name="speed", label="Speed", unit="tokens_per_s"),
                            Column(name="first", label="First call", unit="time"),
                        ),
                        [
                            (
                                m,
                                Decimal(str(s)),
                                int(s * 37),
                                s / 92.948,
                                812.5 + 100 * i,
                                40.25 * (i + 1),
                                "2026-01-05T00:00:07Z",
                            )
                            for i, (m, s) in enumerate(zip(models, spend, strict=True))
                        ],
                        takeaway="Cheap models answer as fast as dear ones.",
                        total=True,
                    ),
                ),
            ),
            Section(
                id="customers",
                title="Cost by customer",
                blocks=(
                    Table.of(
                        "customers",
                        "Customers",
                        (
                            Column(name="customer", label="Customer", role="dimension", dimension="customer_id"),
                            Column(name="cost", label="Cost", unit="usd", role="measure"),
                            Column(name="margin", label="Margin", unit="percent"),
                        ),
                        [
                            (f"base-100-{i:05d}", Decimal(10_000) / (i + 3), None if i % 50 == 7 else 80 - i / 2)
                            for i in range(700)
                        ],
                        limit=600,
                        total=True,
                        note="Margins of customers without a known tier are unknown.",
                    ),
                ),
            ),
            Section(
                id="why",
                title="Why cost moved",
                text="Volume, intensity, price and mix add up to the change to the last digit.",
                blocks=(
                    Chart(
                        id="why-moved",
                        kind="waterfall",
                        title="What moved the cost from one period to the next?",
                        takeaway="More calls, on dearer models.",
                        description="Start 4,314, volume plus 310, intensity minus 80, mix plus 46, end 4,590.",
                        x=Axis(label="Cause"),
                        y=Axis(label="Cost", unit="usd"),
                        categories=(
                            "2026-01-07 to 2026-01-20",
                            "Volume",
                            "Intensity",
                            "Price",
                            "Mix",
                            "2026-01-21 to 2026-02-03",
                        ),
                        series=(Series(name="Cost", values=("4314.2", "310", "-80.2", "0", "46.1", "4590.1")),),
                    ),
                    Chart(
                        id="when",
                        kind="heatmap",
                        title="When do calls happen?",
                        takeaway="Office hours in UTC.",
                        description="Calls by weekday and hour.",
                        x=Axis(label="Hour", unit="hours"),
                        y=Axis(label="Calls", unit="count"),
                        categories=tuple(hours),
                        series=tuple(
                            Series(
                                name=d,
                                values=tuple(
                                    int((40 + 60 * math.exp(-((h - 13) ** 2) / 18)) * (1 if i < 5 else 0.4))
                                    for h in range(24)
                                ),
                            )
                            for i, d in enumerate(weekdays)
                        ),
                    ),
                ),
            ),
        ),
        method=(
            "Cost is the logged cost_usd of every accepted call.",
            "The forecast is the method with the smallest error on the held-back last week.",
        ),
        assumptions=("A day is a UTC day.",),
        comparison="Changes compare 2026-01-21 to 2026-02-03 against 2026-01-07 to 2026-01-20.",
        headline="cost",
        sparkline=tuple(cost),
    )


def performance() -> Report:
    """A scatter chart with its frontier, bars over dates, headline without change."""
    points = [
        ("gpt-5", 2400, 0.031, True),
        ("gpt-5-mini", 900, 0.0042, True),
        ("claude-sonnet-4-5", 2100, 0.034, False),
        ("claude-haiku-4-5", 700, 0.0069, True),
        ("gemini-2.5-pro", 3100, 0.028, False),
        ("gemini-2.5-flash", 600, 0.0121, True),
        ("mistral-large", 1800, 0.019, False),
    ]
    providers = {"gpt": "openai", "claude": "anthropic", "gemini": "google", "mistral": "mistral"}
    models = [(i, providers[p[0].partition("-")[0]], p[0]) for i, p in enumerate(points)]
    failed = [(20 + i % 7, 5 + i % 3) for i in range(30)]
    return Report(
        name="finops_performance",
        title="Performance",
        capability="Usage Optimization",
        question="Which model gives what speed for what money?",
        answer="Half of the calls are answered within 1.2 s; gpt-5-mini is the cheapest model that no other beats.",
        metrics=(
            Metric(id="p95", label="p95 latency", value=4321.0, unit="ms", better="lower"),
            Metric(
                id="failed",
                label="Cost of failed calls",
                value="123.4",
                unit="usd",
                current="60",
                previous="0",
                better="lower",
                home=1,
            ),
        ),
        findings=(
            Finding(
                id="fails",
                title="Failed calls of gemini-2.5-pro cost $96.20 a month",
                who="gemini-2.5-pro",
                usd_per_month="96.2",
                confidence="medium",
                action="Retry once on another region, then fall back to gpt-5-mini.",
                section="tradeoff",
                severity="critical",
            ),
        ),
        sections=(
            Section(
                id="tradeoff",
                title="Cost against latency",
                blocks=(
                    Chart(
                        id="frontier",
                        kind="scatter",
                        title="Which models does no other beat?",
                        takeaway="Four of seven.",
                        description="Seven models by median latency and cost per call.",
                        x=Axis(label="Median latency", unit="ms"),
                        y=Axis(label="Cost per call", unit="usd"),
                        points=tuple(Point(label=a, x=b, y=c, highlight=d) for a, b, c, d in points),
                        breakdowns=(Breakdown(by=("provider", "model"), rows=tuple(models)),),
                    ),
                    Chart(
                        id="errors",
                        kind="bar",
                        stacked=True,
                        title="How many calls failed each day?",
                        description="Two stacked bars per day.",
                        x=Axis(label="Day", unit="date"),
                        y=Axis(label="Failed calls", unit="count"),
                        categories=tuple(DAYS),
                        series=(
                            Series(name="error", values=tuple(errors for errors, _ in failed)),
                            Series(name="timeout", values=tuple(timeouts for _, timeouts in failed)),
                        ),
                        breakdowns=(
                            Breakdown(
                                by=("provider",),
                                rows=(
                                    *(
                                        (i, "openai", errors - 4, timeouts)
                                        for i, (errors, timeouts) in enumerate(failed)
                                    ),
                                    *((i, "google", 4, 0) for i in range(30)),
                                ),
                            ),
                        ),
                    ),
                ),
            ),
        ),
        headline="p95",
        sparkline=tuple(1000 + 50 * (i % 7) for i in range(30)),
        comparison="Changes compare 2026-01-21 to 2026-02-03 against 2026-01-07 to 2026-01-20.",
    )


def profitability() -> Report:
    """A report that has nothing to show."""
    return Report(
        name="customer_profitability",
        title="Customer profitability",
        capability="Unit Economics",
        question="Which customers lose money?",
        answer="No customer has a known tier price, so there is no revenue to compare with.",
        state="empty",
    )


def failed(name: str = "finops_realtime") -> Report:
    """A report whose plugin raised."""
    return Report(
        name=name,
        title="Anomalies",
        question="What is going wrong now, and who is it?",
        answer="The analysis failed.",
        state="failed",
        failure=Failure(
            plugin="realtime",
            distribution="finops-plugin-domains",
            version="0.1.0",
            message="budgets.total.all: not a number",
            hint="Correct the budget in finops.toml.",
            traceback='Traceback:\n  File "realtime.py", line 12, in analyze\nValueError: not a number',
        ),
    )


def third_party(text: str = "an ordinary text", name: str = "their_report") -> Report:
    """A report of somebody else's analyzer that has ``text`` wherever a report can have text."""
    said: dict[str, Any] = {
        "title": text,
        "takeaway": f"{text} 3",
        "description": text,
        "y": Axis(label=text, unit="count"),
    }
    named: dict[str, Any] = {**said, "x": Axis(label=text), "categories": (text, f"{text} 2")}
    one = (Series(name=text, values=(1, 2)),)
    two = (*one, Series(name=f"{text} 2", values=(2, 3)))
    blocks = (
        Chart(id="c", kind="bar", series=two, **named),
        Chart(id="l", kind="line", series=two, **named),
        Chart(id="h", kind="heatmap", series=one, **named),
        Chart(id="w", kind="waterfall", series=one, **named),
        Chart(
            id="p",
            kind="scatter",
            x=Axis(label=text, unit="ms"),
            points=(Point(label=text, x=1, y=2, highlight=True), Point(label=text, x=2, y=1)),
            **said,
        ),
        Table.of(
            "t",
            text,
            (Column(name="a", label=text), Column(name="b", label=text, unit="usd", role="measure")),
            [(text, 1), (text, 2), (text, 3)],
            takeaway=f"{text} 3",
            note=text,
            limit=2,
            total=True,
        ),
    )
    return Report(
        name=name,
        title=text,
        capability=text,
        audience=text,
        question=text,
        answer=text,
        metrics=(
            Metric(id="m", label=text, value=1, unit="count", note=text, home=1),
            Metric(id="t", label=text, value=text, unit="text"),
        ),
        findings=(
            Finding(
                id="f", title=text, who=text, usd_per_month=7, confidence="low", why_sure=text, action=text, section="s"
            ),
        ),
        sections=(Section(id="s", title=f"{text} 4", text=text, blocks=blocks),),
        method=(text,),
        assumptions=(text,),
        comparison=text,
        headline="m",
        sparkline=(1, 2, 3),
    )


def sample_reports() -> list[Report]:
    """Sorted by name, as a publisher gets them."""
    reports = [understanding(), performance(), profitability(), failed(), third_party("An analyzer of somebody else")]
    return sorted(reports, key=lambda r: r.name)


@pytest.fixture
def reports() -> list[Report]:
    return sample_reports()


@pytest.fixture
def site_in() -> Callable[..., Site]:
    return make_site


@pytest.fixture
def make_report() -> Callable[..., Report]:
    return third_party


@pytest.fixture
def failed_report() -> Callable[..., Report]:
    return failed


@pytest.fixture(params=HOSTILE, ids=lambda text: text[:12].encode("unicode_escape").decode())
def hostile(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def all_hostile() -> str:
    """Every hostile text in one."""
    return " ".join(HOSTILE)


@pytest.fixture(scope="session")
def sample_pages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The pages of the sample reports, made once; a test that changes them takes a copy."""
    directory = tmp_path_factory.mktemp("published") / "html"
    HtmlPublisher().publish(sample_reports(), make_site(directory))
    return directory
