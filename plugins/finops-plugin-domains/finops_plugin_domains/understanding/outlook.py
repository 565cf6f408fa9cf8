"""The forecast as a section, as metrics and as a finding."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Literal

from finops_core import Chart, Column, Finding, Metric, Section, Series, Table, begin, count, dollars, percent, plural
from finops_plugin_domains.understanding.days import Days
from finops_plugin_domains.understanding.forecast import FEWEST_DAYS, FEWEST_WEEKS, Forecast, HeldBack, Outlook

HORIZONS = (30, 90, 365)
"""Days ahead."""

TOO_SHORT = "nothing can be forecast from fewer than two whole days"
NO_COST = "nothing can be forecast, because no call has a cost"
"""Why there is no forecast, as the end of a sentence."""


def no_forecast(days: Days) -> str:
    """Why nothing can be forecast from these days; empty if it can."""
    costs = days.costs()
    if len(costs) < 2:
        return TOO_SHORT
    return "" if costs.any() else NO_COST


def forecast_section(days: Days, forecast: Forecast | None, interval_percent: float) -> Section:
    """What the coming days are expected to cost, how that was found, and how well it did on days it had not seen."""
    if forecast is None:
        return Section(
            id="forecast",
            title="What will it cost next?",
            text=f"{begin(no_forecast(days))}.",
        )
    blocks: list[Chart | Table] = [_chart(days, forecast), _horizons(forecast, interval_percent)]
    if forecast.trials:
        blocks.append(_trials(forecast))
    return Section(
        id="forecast",
        title="What will it cost next?",
        text=f"{_expectation(forecast, interval_percent)} {_experience(forecast)}".rstrip(),
        blocks=tuple(blocks),
    )


def range_text(outlook: Outlook) -> str:
    """The expected cost with its interval, such as ``$120.00 ($100.00 to $140.00)``; without one that has no width."""
    return _with_interval(outlook.expected, outlook.lower, outlook.upper)


def _with_interval(expected: float, lower: float | None, upper: float | None) -> str:
    if lower is None or upper is None or not _has_width(lower, upper):
        return dollars(expected)
    return f"{dollars(expected)} ({dollars(lower)} to {dollars(upper)})"


def _has_width(lower: float, upper: float) -> bool:
    """Whether the ends of an interval differ when they are read."""
    return dollars(lower) != dollars(upper)


def odds(interval_percent: float) -> str:
    """How often an interval should hold, such as ``4 of 5 cases``."""
    share = Fraction(repr(interval_percent)) / 100
    return f"{share.numerator} of {share.denominator} cases"


def promise(forecast: Forecast, interval_percent: float) -> str:
    """How often the interval is meant to hold, and how often it did if that is clearly less."""
    held = forecast.held_back
    text = f"is meant to hold in {odds(interval_percent)}"
    if held is None or not held.falls_short(interval_percent):
        return text
    held_in = count(held.weeks_inside) if held.weeks_inside else "none"
    return f"{text}, but held in {held_in} of {plural(held.weeks, 'earlier week')}"


def next_days(forecast: Forecast, interval_percent: float) -> str:
    """What the next days are expected to cost, as the end of a sentence."""
    month = forecast.outlooks[0]
    text = f"the next {month.days} days are expected to cost {range_text(month)}"
    if month.lower is None:
        return f"{text}, the mean of {plural(forecast.days, 'day')} carried on, too few for an interval"
    held = forecast.held_back
    if held is not None and held.falls_short(interval_percent):
        return f"{text}, an interval that {promise(forecast, interval_percent)}"
    return text


def _expectation(forecast: Forecast, interval_percent: float) -> str:
    month = forecast.outlooks[0]
    text = f"The {plural(month.days, 'day')} after the last call are expected to cost {range_text(month)}"
    if month.lower is None:
        return (
            f"{text}, at the mean of {plural(forecast.days, 'whole day')}. That is little to go by: below two weeks "
            "of days neither a weekly season nor an interval can be known, and a longer horizon is the same rate "
            "carried on."
        )
    if month.upper is not None and not _has_width(month.lower, month.upper):
        return f"{text}; there is no interval to give, as no day was off what the method says."
    return f"{text}; that interval {promise(forecast, interval_percent)}."


def _experience(forecast: Forecast) -> str:
    held = forecast.held_back
    if held is None:
        return ""
    text = f"The method is {forecast.method.name}, chosen on {plural(forecast.days, 'whole day')}"
    if len(forecast.trials) == 1:
        text += "; the weekday methods need three weeks of days to be tried"
    elif not held.unseen:
        text += "; below four weeks of days it can only be chosen on the last week itself, so its error flatters it"
    return (
        f"{text}. {_last_week(held, forecast)}; {_coverage(held)}. The interval covers the uncertainty of the fit and "
        "how days vary, or how far held-back weeks were missed if that is more, not a new customer, price or product. "
        "Far ahead the forecast "
        f"{forecast.method.further_out}."
    )


def _last_week(held: HeldBack, forecast: Forecast) -> str:
    error = "" if held.error_percent is None else f": an error of {percent(held.error_percent)}"
    method = "" if held.method is forecast.method else f" by {held.method.name}, which was best until then"
    interval = "the interval" if _has_width(held.lower, held.upper) else "an interval of no width"
    return (
        f"The last week, forecast from the days before it{method}, was expected to cost "
        f"{_with_interval(held.forecast, held.lower, held.upper)} and cost {dollars(held.actual)}{error}, "
        f"{_side(held)} {interval}"
    )


def _side(held: HeldBack) -> str:
    return "inside" if held.inside else "outside"


def _coverage(held: HeldBack) -> str:
    if held.weeks < FEWEST_WEEKS:
        return "it is too early to tell how often the interval holds"
    inside = (
        f"all {count(held.weeks)}"
        if held.weeks_inside == held.weeks
        else f"{count(held.weeks_inside)} ({percent(held.weeks_inside / held.weeks * 100, 0)})"
    )
    return (
        f"of {count(held.weeks)} earlier spans of seven days, one beginning each day and forecast in the same way, "
        f"{inside} fell inside"
    )


def _chart(days: Days, forecast: Forecast) -> Chart:
    past = [u.cost for u in days.usage]
    coming = HORIZONS[0]
    categories = tuple(days.date(i).isoformat() for i in range(len(past) + coming))
    gap: list[None] = [None] * len(past)
    tail = [None] * coming
    series = [
        Series(name="Cost", values=(*past, *tail)),
        Series(name="Expected", values=(*gap, *forecast.daily[:coming].tolist()), role="forecast"),
    ]
    if len(forecast.daily_lower):
        series += [
            Series(name="Low", values=(*gap, *forecast.daily_lower[:coming].tolist()), role="lower"),
            Series(name="High", values=(*gap, *forecast.daily_upper[:coming].tolist()), role="upper"),
        ]
    return Chart(
        id="forecast-daily",
        kind="line",
        title="What did days cost, and what should the next 30 cost?",
        takeaway=f"Expected: {range_text(forecast.outlooks[0])} in {plural(coming, 'day')}.",
        description=f"Daily cost of {plural(len(past), 'day')}, then the expected cost of the next {coming} days "
        + ("with its interval." if len(forecast.daily_lower) else "without an interval."),
        x={"label": "Day", "unit": "date"},
        y={"label": "Cost", "unit": "usd"},
        categories=categories,
        series=tuple(series),
    )


def _horizons(forecast: Forecast, interval_percent: float) -> Table:
    return Table.of(
        "forecast-horizons",
        "Expected cost",
        [
            Column(name="days", label="Days ahead", unit="days", role="dimension"),
            Column(name="expected", label="Expected", unit="usd"),
            Column(name="lower", label="Low", unit="usd"),
            Column(name="upper", label="High", unit="usd"),
        ],
        [(o.days, o.expected, o.lower, o.upper) for o in forecast.outlooks],
        note=f"If spend goes on as it did, the interval from low to high {promise(forecast, interval_percent)}."
        if forecast.days >= FEWEST_DAYS
        else "No interval can be given below two weeks of days.",
    )


def _trials(forecast: Forecast) -> Table:
    return Table.of(
        "forecast-methods",
        "Methods on held-back weeks",
        [
            Column(name="method", label="Method", role="dimension"),
            Column(name="error", label="Mean error of a day", unit="percent"),
            Column(name="chosen", label="Chosen"),
        ],
        [(t.method.name, t.error_percent, "yes" if t.method is forecast.method else "no") for t in forecast.trials],
        note="The mean absolute error of a day, as a share of the mean day.",
    )


def forecast_metrics(forecasts: Sequence[Forecast | None], days: Days) -> list[Metric]:
    """The next 30 days, and the Forecast Accuracy KPI.

    Args:
        forecasts: Of now and, where spans are compared, of the end of the later and of the earlier one.
        days: What is forecast from.
    """
    now = forecasts[0]
    held = now.held_back if now else None
    return [
        Metric.over(
            forecasts,
            lambda f: f.outlooks[0].expected,
            id="forecast-30d",
            label="Next 30 days",
            unit="usd",
            note=_month_note(now.outlooks[0]) if now else f"{begin(no_forecast(days))}.",
        ),
        Metric.over(
            forecasts,
            _accuracy,
            id="forecast-accuracy",
            label="Forecast accuracy",
            unit="percent",
            better="higher",
            note="100 - |forecast - actual| / actual x 100 of the last whole week, forecast from the days before it; "
            f"it fell {_side(held)} the interval."
            if held
            else _no_accuracy(days),
        ),
    ]


def _accuracy(forecast: Forecast) -> float | None:
    error = forecast.held_back.error_percent if forecast.held_back else None
    return None if error is None else max(0.0, 100 - abs(error))


def _no_accuracy(days: Days) -> str:
    if no_forecast(days) == NO_COST:
        return f"Unknown: {NO_COST}."
    return "Unknown: below two weeks of whole days no week can be held back."


def _month_note(month: Outlook) -> str:
    if month.lower is None or month.upper is None:
        return "Too few days for an interval."
    if not _has_width(month.lower, month.upper):
        return "No interval to give: no day was off what the method says."
    return f"Between {dollars(month.lower)} and {dollars(month.upper)}."


def forecast_findings(
    days: Days, expected: Forecast | None, interval_percent: float, *, own_amount: bool
) -> list[Finding]:
    """A finding if the whole interval of the next 30 days lies on one side of the rate of the last days.

    Args:
        days: The days seen.
        expected: What is to come after them.
        interval_percent: How often its interval should hold.
        own_amount: Whether a rise is one whose amount no other finding gives, and which no missing calls can have made.
    """
    if expected is None:
        return []
    month, held = expected.outlooks[0], expected.held_back
    rate, recent = days.monthly_rate()
    if held is None or not month.excludes(rate):
        return []
    rises = month.expected > rate
    return [
        Finding(
            id="forecast-moves",
            title=f"Spend is heading {'up' if rises else 'down'}: the next {month.days} days are expected to cost "
            f"{range_text(month)}, against {dollars(rate)} at the rate of the last {plural(recent, 'day')}.",
            who="all calls",
            # What is saved is not at stake.
            usd_per_month=month.expected - rate if rises and own_amount else None,
            confidence="low" if held.falls_short(interval_percent) else _confidence(held),
            why_sure=f"That rate lies outside of the interval, which {promise(expected, interval_percent)}. "
            f"{_last_week(held, expected)}.",
            action="Raise the budget or slow the growth before it is spent."
            if rises
            else "Release budget, or find out which customers went quiet.",
            section="forecast",
            severity="warning" if rises else "info",
        )
    ]


def _confidence(held: HeldBack) -> Literal["high", "medium", "low"]:
    """How far a forecast can be trusted by its last week; one that fell outside of its interval says: not far."""
    if held.error_percent is None or not held.inside or abs(held.error_percent) > 25:
        return "low"
    return "medium" if abs(held.error_percent) > 10 else "high"
