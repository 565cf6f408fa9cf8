"""Several patterns over the same customers: their factors, measured in the calls; their events; the command."""

import csv
import json
import sys
from datetime import date, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow.compute as pc
import pytest
from finops_plugin_base import BaseSimulator
from finops_plugin_burst import BurstTrafficSimulator
from finops_plugin_decline import GradualDeclineSimulator
from finops_plugin_seasonal import SeasonalPatternSimulator

from finops_core import AICallSimulator, Calendar, Event, UsageError, cli, hookimpl, mix
from finops_core.testing import check_pattern, hourly_calls

MONDAY = date(2026, 1, 5)
CUSTOMERS, DAYS = 1000, 28
SMALL = ("--start", "2026-01-05", "--days", "7", "--scale", "0.2")
LOG = Path("data/simulated_calls.csv")
EVENTS = Path("data/simulated_calls_events.csv")


def measured(simulator):
    """Calls and normal calls an hour, by customer, day and hour; and the planted events as rows."""
    calls, normal = hourly_calls(simulator, start=MONDAY)
    events = simulator.planted(start=MONDAY, source="mix").to_pylist()
    return calls.reshape(CUSTOMERS, DAYS, 24), normal[:, :, None], events


def index_of(event):
    """Customer and hour of the period of an event."""
    return int(event["customer_id"][-5:]), (event["start"] - Calendar(MONDAY, DAYS).at(0)) // timedelta(hours=1)


@pytest.fixture(scope="module")
def seasonal_burst():
    return measured(
        mix(
            seasonal=SeasonalPatternSimulator(num_customers=CUSTOMERS, num_days=DAYS, monthly_amplitude=0),
            burst=BurstTrafficSimulator(),
        )
    )


@pytest.fixture(scope="module")
def decline_burst():
    return measured(
        mix(decline=GradualDeclineSimulator(num_customers=CUSTOMERS, num_days=DAYS), burst=BurstTrafficSimulator())
    )


def test_a_mix_keeps_the_contract_of_patterns():
    calls = check_pattern(mix(seasonal=SeasonalPatternSimulator(num_customers=20), burst=BurstTrafficSimulator()))
    assert pc.count_distinct(calls["customer_id"]).as_py() == 20


def test_quiet_days_follow_the_seasons_at_the_quiet_level(seasonal_burst):
    calls, normal, events = seasonal_burst
    quiet = np.ones((CUSTOMERS, DAYS), dtype=bool)
    for event in events:
        customer, hour = index_of(event)
        quiet[customer, hour // 24] = False
    expected = (normal * quiet[:, :, None]).sum(axis=0)  # by day and one column for every hour
    factor = (calls * quiet[:, :, None]).sum(axis=0) / expected
    weekday = np.arange(DAYS) % 7
    hours = {10: 1.4, 14: 1.3, 17: 1.1, 19: 0.8, 3: 0.6}
    for days, weekly in (((0, 1, 2), 1.3), ((3, 4), 1.0), ((5, 6), 0.5)):
        for hour, daily in hours.items():
            # Monday at 10: 1.3 x 1.4 x 0.2 = 0.364; at least 8 days of 900 customers' 2.5 calls an hour: 3 % noise
            assert factor[np.isin(weekday, days), hour].mean() == pytest.approx(weekly * daily * 0.2, rel=0.1)


def test_a_burst_has_the_mean_of_the_product_over_its_window_as_its_factor(seasonal_burst):
    calls, normal, events = seasonal_burst
    assert {event["kind"] for event in events} == {"burst"}
    assert len(events) / (CUSTOMERS * DAYS) == pytest.approx(0.15, abs=0.007)
    told = inside = 0.0
    sunday_nights = []
    for event in events:
        customer, hour = index_of(event)
        length = (event["end"] - event["start"]) // timedelta(hours=1)
        day, first = divmod(hour, 24)
        told += event["factor"] * length * normal[customer, 0, 0]
        inside += calls[customer, day, first : first + length].sum()
        assert calls[customer, day].sum() == calls[customer, day, first : first + length].sum()
        if event["start"].weekday() == 6 and first + length <= 9:
            sunday_nights.append(event["factor"] * length / 24)
    assert inside / told == pytest.approx(1, abs=0.01)
    # 0.5 on a Sunday x 0.6 at night x 5 to 20 times the normal day's calls
    assert 1.5 <= min(sunday_nights) < max(sunday_nights) <= 6
    assert np.mean(sunday_nights) == pytest.approx(0.5 * 0.6 * 12.5, rel=0.1)


def test_who_left_stays_away_and_has_no_bursts(decline_burst):
    calls, _, events = decline_burst
    churns = {index_of(e)[0]: index_of(e)[1] for e in events if e["kind"] == "churn"}
    # 1 - 0.98^27 of the customers leave within the period, a standard deviation of 0.016
    assert len(churns) / CUSTOMERS == pytest.approx(1 - 0.98**27, abs=0.06)
    assert {(e["factor"], e["end"]) for e in events if e["kind"] == "churn"} == {(0.0, None)}
    by_hour = calls.reshape(CUSTOMERS, -1)
    for customer, hour in churns.items():
        assert by_hour[customer, hour:].sum() == 0
        assert by_hour[customer, hour - 24 : hour].sum() >= 1
    bursts = [index_of(e) for e in events if e["kind"] == "burst"]
    assert all(hour < churns.get(customer, 10**6) for customer, hour in bursts)
    active_days = sum(churns.get(customer, DAYS * 24) // 24 for customer in range(CUSTOMERS))
    assert len(bursts) / active_days == pytest.approx(0.15, abs=0.01)


def test_the_largest_minimum_holds_on_every_day_until_the_customer_leaves(decline_burst):
    calls, _, events = decline_burst
    active = np.full(CUSTOMERS, DAYS)
    for event in events:
        if event["kind"] == "churn":
            customer, hour = index_of(event)
            active[customer] = hour // 24
    by_day = calls.sum(axis=2)
    # light customers on quiet days make one call or so: without the minimum many days would have none
    assert by_day[np.arange(DAYS) < active[:, None]].min() == 1


class Coin(AICallSimulator):
    """Half of the customers do not call at all."""

    def factor(self, customers, calendar):
        return customers.rng("coin").integers(0, 2, (len(customers), 1))


def test_members_that_draw_from_a_stream_of_the_same_name_draw_differently():
    mixed = mix(a=Coin(num_customers=CUSTOMERS, num_days=2), b=Coin())
    calls, _ = hourly_calls(mixed, start=MONDAY)
    # 1/2 x 1/2 of them call (standard deviation 0.014); half would, if both coins were one
    assert (calls.sum(axis=1) > 0).mean() == pytest.approx(0.25, abs=0.05)


def test_the_streams_of_members_are_those_of_the_mixs_seed_and_source():
    def planted(seed, source="one"):
        simulator = mix(decline=GradualDeclineSimulator(seed=seed), burst=BurstTrafficSimulator())
        events = simulator.planted(start=MONDAY, source=source).to_pylist()
        return [(e["customer_id"][-5:], e["start"]) for e in events if e["kind"] == "burst"]

    assert planted(1) == planted(1)
    assert planted(1) != planted(2)
    assert planted(1) != planted(1, "other")


def test_customers_seed_and_period_come_from_the_first_and_parameters_from_each():
    mixed = mix(burst=BurstTrafficSimulator(num_days=9, burst_probability=1), decline=GradualDeclineSimulator())
    assert (mixed.num_customers, mixed.seed, mixed.num_days, mixed.minimum_per_day) == (30, 200, 9, 1)
    calls = mixed.generate(start=MONDAY)
    assert pc.unique(calls["source"]).to_pylist() == ["burst+decline"]
    assert calls["customer_id"][0].as_py().startswith("burst+decline-200-")
    assert calls["timestamp"][-1].as_py().date() == MONDAY + timedelta(days=8)
    bursts = [e for e in mixed.planted(start=MONDAY).to_pylist() if e["kind"] == "burst"]
    assert len(bursts) > 200  # each of 30 x 9 customer-days, but for those who left


def test_of_the_order_only_who_comes_first_matters():
    members = {"base": BaseSimulator(num_customers=5), "burst": BurstTrafficSimulator(), "coin": Coin()}
    one = mix(**members).generate(start=MONDAY)
    other = mix(**{name: members[name] for name in ("base", "coin", "burst")}).generate(start=MONDAY)
    assert one.equals(other)
    first = mix(**{name: members[name] for name in ("burst", "base", "coin")})
    assert first.num_customers == 30


def planting(*events):
    """A steady pattern that plants these for the first customer, who is silent from an endless zero on."""

    class Planting(AICallSimulator):
        def factor(self, customers, calendar):
            hour = np.arange(len(calendar))
            silent = [e["start"] for e in events if e.get("factor") == 0 and "end" not in e]
            from_hour = min(((s - calendar.at(0)) // timedelta(hours=1) for s in silent), default=len(calendar))
            return np.where(hour < from_hour, 2.0, 0)[None, :]

        def events(self, customers, calendar):
            return [Event(customers.ids[0], **event) for event in events]

    return Planting(num_customers=1, num_days=10)


def day(n):
    return datetime(2026, 1, 5) + timedelta(days=n)


def test_what_begins_after_the_customer_left_was_not_planted():
    mixed = mix(
        a=planting({"kind": "churn", "start": day(5), "factor": 0.0}, {"kind": "launch", "start": day(1)}),
        b=planting(
            {"kind": "churn", "start": day(7), "factor": 0.0},
            {"kind": "launch", "start": day(2), "end": day(3), "factor": 99.0},
            {"kind": "outage", "start": day(4), "end": day(5), "factor": 0.0},
            {"kind": "outage", "start": day(6), "end": day(7), "factor": 0.0},
        ),
    )
    events = [(e["kind"], e["start"], e["factor"]) for e in mixed.planted(start=MONDAY).to_pylist()]
    # 2 x 2 on days 0 to 4 and 0 on days 5 to 9: from day 1 to the end of day 9 the mean is 4 x 4 / 9
    assert events == [
        ("launch", day(1), round(16 / 9, 6)),
        ("launch", day(2), 4.0),
        ("outage", day(4), 0.0),
        ("churn", day(5), 0.0),
    ]


class OwnCalls(AICallSimulator):
    @hookimpl
    def generate_calls(self, run):
        yield from super().generate_calls(run)


def test_what_is_no_mix_is_refused():
    with pytest.raises(UsageError, match="pattern 'own' cannot be mixed: it makes its calls itself"):
        mix(burst=BurstTrafficSimulator(), own=OwnCalls())
    with pytest.raises(UsageError, match="a mix of 'burst' alone is no mix"):
        mix(burst=BurstTrafficSimulator())
    with pytest.raises(UsageError, match="no mix"):
        mix()


@pytest.fixture
def finops(tmp_path, monkeypatch, capsys):
    """Run a command in an empty folder; returns exit code, stdout and stderr."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["finops", *arguments])
        capsys.readouterr()
        with pytest.raises(SystemExit) as left:
            cli.main()
        captured = capsys.readouterr()
        return left.value.code, captured.out, captured.err

    return run


def rows(path):
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def patterns_of(out):
    return [pattern["name"] for pattern in json.loads(out)["patterns"]]


def test_mixes_run_alone_or_beside_the_patterns_that_are_named(finops):
    code, out, _ = finops("run", "--mix", "seasonal+burst", *SMALL, "--json")
    assert (code, patterns_of(out)) == (0, ["seasonal+burst"])
    data = rows(LOG)
    assert {r["source"] for r in data} == {r["source"] for r in rows(EVENTS)} == {"seasonal+burst"}
    assert {r["customer_id"][: -len("00000")] for r in data} == {"seasonal+burst-100-"}
    assert len({r["call_id"] for r in data}) == len(data) == json.loads(out)["log"]["accepted"]
    assert len({r["customer_id"] for r in data}) == json.loads(out)["patterns"][0]["customers"]
    assert [r["timestamp"] for r in data] == sorted(r["timestamp"] for r in data)

    twice = ("--mix", "burst+base", "--mix", "decline + seasonal + base", "--mix", "decline+base+seasonal")
    code, out, _ = finops("simulate", "--plugins", "base", *twice, *SMALL, "--json")
    assert (code, patterns_of(out)) == (0, ["base", "burst+base", "decline+base+seasonal"])


def test_the_same_bytes_for_any_number_of_workers(finops):
    finops("simulate", "--mix", "seasonal+burst", *SMALL, "--workers", "1")
    log, events = LOG.read_bytes(), EVENTS.read_bytes()
    finops("simulate", "--mix", "seasonal+burst", *SMALL, "--workers", "4")
    assert LOG.read_bytes() == log
    assert EVENTS.read_bytes() == events


def test_the_same_mix_is_not_appended_twice_but_beside_its_patterns_and_another_order(finops):
    assert finops("simulate", "--mix", "seasonal+burst", *SMALL)[0] == 0
    before = LOG.read_bytes()
    code, _, err = finops("simulate", "--mix", "seasonal+burst", "--append", *SMALL)
    assert code == 2
    assert "calls of pattern 'seasonal+burst' with seed 100" in err
    assert LOG.read_bytes() == before
    assert finops("simulate", "--plugins", "seasonal", "--mix", "burst+seasonal", "--append", *SMALL)[0] == 0
    assert {r["source"] for r in rows(LOG)} == {"seasonal", "seasonal+burst", "burst+seasonal"}
    assert LOG.read_bytes().startswith(before)


def test_parameters_of_members_come_from_their_own_settings(finops):
    settings = ("--set", "seasonal.num_customers=7", "--set", "burst.burst_probability=0")
    assert finops("simulate", "--mix", "seasonal+burst", *settings, "--start", "2026-01-05", "--days", "7")[0] == 0
    assert len({r["customer_id"] for r in rows(LOG)}) == 7
    assert rows(EVENTS) == []


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--mix", "seasonal+brst"], ["no pattern is called 'brst'", "Did you mean 'burst'?"]),
        (["--mix", "seasonal+features"], ["'features' is a plugin of kind analyzer, not pattern"]),
        (["--mix", "seasonal"], ["a mix of 'seasonal' alone is no mix", "seasonal+burst"]),
        (["--mix", "burst+base+burst"], ["a mix names 'burst' twice"]),
        (["--mix", "base+burst", "-p", "no:burst"], ["needs the pattern 'burst', which is disabled"]),
        (["--mix", "base+burst", "--set", "burst.burst_probability=2"], ["burst_probability"]),
    ],
)
def test_a_wrong_mix_is_told_before_anything_is_written(finops, arguments, said):
    code, out, err = finops("run", *arguments, *SMALL)
    assert (code, out) == (2, "")
    assert all(text in err for text in said), err
    assert not LOG.exists()


THIRD_PARTY = """
from finops_core import AICallSimulator, hookimpl


class Own(AICallSimulator):
    @hookimpl
    def generate_calls(self, run):
        return super().generate_calls(run)


class Free:
    @hookimpl
    def generate_calls(self, run):
        yield from ()


class Raises(AICallSimulator):
    def factor(self, customers, calendar):
        raise ValueError("no factor today")
"""


@pytest.fixture
def third_party(fake_distribution):
    names = {name.lower(): f"acme_traffic:{name}" for name in ("Own", "Free", "Raises")}
    fake_distribution("acme-traffic", {"finops.patterns": names}, "2.5", {"acme_traffic": THIRD_PARTY})
    fake_distribution("finops-plugin-weekend")


@pytest.mark.parametrize("name", ["own", "free"])
def test_a_pattern_that_makes_its_calls_itself_is_refused(finops, third_party, name):
    code, _, err = finops("simulate", "--mix", f"base+{name}", *SMALL)
    assert code == 2
    assert f"pattern {name!r} cannot be mixed: it makes its calls itself" in err
    assert not LOG.exists()


def test_a_member_that_fails_is_named_with_its_own_distribution_and_the_rest_is_written(finops, third_party):
    code, out, err = finops("simulate", "--plugins", "base", "--mix", "base+raises", *SMALL, "--json")
    assert code == 3
    (problem,) = json.loads(out)["problems"]
    assert (problem["plugin"], problem["distribution"], problem["version"]) == ("raises", "acme-traffic", "2.5")
    assert problem["message"] == "factor in base+raises failed: ValueError: no factor today (acme_traffic.py:19)"
    assert patterns_of(out) == ["base"]
    assert "Traceback" not in err


def test_a_strangers_factor_mixes_too(finops, third_party):
    period = ("--start", "2026-01-05", "--days", "14")
    assert finops("simulate", "--mix", "weekend+base", *period, "--set", "weekend.num_customers=60")[0] == 0
    weekend = np.zeros(2)
    for row in rows(LOG):
        when = datetime.fromisoformat(row["timestamp"])
        assert 8 <= when.hour <= 20
        weekend[int(when.weekday() >= 5)] += 1
    # 3 x 0.7 on 4 days of the weekend against 1 on 10 others; a customer-day's variation adds some noise
    assert (weekend[1] / 4) / (weekend[0] / 10) == pytest.approx(2.1, rel=0.1)
