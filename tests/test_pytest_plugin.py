"""The fixtures that plugin authors get with finops-core, in pytest runs of their own."""

import pytest

from finops_core.testing.logs import BURST_DAY, BURST_TIMES, CHURN_DAY

pytest_plugins = ["pytester"]


def passes(pytester, text, count):
    """Run a test module as its author would, with warnings as errors."""
    pytester.makepyfile(text)
    result = pytester.runpytest_subprocess("-W", "error", "-q")
    result.assert_outcomes(passed=count)


def test_a_tiny_log_has_six_calls_that_cost_ten_dollars(tiny_log):
    assert tiny_log.total == 6
    # 2.50 + 0 + 0.50 + 4 + 2 + 1
    (row,) = tiny_log.rows("SELECT sum(cost_usd) AS cost, count(DISTINCT customer_id) AS customers FROM calls")
    assert (row["cost"], row["customers"]) == (10, 4)
    assert str(tiny_log.period) == "2026-01-05 to 2026-01-07"
    by_organization = tiny_log.rows(
        "SELECT organization_id AS who, sum(cost_usd) AS cost FROM calls GROUP BY ALL ORDER BY cost DESC"
    )
    assert [(row["who"], row["cost"]) for row in by_organization] == [("north", 7), ("south", 2), (None, 1)]


def test_a_planted_log_holds_what_its_events_tell(planted_log):
    events = planted_log.events.to_pylist()
    assert [e["kind"] for e in events] == ["burst"] * 4 + ["churn"] * 4
    assert {e["factor"] for e in events} == {BURST_TIMES, 0.0}
    churned = [e["customer_id"] for e in events if e["kind"] == "churn"]
    last = {r["who"]: r["last"] for r in planted_log.rows(
        "SELECT customer_id AS who, max(timestamp) AS last FROM calls GROUP BY ALL"
    )}  # fmt: skip
    assert len(last) == 12
    assert {who for who, when in last.items() if when.date() < planted_log.period.last} == set(churned)
    assert {last[who].date().toordinal() for who in churned} == {planted_log.period.first.toordinal() + CHURN_DAY - 1}
    for event in events[:4]:
        inside, around = (
            planted_log.rows(
                "SELECT count(*) AS n FROM calls WHERE customer_id = $who AND hour(timestamp) BETWEEN 10 AND 12 "
                f"AND CAST(timestamp AS DATE) {sign} $day",
                who=event["customer_id"],
                day=event["start"].date(),
            )[0]["n"]
            for sign in ("=", "<>")
        )
        # 30 times what the same hours of the 27 other days have on average; few calls make much noise
        assert BURST_TIMES / 2 < inside / (around / 27) < BURST_TIMES * 2
    assert event["start"].date().toordinal() == planted_log.period.first.toordinal() + BURST_DAY


def test_the_fixtures_are_there_without_an_import(pytester):
    passes(
        pytester,
        """
        from finops_core import AICallSimulator, Analyzer, hookimpl

        class Twice(AICallSimulator):
            num_customers: int = 3

            def factor(self, customers, calendar):
                return 2.0

        class Spend(Analyzer):
            report_name = title = "spend"

            @hookimpl
            def analyze(self, calls):
                return self.report(answer=f"{calls.total} calls.") if calls.total else self.empty()

        def test_a_log(tiny_log, planted_log):
            assert Spend().analyze(tiny_log).answer == "6 calls."
            assert planted_log.events.num_rows == 8

        def test_a_run(finops_run):
            run = finops_run(Twice, analyzers=[Spend], days=2)
            assert run.patterns["twice"].calls == run.calls.total > 0
            assert run.patterns["twice"].customers == 3
            assert run.reports["spend"].answer == f"{run.calls.total} calls."
            assert run.log.read_text().count("sim_") == run.calls.total
        """,
        2,
    )


def test_a_run_takes_classes_objects_names_and_mixes(finops_run):
    from finops_plugin_burst import BurstTrafficSimulator

    run = finops_run(
        BurstTrafficSimulator(num_customers=2, burst_probability=1),
        "base",
        "seasonal+burst",
        publishers=["html"],
        settings={"plugins": {"base": {"num_customers": 4}, "seasonal": {"num_customers": 5}}},
        days=3,
    )
    assert {name: totals.customers for name, totals in run.patterns.items()} == {
        "base": 4,
        "burst": 2,
        "seasonal+burst": 5,
    }
    own = [e for e in run.calls.events.to_pylist() if e["source"] == "burst"]
    assert len(own) == 2 * 3
    assert run.reports == {}
    assert (run.directory / "index.html").is_file()


def test_a_mix_of_what_is_not_installed_runs_under_its_own_name(finops_run):
    from finops_core import AICallSimulator, mix

    run = finops_run(mix(steady=AICallSimulator(num_customers=2), other=AICallSimulator()), days=1)
    assert run.patterns["steady+other"].customers == 2


def test_runs_do_not_touch_each_other(finops_run):
    one = finops_run("base", days=1, scale=0.1)
    other = finops_run("base", days=1, scale=0.1, seed=7)
    assert one.log != other.log
    assert one.calls.rows("SELECT min(customer_id) AS c FROM calls")[0]["c"].startswith("base-42-")
    assert other.calls.rows("SELECT min(customer_id) AS c FROM calls")[0]["c"].startswith("base-7-")


def test_a_plugin_that_fails_fails_the_test_with_its_reason(finops_run):
    from finops_core import AICallSimulator, Analyzer, hookimpl

    class Odd(AICallSimulator):
        def factor(self, customers, calendar):
            raise ValueError("nothing today")

    class Wrong(Analyzer):
        report_name = title = "wrong"

        @hookimpl
        def analyze(self, calls):
            return None

    with pytest.raises(AssertionError, match=r"pattern 'odd' of the package under test: .*ValueError: nothing today"):
        finops_run(Odd)
    with pytest.raises(AssertionError, match="analyze returned a NoneType instead of a Report"):
        finops_run("base", analyzers=[Wrong], days=1, scale=0.1)


def test_a_run_that_has_nothing_to_do_with_finops_imports_nothing_heavy(pytester):
    passes(
        pytester,
        """
        import sys

        def test_it():
            heavy = {"numpy", "pyarrow", "pydantic", "duckdb", "rich"} | {"finops_core.errors", "finops_core.report"}
            assert "finops_core.testing.pytest_plugin" in sys.modules
            assert not heavy & set(sys.modules)
        """,
        1,
    )


def test_fixtures_of_the_same_name_in_a_conftest_win(pytester):
    pytester.makeconftest("import pytest\n\n@pytest.fixture\ndef tiny_log():\n    return 'mine'\n")
    passes(pytester, "def test_it(tiny_log):\n    assert tiny_log == 'mine'\n", 1)


def test_the_plugin_can_be_left_out(pytester):
    pytester.makepyfile("def test_it(tiny_log):\n    pass\n")
    result = pytester.runpytest_subprocess("-p", "no:finops", "-q")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*fixture 'tiny_log' not found*"])
