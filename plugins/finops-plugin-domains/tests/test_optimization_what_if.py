"""What the period would have cost with a task, or all calls, on another model: worked out by hand."""

from decimal import Decimal
from fractions import Fraction

import pytest
from finops_plugin_domains.optimization.analyzer import OptimizationAnalyzer
from finops_plugin_domains.optimization.phrases import lengths
from finops_plugin_domains.optimization.repricing import what_if
from pydantic import ValidationError

from finops_core import Settings, UnknownPriceError
from finops_core.testing import calls_from

# Dollars per million tokens. A call of 1,000 in and 500 out costs 0.010 + 0.010 = 0.020 on dear,
# 0.001 + 0.001 = 0.002 on cheap; with 400 to 600 out it costs 0.0018 to 0.0022 on cheap.
SETTINGS = Settings.model_validate(
    {
        "catalog": {
            "models": {
                "acme": {
                    "dear": {"input": 10, "output": 20, "cache_read": 5, "cache_write": 12},
                    "twin": {"input": 10, "output": 20},
                    "cheap": {"input": 1, "output": 2},
                }
            }
        }
    }
)
DEAR, CHEAP = Decimal("0.02"), Decimal("0.002")
ASSUMED = "with answers 20 % shorter to 20 % longer than logged"


def call(model="dear", cost=DEAR, n=1, **columns):
    row = {
        "provider": "acme",
        "model": model,
        "task_type": "chat",
        "input_tokens": 1000,
        "output_tokens": 500,
        "cost_usd": cost,
        "latency_ms": 1000,
    }
    return [{**row, **columns}] * n


def analyze(rows, asked, **parameters):
    analyzer = OptimizationAnalyzer(minimum_calls=4, what_if=asked, **parameters)
    return analyzer.analyze(calls_from(rows, settings=SETTINGS))


def table(report, name):
    return next(b for s in report.sections for b in s.blocks if b.id == name)


def text(report):
    return next(s.text for s in report.sections if s.id == "what-if")


def finding(report):
    return report.findings[0]


def checked(what_if):
    """The parameters as they are checked before anything runs, with the catalogue at hand."""
    return OptimizationAnalyzer.model_validate({"what_if": what_if}, context={"settings": SETTINGS})


def test_what_if_prices_every_call_of_a_task_at_cache_prices_and_states_its_range():
    rows = [
        *call(input_tokens=1000, cache_read_tokens=600, cache_write_tokens=200, output_tokens=100, cost="0.0094"),
        *call("cheap", CHEAP, task_type="qa"),
        *call("secret", 1),
    ]
    calls = calls_from(rows, settings=SETTINGS)
    # cheap has no cache prices: 1,000 x 1 + output x 2 with 80, 100, 120 tokens. Now: 200 x 10 + 600 x 5 + 200 x 12
    # + 100 x 20 = 9,400 millionths.
    answer = what_if(calls, task="chat", provider="acme", model="cheap")
    assert (answer.low, answer.same, answer.high) == (Decimal("0.00116"), Decimal("0.0012"), Decimal("0.00124"))
    assert answer.now == Decimal("0.0094")
    assert answer.saving == (Decimal("0.00816"), Decimal("0.00824"))
    assert (answer.calls, answer.unpriced_calls, answer.unpriced_cost) == (1, 1, Decimal(1))
    # All calls cost 0.0094 + 0.002 + 1 by the log.
    assert answer.period_range == (Decimal("1.00316"), Decimal("1.00324"))
    # The other way round: on dear 1,000 x 10 + 500 x 20 millionths, now 0.002.
    back = what_if(calls, task="qa", provider="acme", model="dear", output_percent=(0, 0))
    assert back.saving == (Decimal("-0.018"), Decimal("-0.018"))


def test_what_if_refuses_a_model_without_a_price_and_a_range_the_wrong_way_round():
    calls = calls_from(call(), settings=SETTINGS)
    with pytest.raises(UnknownPriceError):
        what_if(calls, provider="acme", model="secret")
    with pytest.raises(ValueError, match="range"):
        what_if(calls, provider="acme", model="cheap", output_percent=(20, -20))
    assert what_if(calls_from([], settings=SETTINGS), provider="acme", model="cheap").calls == 0


def test_a_question_is_answered_first_and_is_a_finding():
    # 5 calls of chat cost 4 x 0.02 + 0.002 = 0.082 and would cost 5 x 0.0018 = 0.009 to 5 x 0.0022 = 0.011 on cheap;
    # the one of qa stays at 0.02. So 0.102 would have been 0.029 to 0.031; 30 times 0.071 to 0.073 is $2.13 to $2.19.
    report = analyze([*call(n=4), *call("cheap", CHEAP), *call(task_type="qa")], {"chat": "acme/cheap"})
    answer = (
        f"With chat on cheap (acme), the day 2026-01-05 would have cost $0.029 to $0.031 instead of $0.10, {ASSUMED}."
    )
    assert report.answer.startswith(answer)
    assert text(report) == answer
    (row,) = table(report, "what-if-table").rows
    amounts = ("0.082", "0.009", "0.01", "0.011", "0.071", "0.073")
    assert row == ("chat", "acme", "cheap", 5, *map(Decimal, amounts))
    assert finding(report).title == f"Moving chat to cheap (acme) would save $2.13 to $2.19 a month, {ASSUMED}."
    assert finding(report).who == "chat"
    assert finding(report).section == "what-if"


def test_a_star_asks_about_all_calls_with_or_without_a_task():
    # 0.02 each, two calls of them without a task: 4 x 0.0018 to 4 x 0.0022 instead of 0.08.
    report = analyze([*call(n=2), *call(n=2, task_type=None)], {"*": "acme/cheap"})
    assert text(report) == (
        "With all calls on cheap (acme), the day 2026-01-05 would have cost $0.0072 to $0.0088 instead of $0.08, "
        f"{ASSUMED}."
    )
    assert table(report, "what-if-table").rows[0][:4] == ("all calls", "acme", "cheap", 4)


def test_a_question_and_the_switch_in_it_do_not_both_have_their_dollars_at_stake():
    # 4 calls move from 0.02 to 0.0022 at the cautious end: 0.0712, 30 times of it a month. Asked about, the calls that
    # are on cheap already would have longer answers: 0.0712 - 4 x 0.0002 = 0.0704, or $2.11.
    report = analyze([*call(n=4), *call("cheap", CHEAP, n=4)], {"chat": "acme/cheap"})
    amounts = {f.id: f.usd_per_month for f in report.findings}
    assert amounts == {"what-if-1": None, "switch-1": Decimal("2.136")}
    assert "would save $2.11 to $2.21 a month" in finding(report).title
    # Both amounts are a single day's, extrapolated.
    assert {f.confidence for f in report.findings} == {"low"}
    assert all("A month is extrapolated from 1 day" in f.why_sure for f in report.findings)


def test_a_dearer_model_is_a_loss_without_an_amount_at_stake():
    # On dear with 400 to 600 tokens a call costs 0.018 to 0.022 instead of 0.002.
    report = analyze(call("cheap", CHEAP), {"chat": "acme/dear"})
    assert finding(report).title == f"Moving chat to dear (acme) would cost $0.48 to $0.60 more a month, {ASSUMED}."
    assert finding(report).usd_per_month is None
    assert finding(report).action.startswith("Keep chat")


def test_where_the_length_of_answers_decides_the_finding_says_so():
    # On twin, which costs what dear costs, 400 tokens save 0.002 and 600 lose as much: $0.06 in 30 days.
    report = analyze(call(), {"chat": "acme/twin"})
    assert finding(report).title == (
        f"Moving chat to twin (acme) would cost between $0.06 less and $0.06 more a month, {ASSUMED}."
    )
    assert "how long" in finding(report).action


def test_costs_off_the_catalogue_scale_both_sides_and_the_sentence_says_so():
    # 4 calls of 0.02 by the catalogue are logged at 0.04 each. In dollars of the log they would cost twice the
    # catalogue's 0.0072 to 0.0088 on cheap.
    report = analyze(call(n=4, cost=2 * DEAR), {"chat": "acme/cheap"})
    (row,) = table(report, "what-if-table").rows
    assert row[4:] == tuple(map(Decimal, ("0.16", "0.0144", "0.016", "0.0176", "0.1424", "0.1456")))
    assert text(report) == (
        f"With chat on cheap (acme), the day 2026-01-05 would have cost $0.014 to $0.018 instead of $0.16, {ASSUMED}; "
        "catalogue prices are scaled by 2.00 (logged / catalogue)."
    )
    assert table(report, "what-if-table").note.endswith("scaled by logged / catalogue: dear (acme) by 2.00.")


def test_each_model_is_scaled_by_itself_as_switches_are():
    # twin is logged at three times its price, in chat and in qa; dear at its price. Moving chat saves 4 x 0.0178 from
    # dear and thrice that from twin at the cautious end: 0.0712 + 0.2136.
    rows = [
        *call(n=4),
        *call("twin", 3 * DEAR, n=4),
        *call("twin", 3 * DEAR, n=9, task_type="qa"),
        *call("cheap", CHEAP, n=4),
    ]
    answer = what_if(calls_from(rows, settings=SETTINGS), task="chat", provider="acme", model="cheap")
    assert answer.factors == {("acme", "dear"): 1, ("acme", "twin"): 3, ("acme", "cheap"): 1}
    # The calls on cheap stay there, with answers 20 % longer: 4 x (0.002 - 0.0022).
    assert answer.saving[0] == Decimal("0.0712") + Decimal("0.2136") - Decimal("0.0008")
    switches = {row[2]: row[5] for row in table(analyze(rows, {"chat": "acme/cheap"}), "switches-table").rows}
    assert switches == {"dear": Decimal("0.0712"), "twin": Decimal("0.2136")}
    assert "in part scaled by 3.00" in text(analyze(rows, {"chat": "acme/cheap"}))


def test_a_model_is_scaled_by_all_its_calls_whatever_their_task():
    # The one call of chat is logged at twice its price, but 19 of 20 calls to the model are not: 95 % are near enough.
    rows = [*call(cost=2 * DEAR), *call(n=19, task_type="qa")]
    answer = what_if(calls_from(rows, settings=SETTINGS), task="chat", provider="acme", model="cheap")
    assert answer.factors == {("acme", "dear"): Fraction(1)}
    assert answer.saving == (DEAR - Decimal("0.0022"), DEAR - Decimal("0.0018"))


def test_a_log_without_costs_is_answered_by_the_catalogue_alone():
    report = analyze(call(n=4, cost=0), {"chat": "acme/cheap"})
    assert text(report) == (
        "The log says that no call cost anything; by the catalogue, chat would have cost $0.0072 to $0.0088 on cheap "
        f"(acme) instead of $0.08, {ASSUMED}."
    )
    assert finding(report).usd_per_month is None


@pytest.mark.parametrize(
    ("rows", "asked", "why", "hint"),
    [
        (call(), {"caht": "acme/cheap"}, "No call of the period is of the task 'caht'.", "Did you mean 'chat'?"),
        (
            call(task_type=None),
            {"chat": "acme/cheap"},
            "No call of the period is of the task 'chat'.",
            'Ask about all calls with "*" instead of a task.',
        ),
        (
            call("secret"),
            {"chat": "acme/cheap"},
            "No billed call of chat ran on a model with a catalogue price that cheap could be compared with.",
            "Set the prices of the models in the log under [catalog.models.PROVIDER.MODEL] in finops.toml.",
        ),
        (
            call(status="rate_limit", cost=0),
            {"*": "acme/cheap"},
            "No call was billed.",
            "Ask about calls that cost something.",
        ),
        (
            call(),
            {"chat": "acme/secret"},
            "No price is known for model 'secret' of provider 'acme'.",
            "Set input and output (dollars per million tokens) under [catalog.models.acme.'secret'] in finops.toml, or "
            "correct the names.",
        ),
    ],
)
def test_a_question_without_an_answer_says_why_and_what_to_do(rows, asked, why, hint):
    report = analyze(rows, asked)
    assert report.answer.startswith(f"{why} {hint}")
    assert (finding(report).title, finding(report).action, finding(report).severity) == (why, hint, "warning")


def test_calls_without_a_price_are_left_as_they_are_and_counted():
    report = analyze([*call(), *call("secret", 1)], {"*": "acme/cheap"})
    # 1.02 less 0.0178 to 0.0182.
    assert "would have cost $1.00 instead of $1.02" in text(report)
    assert text(report).endswith("Left as they are: 1 call on models without a catalogue price ($1.00).")


def test_without_a_question_the_section_says_how_to_ask():
    assert '"*" for all calls' in text(OptimizationAnalyzer().analyze(calls_from(call(), settings=SETTINGS)))


@pytest.mark.parametrize(
    ("target", "why"),
    [
        ("cheap", "must be of the form provider/model"),
        ("/cheap", "must be of the form provider/model"),
        ("acme/cheep", "no price is known for this model; did you mean 'acme/cheap'"),
        ("openai/gpt5-mini", "did you mean 'openai/gpt-5-mini'"),
        ("nobody/xyzzy", "set one under"),
    ],
)
def test_a_model_that_cannot_be_priced_is_refused_before_anything_runs(target, why):
    with pytest.raises(ValidationError, match=why) as error:
        checked({"chat": target})
    assert error.value.errors()[0]["loc"] == ("what_if", "chat")


def test_models_priced_in_the_settings_or_by_the_catalogue_can_be_asked_about():
    assert checked({"chat": "acme/cheap", "*": "openai/gpt-5-mini"}).what_if


@pytest.mark.parametrize(
    ("ends", "words"),
    [
        ((-20, 20), "answers 20 % shorter to 20 % longer than logged"),
        ((0, 0), "answers as long as logged"),
        ((10, 10), "answers 10 % longer than logged"),
        ((0, 30), "answers up to 30 % longer than logged"),
        ((-30, 0), "answers up to 30 % shorter than logged"),
        ((-30, -10), "answers 10 % to 30 % shorter than logged"),
        ((10, 30), "answers 10 % to 30 % longer than logged"),
    ],
)
def test_the_assumed_length_of_answers_is_told_in_words(ends, words):
    assert lengths(*ends) == words
