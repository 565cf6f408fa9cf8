"""Loading plugins and calling each by itself: whatever one does, it is named and the others go on."""

import sys
from datetime import date
from importlib.metadata import version

import pyarrow as pa
import pytest

from finops_core import SCHEMA, PluginError, Run, UsageError
from finops_core.plugins import ContainedError, Problem, describe, find, load, load_object, select
from finops_core.settings import Settings
from finops_core.testing import calls_from

MODULE = """
from finops_core import Report, hookimpl

@hookimpl
def analyze(calls):
    return Report(name="module", title="A module", answer="Served by a function.")

@hookimpl
def generate_calls(run):
    yield from ()
"""


@pytest.fixture(autouse=True)
def _nothing_chosen_by_the_environment(monkeypatch):
    monkeypatch.delenv("FINOPS_LOAD_PLUGINS", raising=False)


@pytest.fixture
def strangers(fake_distribution):
    """A good and a bad third party."""
    fake_distribution("finops-plugin-weekend")
    fake_distribution("acme-broken")


def chosen(kind, *names):
    return select(find().found, kind, names)


def run_of_two_days(source):
    return Run(source=source, start=date(2026, 1, 9), days=2)


class TestImport:
    def test_only_what_is_chosen_is_imported(self, strangers):
        load(chosen("analyzers", "weekend_share"), Settings())
        assert "finops_plugin_weekend" in sys.modules
        assert not [name for name in sys.modules if name.startswith("acme_broken")]

    def test_loaded_plugins_are_sorted_by_name(self, strangers):
        found = (*chosen("analyzers", "weekend_share", "raises"), *chosen("patterns", "weekend"))
        loaded = load(reversed(found), Settings())
        assert [plugin.found.name for plugin in loaded.plugins] == ["raises", "weekend", "weekend_share"]
        assert loaded.problems == ()

    def test_a_module_with_hookimpls_serves_in_both_of_its_groups(self, fake_distribution):
        points = {"finops.analyzers": {"both": "both"}, "finops.patterns": {"both": "both"}}
        fake_distribution("stranger", points, modules={"both": MODULE})
        loaded = load((*chosen("analyzers", "both"), *chosen("patterns", "both")), Settings())
        analyzer, pattern = loaded.plugins
        assert loaded.call(analyzer, calls=calls_from([])).answer == "Served by a function."
        assert list(loaded.iterate(pattern, run=run_of_two_days("both"))) == []

    def test_a_class_that_is_not_pydantic_and_an_object_serve_too(self, fake_distribution):
        source = f"{MODULE}\nclass Plain:\n    analyze = staticmethod(analyze)\n\nready = Plain()\n"
        points = {"finops.analyzers": {"plain": "plain:Plain", "ready": "plain:ready"}}
        fake_distribution("stranger", points, modules={"plain": source})
        loaded = load(chosen("analyzers", "plain", "ready"), Settings())
        assert [loaded.call(plugin, calls=calls_from([])).name for plugin in loaded.plugins] == ["module", "module"]

    def test_a_command_is_imported_when_it_is_asked_for(self, fake_distribution):
        source = "import click\n\n@click.command()\ndef hello():\n    '''Greets.'''\n"
        fake_distribution("stranger", {"finops.commands": {"hello": "hello:hello"}}, modules={"hello": source})
        (hello,) = chosen("commands", "hello")
        assert load_object(hello).name == "hello"
        assert describe(hello, Settings()).summary == "Greets."

    def test_what_a_plugin_prints_while_it_is_imported_is_shown_on_stderr_with_its_name(
        self, fake_distribution, capsys
    ):
        fake_distribution(
            "stranger", {"finops.analyzers": {"loud": "loud"}}, modules={"loud": f"print('hi')\n{MODULE}"}
        )
        load(chosen("analyzers", "loud"), Settings())
        assert capsys.readouterr() == ("", "loud: hi\n")

    @pytest.mark.parametrize(
        ("requirement", "told"),
        [
            ("finops-core>=99.1", ">=99.1"),
            ("finops_core (<0.0.1)", "<0.0.1"),
            ("Finops.Core[all]==98.*; python_version > '3'", "==98.*"),
        ],
    )
    def test_a_plugin_that_needs_another_core_is_not_imported(self, fake_distribution, requirement, told):
        fake_distribution(
            "acme-future",
            {"finops.analyzers": {"future": "future"}},
            modules={"future": MODULE},
            requires=["numpy>=99", requirement],
        )
        loaded = load(chosen("analyzers", "future"), Settings())
        installed = version("finops-core")
        (problem,) = loaded.problems
        assert problem.line() == (
            f"analyzer 'future' of acme-future 1.0: it needs finops-core {told}, and finops-core {installed} is "
            "installed. Install the two together: pip install --upgrade finops-core acme-future"
        )
        assert problem.traceback == ""
        assert "future" not in sys.modules

    @pytest.mark.parametrize(
        "requirement",
        ["finops-core", "finops-core<99", "finops-core>=99; extra == 'later'", "finops-core-extras>=99"],
    )
    def test_a_plugin_that_this_core_is_enough_for_is_imported(self, fake_distribution, requirement):
        points = {"finops.analyzers": {"present": "present"}}
        fake_distribution("stranger", points, modules={"present": MODULE}, requires=[requirement])
        assert load(chosen("analyzers", "present"), Settings()).problems == ()


class TestParameters:
    def test_a_plugin_gets_its_parameters_and_only_its_own(self, strangers):
        settings = Settings(plugins={"weekend": {"weekend_factor": 4}, "burst": {"nonsense": 1}})
        (weekend,) = load(chosen("patterns", "weekend"), settings).plugins
        assert (weekend.instance.weekend_factor, weekend.instance.num_customers) == (4.0, 25)

    @pytest.mark.parametrize(
        ("parameters", "message"),
        [
            (
                {"weekend_facter": 4},
                "'weekend_facter' is not a setting. Did you mean 'weekend_factor'?",
            ),
            ({"weekend_factor": -1}, "weekend_factor = -1: input should be greater than 0"),
            ({"weekend_factor": "lots"}, "weekend_factor = 'lots': input should be a valid number"),
        ],
    )
    def test_a_wrong_one_is_told_before_anything_runs(self, strangers, parameters, message):
        with pytest.raises(UsageError) as error:
            load(chosen("patterns", "weekend"), Settings(plugins={"weekend": parameters}))
        assert error.value.message.startswith(f"pattern 'weekend' of finops-plugin-weekend 1.2.0: {message}")
        assert error.value.hint == "See finops plugins show weekend"

    def test_what_has_no_parameters_takes_none(self, fake_distribution):
        fake_distribution("stranger", {"finops.analyzers": {"plain": "plain"}}, modules={"plain": MODULE})
        with pytest.raises(UsageError, match=r"'plain' of stranger 1.0 has no parameters, but 'depth' is set"):
            load(chosen("analyzers", "plain"), Settings(plugins={"plain": {"depth": 3}}))

    def test_a_default_that_the_plugin_itself_refuses_is_not_the_users_fault(self, strangers):
        for parameters in ({}, {"limit": 5}):
            loaded = load(chosen("analyzers", "wrong_default"), Settings(plugins={"wrong_default": parameters}))
            line = loaded.problems[0].line()
            assert "construction failed: WrongDefault.days: Input should be greater than 0. Tell the authors" in line


class TestBrokenPlugins:
    @pytest.mark.parametrize(
        ("kind", "name", "message"),
        [
            (
                "patterns",
                "raises_in_import",
                "import of acme_broken.raises_in_import:Pattern failed: RuntimeError: no licence for",
            ),
            (
                "patterns",
                "exits_in_import",
                "import of acme_broken.exits_in_import:Pattern failed: it called sys.exit(7)",
            ),
            ("patterns", "lost", "import of acme_broken.patterns:NoSuchPattern failed: AttributeError: "),
            ("analyzers", "raises_in_construction", "construction failed: OSError: the server of our settings is down"),
            ("analyzers", "misspelt", "there is no hook called 'analyse'. Did you mean 'analyze'?"),
            ("analyzers", "unmarked", "it serves no hook, but its group finops.analyzers needs analyze"),
            ("analyzers", "wrong_group", "it serves publish, but its group finops.analyzers needs analyze"),
            ("analyzers", "wrong_arguments", "its hooks do not fit: Argument(s) {'prices'} are declared"),
            ("analyzers", "unhashable", "its Unhashable is not hashable"),
        ],
    )
    def test_it_is_named_and_the_others_are_loaded(self, strangers, kind, name, message):
        good = {"patterns": "weekend", "analyzers": "weekend_share"}[kind]
        loaded = load(chosen(kind, name, good), Settings())
        assert [plugin.found.name for plugin in loaded.plugins] == [good]
        (problem,) = loaded.problems
        assert (problem.plugin, problem.kind) == (name, kind)
        assert (problem.distribution, problem.version) == ("acme-broken", "0.0.1")
        assert problem.message.startswith(message)
        assert problem.line().startswith(f"{kind[:-1]} '{name}' of acme-broken 0.0.1: {message}")
        assert problem.hint

    def test_a_misspelt_hook_does_not_serve_next_to_good_ones(self, strangers):
        loaded = load(chosen("analyzers", "misspelt", "wrong_group", "weekend_share"), Settings())
        (good,) = loaded.plugins
        assert loaded.call(good, calls=calls_from([])).state == "empty"

    def test_the_traceback_leads_into_the_plugin(self, strangers):
        (problem,) = load(chosen("patterns", "raises_in_import"), Settings()).problems
        assert "raises_in_import.py" in problem.traceback
        assert problem.traceback.rstrip().endswith("RuntimeError: no licence for this machine")

    def test_the_message_leads_to_the_last_line_of_the_plugins_own(self, fake_distribution):
        source = (
            "import json\nfrom finops_core import hookimpl\n\n\ndef parsed(text):\n    return json.loads(text)\n\n\n"
            "@hookimpl\ndef analyze(calls):\n    return parsed('{')\n"
        )
        fake_distribution("stranger", {"finops.analyzers": {"odd": "odd_one"}}, modules={"odd_one": source})
        loaded = load(chosen("analyzers", "odd"), Settings())
        with pytest.raises(ContainedError) as error:
            loaded.call(loaded.plugins[0], calls=None)
        assert error.value.problem.message.startswith("analyze failed: JSONDecodeError: Expecting property name")
        assert error.value.problem.message.endswith(" (odd_one.py:6)")

    @pytest.mark.parametrize("isolate", [False, True])
    @pytest.mark.parametrize("fault", ["model_post_init(self, context)", "analyse(self, calls)"])
    def test_a_class_that_was_imported_says_what_its_report_would_have_been_called(
        self, fake_distribution, fault, isolate
    ):
        source = (
            "from finops_core import Analyzer, hookimpl\n\nclass Late(Analyzer):\n    report_name = 'team_costs'\n"
            f"    title = 'Costs of teams'\n    @hookimpl\n    def {fault}:\n        raise OSError('no')\n"
        )
        fake_distribution("stranger", {"finops.analyzers": {"late": "late:Late"}}, modules={"late": source})
        (problem,) = load(chosen("analyzers", "late"), Settings(), isolate=isolate).problems
        assert (problem.plugin, problem.report_name, problem.title) == ("late", "team_costs", "Costs of teams")

    @pytest.mark.parametrize("value", ["no such thing", "odd one:Class", ".json:x", "json:loads extra", "json:lods"])
    def test_an_entry_point_that_names_nothing_is_told_as_it_stands(self, fake_distribution, value):
        fake_distribution("stranger", {"finops.analyzers": {"odd": value}})
        (problem,) = load(chosen("analyzers", "odd"), Settings()).problems
        assert problem.who == "analyzer 'odd' of stranger 1.0"
        assert problem.message.startswith(f"import of {value} failed: ")

    def test_an_error_without_words_is_told_by_its_type(self, strangers):
        (found,) = chosen("analyzers", "raises")
        assert found.problem(ValueError(), "analyze").message == "analyze failed: ValueError"
        assert found.problem(SystemExit(), "analyze").message == "analyze failed: it called sys.exit()"

    def test_a_broken_contract_has_no_traceback_to_read(self, strangers):
        (problem,) = load(chosen("analyzers", "misspelt"), Settings()).problems
        assert problem.traceback == ""

    def test_nobody_contains_the_users_interrupt(self, fake_distribution):
        points = {"finops.analyzers": {"slow": "slow"}}
        fake_distribution("stranger", points, modules={"slow": "raise KeyboardInterrupt\n"})
        with pytest.raises(KeyboardInterrupt):
            load(chosen("analyzers", "slow"), Settings())


class TestCalls:
    def test_each_is_called_by_itself(self, strangers):
        loaded = load(chosen("analyzers", "leaves", "raises", "weekend_share"), Settings())
        outcomes = {}
        for plugin in loaded.plugins:
            try:
                outcomes[plugin.found.name] = loaded.call(plugin, calls=calls_from([{"cost_usd": 1}])).answer
            except PluginError as e:
                outcomes[plugin.found.name] = e.message
        who = "of acme-broken 0.0.1: analyze failed"
        assert outcomes == {
            "leaves": f"analyzer 'leaves' {who}: it called sys.exit(9) (acme_broken/analyzers.py:40)",
            "raises": f"analyzer 'raises' {who}: ValueError: cannot make sense of this (acme_broken/analyzers.py:29)",
            "weekend_share": "Weekends make 0 % of the cost.",  # the one call is on a Monday
        }

    def test_the_error_carries_the_original_and_the_problem(self, strangers):
        loaded = load(chosen("analyzers", "raises"), Settings())
        with pytest.raises(ContainedError) as error:
            loaded.call(loaded.plugins[0], calls=calls_from([]))
        assert isinstance(error.value.__cause__, ValueError)
        assert error.value.exit_code == 3
        problem = loaded.plugins[0].found.problem(error.value)
        assert problem is error.value.problem
        assert "analyzers.py" in problem.traceback
        assert problem.hint == "Tell the authors of acme-broken."

    def test_a_result_that_the_core_refuses_is_a_problem_of_the_same_form(self, strangers):
        (found,) = chosen("analyzers", "wrong_type")
        problem = found.problem(PluginError("it returned a dict", hint="Return a Report."), "analyze")
        assert problem == Problem(
            plugin="wrong_type",
            kind="analyzers",
            distribution="acme-broken",
            version="0.0.1",
            message="analyze failed: it returned a dict",
            hint="Return a Report.",
        )

    def test_a_failure_halfway_leaves_what_came_before_and_has_a_name(self, strangers):
        loaded = load(chosen("patterns", "halfway"), Settings())
        batches = loaded.iterate(loaded.plugins[0], run=run_of_two_days("halfway"))
        assert next(batches).num_rows > 0
        with pytest.raises(ContainedError, match="generate_calls failed: RuntimeError: the second batch") as error:
            next(batches)
        assert isinstance(error.value.__cause__, RuntimeError)

    def test_a_pattern_that_leaves_at_once_has_a_name_too(self, strangers):
        loaded = load(chosen("patterns", "exits"), Settings())
        with pytest.raises(ContainedError, match=r"generate_calls failed: it called sys.exit\('goodbye'\)"):
            list(loaded.iterate(loaded.plugins[0], run=run_of_two_days("exits")))

    def test_a_pattern_that_returns_no_batches_at_all_has_a_name(self, fake_distribution):
        source = "from finops_core import hookimpl\n\n@hookimpl\ndef generate_calls(run):\n    return 42\n"
        fake_distribution("stranger", {"finops.patterns": {"number": "number_"}}, modules={"number_": source})
        loaded = load(chosen("patterns", "number"), Settings())
        with pytest.raises(ContainedError, match="'int' object is not iterable"):
            list(loaded.iterate(loaded.plugins[0], run=run_of_two_days("number")))

    def test_iterating_yields_what_the_pattern_makes_by_hand(self, strangers):
        loaded = load(chosen("patterns", "weekend"), Settings())
        (weekend,) = loaded.plugins
        batches = list(loaded.iterate(weekend, run=run_of_two_days("weekend")))
        by_hand = weekend.instance.generate(start=date(2026, 1, 9), days=2, source="weekend")
        assert by_hand.num_rows > 0
        assert pa.Table.from_batches(batches).cast(SCHEMA).equals(by_hand)

    def test_what_a_hook_prints_goes_to_stderr_at_every_step(self, fake_distribution, capsys):
        source = (
            "from finops_core import hookimpl\n\n@hookimpl\ndef generate_calls(run):\n"
            "    print('begin')\n    yield 1\n    print('end')\n"
        )
        fake_distribution("stranger", {"finops.patterns": {"loud": "loud"}}, modules={"loud": source})
        loaded = load(chosen("patterns", "loud"), Settings())
        for item in loaded.iterate(loaded.plugins[0], run=run_of_two_days("loud")):
            print("item", item)
        assert capsys.readouterr() == ("item 1\n", "loud: begin\nloud: end\n")

    def test_every_line_that_a_hook_prints_has_its_name(self, fake_distribution, capsys):
        source = (
            "from finops_core import hookimpl\n\n@hookimpl\ndef analyze(calls):\n"
            "    print('one', end='')\n    print(' line\\n\\nand')\n    print('no end', end='', flush=True)\n"
        )
        fake_distribution("stranger", {"finops.analyzers": {"loud": "loud"}}, modules={"loud": source})
        loaded = load(chosen("analyzers", "loud"), Settings())
        loaded.call(loaded.plugins[0], calls=None)
        assert capsys.readouterr() == ("", "loud: one line\nloud: \nloud: and\nloud: no end\n")

    def test_what_a_pattern_prints_or_raises_when_it_is_given_up_is_contained_too(self, fake_distribution, capsys):
        source = (
            "from finops_core import hookimpl\n\n@hookimpl\ndef generate_calls(run):\n"
            "    try:\n        yield 1\n    finally:\n        print('bye')\n        raise ValueError\n"
        )
        fake_distribution("stranger", {"finops.patterns": {"loud": "loud"}}, modules={"loud": source})
        loaded = load(chosen("patterns", "loud"), Settings())
        items = loaded.iterate(loaded.plugins[0], run=run_of_two_days("loud"))
        assert next(items) == 1
        items.close()
        assert capsys.readouterr() == ("", "loud: bye\n")

    def test_an_interrupt_during_a_hook_passes_and_names_the_plugin(self, fake_distribution):
        source = "from finops_core import hookimpl\n\n@hookimpl\ndef analyze(calls):\n    raise KeyboardInterrupt\n"
        fake_distribution("stranger", {"finops.analyzers": {"slow": "slow"}}, modules={"slow": source})
        loaded = load(chosen("analyzers", "slow"), Settings())
        with pytest.raises(KeyboardInterrupt) as interrupt:
            loaded.call(loaded.plugins[0], calls=calls_from([]))
        assert interrupt.value.__notes__ == ["analyzer 'slow' of stranger 1.0 was running (analyze)"]

    def test_an_exception_of_any_base_is_contained(self, fake_distribution):
        source = (
            "from finops_core import hookimpl\n\nclass Stop(BaseException):\n    pass\n\n"
            "@hookimpl\ndef analyze(calls):\n    raise Stop('here')\n"
        )
        fake_distribution("stranger", {"finops.analyzers": {"stop": "stop_"}}, modules={"stop_": source})
        loaded = load(chosen("analyzers", "stop"), Settings())
        with pytest.raises(ContainedError, match="analyze failed: Stop: here"):
            loaded.call(loaded.plugins[0], calls=calls_from([]))


class TestDescription:
    def test_it_tells_hooks_and_parameters(self, strangers):
        settings = Settings(plugins={"weekend": {"weekend_factor": 4}})
        description = describe(chosen("patterns", "weekend")[0], settings)
        assert (description.summary, description.hooks) == ("Usage that lives on weekends.", ("generate_calls",))
        parameters = {parameter.name: parameter for parameter in description.parameters}
        assert set(parameters) == {"num_customers", "num_days", "seed", "start", "minimum_per_day", "weekend_factor"}
        factor = parameters["weekend_factor"]
        assert (factor.type, factor.default, factor.value) == ("float > 0", "3.0", "4.0")
        assert factor.help == "Usage on Saturdays and Sundays, times a weekday's."
        assert (parameters["start"].type, parameters["start"].default) == ("date or none", "none")
        assert (parameters["seed"].default, parameters["seed"].value) == ("400", None)

    def test_types_are_told_in_words_with_their_bounds(self, fake_distribution):
        source = (
            "from typing import Annotated, Literal\nfrom pydantic import Field, PositiveFloat\n"
            "from finops_core import Analyzer, hookimpl\n\n"
            "class Typed(Analyzer):\n    report_name = 'typed'\n    title = 'Typed'\n"
            "    share: Annotated[float, Field(gt=0, le=1)] = 0.5\n"
            "    span: tuple[PositiveFloat, PositiveFloat] = (5, 20)\n"
            "    names: list[str] = []\n"
            "    many: tuple[int, ...] = ()\n"
            "    rule: Literal['even', 'by_cost'] = 'even'\n"
            "    anything: int | str | None = None\n"
            "    @hookimpl\n    def analyze(self, calls):\n        return self.empty()\n"
        )
        fake_distribution("stranger", {"finops.analyzers": {"typed": "typed_:Typed"}}, modules={"typed_": source})
        description = describe(chosen("analyzers", "typed")[0], Settings())
        assert {p.name: (p.type, p.default) for p in description.parameters} == {
            "share": ("float > 0 and <= 1", "0.5"),
            "span": ("tuple[float > 0, float > 0]", "[5,20]"),
            "names": ("list[str]", "[]"),
            "many": ("tuple[int, ...]", "[]"),
            "rule": ('"even" or "by_cost"', '"even"'),
            "anything": ("int or str or none", "none"),
        }

    def test_a_plugin_that_cannot_be_loaded_cannot_be_described(self, strangers):
        with pytest.raises(ContainedError, match="pattern 'lost' of acme-broken"):
            describe(chosen("patterns", "lost")[0], Settings())
