from decimal import Decimal

import pytest

from finops_core import UsageError
from finops_core.settings import Settings, load_settings


def write(folder, text):
    file = folder / "finops.toml"
    file.write_text(text, encoding="utf-8")
    return file


def test_without_a_file_everything_has_its_default(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert load_settings() == Settings()
    assert load_settings().tiers == {"starter": Decimal(29), "pro": Decimal(99), "enterprise": Decimal(299)}


def test_the_file_of_the_working_directory_is_read(tmp_path, monkeypatch):
    write(tmp_path, "[sla]\nlatency_ms = 900\n")
    monkeypatch.chdir(tmp_path)
    assert load_settings().sla.latency_ms == 900


def test_every_section_reaches_its_place(tmp_path):
    settings = load_settings(
        write(
            tmp_path,
            """
            [tiers]
            team = 49.5
            [budgets.total.all]
            usd_per_month = 1000
            [budgets.organization.org_001]
            usd_per_month = 12.5
            [catalog.weights]
            openai = 1
            [shared_cost]
            match = { environment = ["staging"] }
            rule = "even"
            [plugins.burst]
            seed = 7
            """,
        ),
        ("burst.burst_probability=0.25", "burst.burst_multiplier=[10, 30]", "weekend.name=some text"),
    )
    assert settings.tiers["team"] == Decimal("49.5")
    assert settings.tiers["pro"] == Decimal(99), "a tier that is not named keeps its price"
    assert settings.budgets["organization"]["org_001"].usd_per_month == Decimal("12.5")
    assert settings.shared_cost.rule == "even"
    assert settings.plugins["burst"] == {"seed": 7, "burst_probability": 0.25, "burst_multiplier": [10, 30]}
    assert settings.plugins["weekend"] == {"name": "some text"}


def test_set_goes_over_the_file(tmp_path):
    file = write(tmp_path, "[plugins.burst]\nseed = 7\n")
    assert load_settings(file, ("burst.seed=8",)).plugins["burst"]["seed"] == 8


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[teirs]\npro = 1\n", "'teirs' is not a setting. Did you mean 'tiers'?"),
        ("[sla]\nlatencyms = 1\n", "'sla.latencyms' is not a setting. Did you mean 'latency_ms'?"),
        ("[tiers]\npro = -1\n", "tiers.pro = -1: input should be greater than or equal to 0"),
        ("[budgets.total.all]\nusd = 5\n", "is not a setting. Valid names: usd_per_month."),
        ("[shared_cost]\nrule = 'fair'\n", "shared_cost.rule = 'fair'"),
        (
            "[shared_cost.match]\nproduct = ['platform']\n",
            "text column of the call log. Did you mean 'product_id'?",
        ),
        ("[shared_cost.match]\ncost_usd = ['10']\n", "'cost_usd' is not a text column"),
        ("[tiers\n", "is not valid TOML"),
    ],
)
def test_a_wrong_setting_is_one_message_with_file_place_and_nearest_name(tmp_path, text, message):
    file = write(tmp_path, text)
    with pytest.raises(UsageError) as error:
        load_settings(file)
    assert message in error.value.message
    assert str(file) in error.value.message


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(UsageError, match=r"cannot read .*nowhere\.toml"):
        load_settings(tmp_path / "nowhere.toml")


@pytest.mark.parametrize("text", ["burst", "burst.seed", "=1", "burst.=1", ".seed=1"])
def test_a_malformed_set_says_what_the_form_is(text, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match="not of the form"):
        load_settings(None, (text,))


def test_the_fingerprint_changes_with_any_setting(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert load_settings().fingerprint() == Settings().fingerprint()
    assert load_settings(None, ("burst.seed=1",)).fingerprint() != Settings().fingerprint()
