"""Which plugins are installed, which are wanted, and what is wrong with what is installed."""

import json
import subprocess
import sys

import pytest

from finops_core import UsageError
from finops_core.cli import finops
from finops_core.plugins import CORE_COMMANDS, GROUPS, check_settings, disabled_names, find, select, versions
from finops_core.settings import Settings

OURS = {
    "patterns": ["base", "burst", "decline", "seasonal"],
    "analyzers": [
        "alignment",
        "features",
        "optimization",
        "performance",
        "pricing",
        "profitability",
        "realtime",
        "understanding",
    ],
    "publishers": ["html"],
    "commands": ["export", "serve"],
}


@pytest.fixture(autouse=True)
def _nothing_chosen_by_the_environment(monkeypatch):
    monkeypatch.delenv("FINOPS_LOAD_PLUGINS", raising=False)


def names(found, kind):
    return [plugin.name for plugin in found if plugin.kind == kind]


def one(found, kind, name):
    (plugin,) = (plugin for plugin in found if (plugin.kind, plugin.name) == (kind, name))
    return plugin


def test_our_own_plugins_are_found_by_kind_and_name_without_a_problem():
    findings = find()
    assert {kind: names(findings.found, kind) for kind in GROUPS} == OURS
    assert list(findings.found) == sorted(findings.found, key=lambda plugin: (plugin.kind, plugin.name))
    assert findings.problems == ()


def test_a_third_party_is_found_with_its_distribution_and_version(fake_distribution):
    fake_distribution("finops-plugin-weekend")
    weekend = one(find().found, "patterns", "weekend")
    assert (weekend.distribution, weekend.version) == ("finops-plugin-weekend", "1.2.0")
    assert versions([weekend]) == {"weekend": "1.2.0"}


def test_finding_and_selecting_import_no_plugin_and_no_heavy_library(fake_distribution):
    fake_distribution("finops-plugin-weekend")
    code = (
        "import json, sys\n"
        "from finops_core.plugins import find, select\n"
        "chosen = select(find().found, 'patterns', ['weekend'])\n"
        "print(json.dumps([[p.name for p in chosen], sorted(sys.modules)]))\n"
    )
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=True)
    chosen, modules = json.loads(done.stdout)
    assert chosen == ["weekend"]
    heavy = {"numpy", "pyarrow", "pydantic", "duckdb", "pluggy", "click", "rich"}
    assert not [m for m in modules if m.split(".")[0] in heavy or m.startswith(("finops_plugin", "finops_viewer"))]


def test_a_distribution_that_is_on_the_path_twice_counts_once(fake_distribution):
    for version in ("1.0", "2.0"):
        fake_distribution("stranger", {"finops.patterns": {"strange": "strange:Pattern"}}, version=version)
    findings = find()
    assert one(findings.found, "patterns", "strange").version == "2.0"  # installed last, so first on the path
    assert findings.problems == ()


def test_one_name_may_stand_for_a_pattern_and_an_analyzer(fake_distribution):
    fake_distribution("stranger", {"finops.patterns": {"x": "m:P"}, "finops.analyzers": {"x": "m:A"}})
    assert find().problems == ()


@pytest.mark.parametrize(
    ("claimants", "owner"),
    [
        (["aaa", "finops-plugin-x"], "finops-plugin-x"),
        (["aaa", "Finops_Plugin.X"], "Finops_Plugin.X"),
        (["aaa", "finops-plugin-y"], "finops-plugin-y"),
        (["finops-plugin-a", "finops-plugin-x"], "finops-plugin-x"),
        (["finops-zoo", "finops-yard"], "finops-yard"),
        (["zoo", "yard"], "yard"),
    ],
)
@pytest.mark.parametrize("turned", [False, True], ids=["", "installed in the other order"])
def test_a_name_that_two_claim_belongs_to_one_and_both_are_told(fake_distribution, claimants, owner, turned):
    for name in reversed(claimants) if turned else claimants:
        fake_distribution(name, {"finops.patterns": {"x": "m:P"}})
    findings = find()
    assert one(findings.found, "patterns", "x").distribution == owner
    (problem,) = findings.problems
    (other,) = set(claimants) - {owner}
    assert (problem.plugin, problem.kind, problem.distribution) == ("x", "patterns", other)
    assert all(f"{name} 1.0" in problem.line() for name in claimants)


def test_a_stranger_cannot_take_the_name_of_one_of_ours(fake_distribution):
    fake_distribution("acme-broken")
    findings = find()
    assert one(findings.found, "patterns", "base").distribution == "finops-plugin-base"
    clash = next(problem for problem in findings.problems if problem.plugin == "base")
    assert clash.line() == (
        "pattern 'base' of acme-broken 0.0.1: the name 'base' belongs to finops-plugin-base 0.1.0; the one of "
        "acme-broken is not used. Uninstall finops-plugin-base or acme-broken."
    )


def test_one_distribution_may_not_use_a_name_twice_in_a_group(fake_distribution):
    site = fake_distribution("stranger", {"finops.patterns": {"x": "m:P"}})
    (file,) = site.glob("*.dist-info/entry_points.txt")
    file.write_text("[finops.patterns]\nx = m:P\nx = m:Q\n")
    (problem,) = find().problems
    assert "stranger 1.0" in problem.line()


def test_the_commands_of_the_core_are_nobody_elses():
    assert set(finops.commands) == CORE_COMMANDS


def test_a_command_that_is_called_like_one_of_the_core_is_told_and_not_used(fake_distribution):
    fake_distribution(
        "stranger", {"finops.commands": {"run": "m:run", "ran": "m:run"}, "finops.patterns": {"run": "m:P"}}
    )
    findings = find()
    assert names(findings.found, "commands") == ["export", "ran", "serve"]
    assert "run" in names(findings.found, "patterns")
    (problem,) = findings.problems
    assert problem.line() == (
        "command 'run' of stranger 1.0: finops-core has a command 'run'; the one of stranger is not used. "
        "Tell the authors of stranger."
    )


@pytest.mark.parametrize(
    ("group", "meant"),
    [("finops.pattern", "finops.patterns"), ("finops.analysers", "finops.analyzers"), ("finops.importers", None)],
)
def test_a_misspelt_group_is_told_and_one_of_another_core_is_not(fake_distribution, group, meant):
    fake_distribution("stranger", {group: {"x": "m:P"}})
    told = [problem.line() for problem in find().problems]
    message = f"stranger 1.0: its entry points are in the group {group!r}, which finops does not have."
    assert told == ([f"{message} Did you mean {meant!r}?"] if meant else [])


def test_unreadable_entry_points_are_reported_by_distribution_and_stop_nobody(fake_distribution):
    site = fake_distribution("stranger", {"finops.patterns": {"x": "m:P"}})
    (file,) = site.glob("*.dist-info/entry_points.txt")
    file.write_text("[finops.patterns]\nthis is not an entry point\n")
    findings = find()
    assert names(findings.found, "patterns") == OURS["patterns"]
    (problem,) = findings.problems
    assert problem.line().startswith("stranger 1.0: its entry points cannot be read: ")


def test_unreadable_entry_points_of_others_are_none_of_our_business(fake_distribution):
    site = fake_distribution("stranger", {"console_scripts": {"x": "m:P"}})
    (file,) = site.glob("*.dist-info/entry_points.txt")
    file.write_text("[console_scripts]\nthis is not an entry point\n")
    assert find().problems == ()


def test_a_distribution_without_metadata_is_still_named(fake_distribution):
    site = fake_distribution("stranger", {"finops.patterns": {"x": "m:P"}})
    (file,) = site.glob("*.dist-info/METADATA")
    file.write_text("")
    plugin = one(find().found, "patterns", "x")
    assert (plugin.distribution, plugin.version) == ("a distribution without a name", "of unknown version")


def test_with_the_environment_variable_nothing_else_is_found(monkeypatch):
    monkeypatch.setenv("FINOPS_LOAD_PLUGINS", "base, html,")
    findings = find()
    assert [(plugin.kind, plugin.name) for plugin in findings.found] == [("patterns", "base"), ("publishers", "html")]
    assert "burst" in findings.installed


def test_an_empty_environment_variable_finds_nothing(monkeypatch):
    monkeypatch.setenv("FINOPS_LOAD_PLUGINS", "")
    assert find().found == ()


def test_the_environment_variable_also_hides_the_problems_of_others(monkeypatch, fake_distribution):
    fake_distribution("acme-broken")
    monkeypatch.setenv("FINOPS_LOAD_PLUGINS", "burst")
    assert find().problems == ()
    monkeypatch.setenv("FINOPS_LOAD_PLUGINS", "base")
    assert [problem.plugin for problem in find().problems] == ["base"]


def test_the_environment_variable_must_name_what_is_installed(monkeypatch):
    monkeypatch.setenv("FINOPS_LOAD_PLUGINS", "base,brust")
    with pytest.raises(UsageError, match=r"FINOPS_LOAD_PLUGINS names 'brust', .* Did you mean 'burst'\?"):
        find()


def test_all_of_a_kind_are_selected_unless_some_are_named():
    found = find().found
    assert [plugin.name for plugin in select(found, "patterns")] == OURS["patterns"]
    assert [plugin.name for plugin in select(found, "patterns", ["seasonal", "burst", "burst"])] == [
        "burst",
        "seasonal",
    ]
    assert select(found, "patterns", []) == ()


def test_what_is_disabled_is_not_selected_even_if_it_is_named():
    found = find().found
    assert [p.name for p in select(found, "patterns", disabled={"base", "html"})] == ["burst", "decline", "seasonal"]
    assert [p.name for p in select(found, "patterns", ["base", "burst"], {"base"})] == ["burst"]


@pytest.mark.parametrize(
    ("kind", "chosen", "disabled", "message"),
    [
        ("patterns", ["bursts"], (), "no pattern is called 'bursts'\nDid you mean 'burst'?"),
        ("patterns", ["zzz"], (), "no pattern is called 'zzz'\nValid names: base, burst, decline, seasonal."),
        ("analyzers", ["burst"], (), "'burst' is a plugin of kind pattern, not analyzer\nValid names: alignment, "),
        ("patterns", None, {"htlm"}, "-p no:htlm: no plugin of this name is installed\nDid you mean 'html'?"),
    ],
)
def test_a_name_that_is_none_is_told_with_the_nearest_one(kind, chosen, disabled, message):
    with pytest.raises(UsageError) as error:
        select(find().found, kind, chosen, disabled)
    assert str(error.value).startswith(message)


def test_where_none_of_a_kind_is_installed_the_package_to_install_is_told():
    with pytest.raises(UsageError) as error:
        select((), "patterns", ["seasonal"])
    assert error.value.hint == "No pattern is installed. Install one, such as: pip install finops-plugin-seasonal"


def test_disabled_names_are_read_from_no_colon_name():
    assert disabled_names(["no:html", "no:burst", "no:html"]) == {"html", "burst"}


@pytest.mark.parametrize("value", ["html", "no:", "yes:html", "no html", ""])
def test_a_value_of_another_form_disables_nothing_and_is_told(value):
    with pytest.raises(UsageError, match="is not of the form no:NAME"):
        disabled_names([value])


def test_parameters_for_a_plugin_that_is_not_installed_are_told():
    with pytest.raises(UsageError, match=r"plugin 'brust', which is not installed. Did you mean 'burst'\?"):
        check_settings(find(), Settings(plugins={"base": {}, "brust": {"seed": 1}}))


def test_parameters_for_a_plugin_that_the_environment_leaves_out_are_not_wrong(monkeypatch):
    monkeypatch.setenv("FINOPS_LOAD_PLUGINS", "base")
    check_settings(find(), Settings(plugins={"burst": {"seed": 1}}))
