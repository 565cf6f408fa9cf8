"""Other systems' files in the log: what is taken, made, priced, set aside and refused."""

import csv
import json
import subprocess
import sys
from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from pathlib import Path

import pyarrow.compute as pc
import pytest

from finops_core import foreign_csv
from finops_core.call import NAMES
from finops_core.catalog import Catalog
from finops_core.errors import InputRefusedError, UsageError
from finops_core.importing import ImportResult, import_file
from finops_core.ledger.header import Header
from finops_core.ledger.reading import read_block
from finops_core.settings import CatalogSettings, ModelSettings

AZURE = Path(__file__).parent / "data" / "AzureLLMInferenceTrace_code.csv"
AZURE_MAP = {"timestamp": "TIMESTAMP", "input_tokens": "ContextTokens", "output_tokens": "GeneratedTokens"}
AZURE_FILL = {
    "provider": "azure",
    "model": "gpt-4",
    "customer_id": "copilot",
    "organization_id": "org-1",
    "task_type": "code",
}

THEIRS = "when,user,vendor,llm,prompt,completion,price"
MAP = {
    "timestamp": "when",
    "customer_id": "user",
    "provider": "vendor",
    "model": "llm",
    "input_tokens": "prompt",
    "output_tokens": "completion",
}


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "data" / "calls.csv"


@pytest.fixture
def bring(tmp_path: Path, log: Path) -> Callable[..., ImportResult]:
    """Import a file with this content."""

    def bring(text: str | bytes, catalog: Catalog | None = None, **options: object) -> ImportResult:
        source = tmp_path / "theirs.csv"
        source.write_bytes(text.encode() if isinstance(text, str) else text)
        settings = {"mapping": MAP, "fill": {}, **options}
        return import_file(source, log, catalog=catalog or Catalog(), **settings)

    return bring


def calls(log: Path) -> list[dict[str, str]]:
    """The rows of a log, as a stranger's CSV reader sees them."""
    with log.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def quarantine(result: ImportResult) -> list[tuple[int, str]]:
    return [(row.line, row.code) for row in result.examples]


# The Azure trace: 8,819 calls, seven fractional digits, CRLF, and a last line without an end.


@pytest.fixture(scope="module")
def azure(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, ImportResult]:
    log = tmp_path_factory.mktemp("azure") / "calls.csv"
    return log, import_file(AZURE, log, mapping=AZURE_MAP, fill=AZURE_FILL, catalog=Catalog())


def test_every_call_of_the_azure_trace_arrives_with_its_tokens(azure):
    log, result = azure
    with AZURE.open(newline="") as file:
        theirs = list(csv.DictReader(file))
    ours = calls(log)
    assert len(theirs) == 8819
    assert (result.rows, result.imported, result.quarantined, result.unused) == (8819, 8819, 0, ())
    assert [(r["input_tokens"], r["output_tokens"]) for r in ours] == [
        (r["ContextTokens"], r["GeneratedTokens"]) for r in theirs
    ]
    assert result.tokens == sum(int(r["ContextTokens"]) + int(r["GeneratedTokens"]) for r in theirs)
    assert {r["call_id"] for r in ours} == {f"{ours[0]['call_id'][:-1]}{line}" for line in range(2, 8821)}


def test_times_of_the_azure_trace_are_kept_to_the_microsecond(azure):
    log, result = azure
    with AZURE.open(newline="") as file:
        # 2023-11-16 18:17:03.9799600 has a seventh digit, which is cut off.
        theirs = [datetime.strptime(r["TIMESTAMP"][:26], "%Y-%m-%d %H:%M:%S.%f") for r in csv.DictReader(file)]
    ours = [datetime.strptime(r["timestamp"], "%Y-%m-%dT%H:%M:%S.%fZ") for r in calls(log)]
    assert ours == theirs
    assert ours[-1] == datetime(2023, 11, 16, 19, 14, 19, 928016)
    assert result.naive_timestamps == 8819


def test_the_azure_trace_is_priced_at_its_date(azure):
    log, result = azure
    ours = calls(log)
    # gpt-4 cost 30 dollars per million input tokens and 60 per million output tokens:
    # 4,808 x 0.00003 + 10 x 0.00006 = 0.14424 + 0.0006; 3,180 x 0.00003 + 8 x 0.00006 = 0.0954 + 0.00048.
    assert [r["cost_usd"] for r in ours[:2]] == ["0.144840000", "0.095880000"]
    # the last one: 549 x 0.00003 + 173 x 0.00006 = 0.01647 + 0.01038
    assert ours[-1]["cost_usd"] == "0.026850000"
    by_hand = sum(30 * int(r["input_tokens"]) + 60 * int(r["output_tokens"]) for r in ours)
    assert result.cost_usd == Decimal(by_hand) / 10**6
    assert result.priced == 8819


def test_what_the_azure_trace_does_not_say_is_filled_or_left_unknown(azure):
    log, _ = azure
    told = {"timestamp", "call_id", "input_tokens", "output_tokens", "cost_usd"}
    filled = {**AZURE_FILL, "source": "import"}
    defaults = {"cache_read_tokens": "0", "cache_write_tokens": "0", "reasoning_tokens": "0", "status": "success"}
    rest = {tuple((name, value) for name, value in row.items() if name not in told) for row in calls(log)}
    assert rest == {tuple((name, {**defaults, **filled}.get(name, "")) for name in NAMES if name not in told)}


def test_the_same_file_is_not_imported_twice(azure):
    log, _ = azure
    before = log.read_bytes()
    with pytest.raises(InputRefusedError, match="was imported into") as error:
        import_file(AZURE, log, mapping=AZURE_MAP, fill={**AZURE_FILL, "model": "gpt-4o"}, catalog=Catalog())
    assert error.value.code == "F_IMPORTED"
    assert log.read_bytes() == before


def test_the_ledger_accepts_every_imported_call(azure):
    log, result = azure
    rows = read_block(log.read_bytes().partition(b"\n")[2], Header(NAMES))
    assert rows.table.num_rows == 8819
    assert pc.sum(rows.table["cost_usd"]).as_py() == result.cost_usd


# Columns


def test_columns_named_like_ours_need_no_map_and_may_stand_in_any_order(bring, log):
    result = bring(
        "tags,region,output_tokens,input_tokens,model,provider,call_id,cost_usd,customer_id,timestamp,notes\r\n"
        '"{""a"": 1}",eu,2,1,"m, large",p,id-1,0.25,c1,2026-01-05T08:00:00+02:00,x\r\n',
        mapping={},
    )
    (row,) = calls(log)
    assert (row["timestamp"], row["call_id"], row["model"]) == ("2026-01-05T06:00:00.000Z", "id-1", "m, large")
    assert (row["cost_usd"], row["tags"], row["region"]) == ("0.250000000", '{"a": 1}', "eu")
    assert (result.priced, result.unused, result.naive_timestamps) == (0, ("notes",), 0)


@pytest.mark.parametrize("delimiter", [";", "\t", "|"])
def test_other_delimiters_are_found(bring, log, delimiter: str):
    line = "2026-01-05 08:00:00,u,openai,gpt-5,1000000,0,1,5"
    result = bring(f"{THEIRS}\n{line[:-2]}\n".replace(",", delimiter))
    assert result.imported == 1
    assert calls(log)[0]["input_tokens"] == "1000000"


def test_a_mapped_column_goes_before_one_of_the_same_name_and_a_filled_one_before_both(bring, log):
    bring(
        "timestamp,customer_id,account,provider,model,input_tokens,output_tokens,cost_usd,source\n"
        "2026-01-05T08:00:00Z,theirs,A,p,m,1,2,3,s\n",
        mapping={"customer_id": "account", "organization_id": "account"},
        fill={"source": "billing export"},
    )
    (row,) = calls(log)
    assert (row["customer_id"], row["organization_id"], row["source"]) == ("A", "A", "billing export")


def test_all_missing_columns_are_named_with_the_nearest_of_theirs(bring, log):
    with pytest.raises(UsageError) as error:
        bring(f"{THEIRS}\n", mapping={"timestamp": "when", "customer_id": "user"}, fill={"provider": "openai"})
    assert "does not say model, input_tokens, output_tokens; its columns are when, user, vendor" in error.value.message
    assert "--map model=THEIRS or --fill model=VALUE" in error.value.hint
    assert not log.exists()


def test_a_near_name_is_suggested_ready_to_be_pasted(bring):
    with pytest.raises(UsageError) as error:
        bring("Customer ID,Model\n", mapping={})
    assert "--map customer_id='Customer ID'" in error.value.hint
    assert "--map model=Model" in error.value.hint


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"mapping": {"custmer_id": "user"}}, "'custmer_id' is not a column of a call. Did you mean 'customer_id'?"),
        ({"fill": {"modell": "x"}}, "'modell' is not a column of a call. Did you mean 'model'?"),
        ({"mapping": {**MAP, "region": "usr"}}, "has no column 'usr' to map to 'region'. Did you mean 'user'?"),
        ({"fill": {"model": "gpt-5"}}, "'model' is both mapped and filled"),
        ({"fill": {"region": "a\nb"}}, "is not plain text on one line"),
    ],
)
def test_a_wrong_option_is_refused_before_anything_is_written(bring, log, options: dict, message: str):
    with pytest.raises(UsageError) as error:
        bring(f"{THEIRS}\n2026-01-05T08:00:00Z,u,openai,gpt-5,1,2,3\n", **options)
    assert message in error.value.message
    assert not log.exists()


def test_a_name_that_the_file_has_twice_cannot_be_used(bring):
    with pytest.raises(UsageError, match="2 columns named 'user'"):
        bring(f"{THEIRS},user\n")
    assert bring(f"{THEIRS},extra,extra\n2026-01-05T08:00:00Z,u,openai,gpt-5,1,2,3,,\n").imported == 1


# Values


def test_a_bad_row_is_set_aside_with_its_line_and_code_and_the_others_arrive(bring, log):
    result = bring(
        f"{THEIRS}\n"
        "2026-01-05T08:00:00Z,u1,openai,gpt-5,1,2,\n"
        "yesterday,u2,openai,gpt-5,1,2,\n"
        "\n"
        "2026-01-05T08:00:00Z,,openai,gpt-5,1,2,\n"
        "2026-01-05T08:00:00Z,u4,openai,gpt-5,1.0,2,\n"
        "2026-01-05T08:00:00Z,u5,openai,gpt-5,-1,2,\n"
        "2026-01-05T08:00:00Z,u6,openai,gpt-5,1,2\n"
        '2026-01-05T08:00:00Z,u7,openai,"gpt\n5",1,2,\n'
        "2026-01-05T08:00:00Z,u8,openai,gpt-5,3,4,\n"
    )
    assert quarantine(result) == [
        (3, "E_TS"),
        (5, "E_REQUIRED"),
        (6, "E_TYPE"),
        (7, "E_RANGE"),
        (8, "E_COLS"),
        (9, "E_NEWLINE"),
    ]
    assert (result.rows, result.imported, result.quarantined) == (8, 2, 6)
    rows = calls(log)
    assert [r["customer_id"] for r in rows] == ["u1", "u8"]
    assert [r["call_id"].rpartition("_")[2] for r in rows] == ["2", "11"]  # the line in their file


def test_a_line_break_in_a_column_that_is_not_taken_does_no_harm(bring, log):
    result = bring(f'{THEIRS},text\n2026-01-05T08:00:00Z,u1,openai,gpt-5,1,2,,"Dear\r\n""all"","\n')
    assert (result.imported, result.quarantined) == (1, 0)


def test_examples_are_kept_up_to_twenty_and_the_rest_is_counted(bring):
    bad = "".join(f"never,u{i},openai,gpt-5,1,2,\n" for i in range(50))
    result = bring(f"{THEIRS}\n{bad}2026-01-05T08:00:00Z,u,openai,gpt-5,1,2,\n")
    assert len(result.examples) == 20
    assert result.document()["reasons"] == {"E_TS": 50}


def test_a_file_without_a_single_call_is_refused_with_the_first_reason(bring, log):
    with pytest.raises(InputRefusedError, match="none of its 2 rows is a call; the first, line 2: E_TS") as error:
        bring(f"{THEIRS}\nx,u,openai,gpt-5,1,2,\ny,u,openai,gpt-5,1,2,\n")
    assert (error.value.code, error.value.exit_code) == ("F_NO_CALLS", 4)
    assert not log.exists()


def test_a_file_without_rows_brings_nothing(bring, log):
    assert bring(f"{THEIRS}\n").imported == 0
    assert not log.exists()


def test_hostile_text_arrives_as_it_is(bring, log):
    user = '=1+1,"x"; <b>\u202e\u00e9'
    quoted = user.replace('"', '""')
    bring(f'{THEIRS}\n2026-01-05T08:00:00Z,"{quoted}",openai,gpt-5,1,2,\n')
    assert calls(log)[0]["customer_id"] == user


# Costs


def test_a_cost_that_the_file_has_is_kept_to_nine_digits(bring, log):
    result = bring(
        f"{THEIRS}\n2026-01-05T08:00:00Z,u,openai,no-such-model,1,2,0.1234567895\n"
        "2026-01-05T08:00:00Z,u,openai,no-such-model,1,2,1e-3\n",
        mapping={**MAP, "cost_usd": "price"},
    )
    # half to even: ...7895 lies between ...789 and ...790
    assert [r["cost_usd"] for r in calls(log)] == ["0.123456790", "0.001000000"]
    assert (result.rounded_costs, result.priced, result.cost_usd) == (1, 0, Decimal("0.124456790"))


def test_a_price_that_changed_is_the_one_of_the_calls_date(bring, log):
    # o3 went from 10 to 2 dollars per million input tokens on 2025-06-10.
    result = bring(f"{THEIRS}\n2025-06-09T23:59:59Z,u,openai,o3,1000,0,\n2025-06-10T00:00:00Z,u,openai,o3,1000,0,\n")
    assert [r["cost_usd"] for r in calls(log)] == ["0.010000000", "0.002000000"]
    assert result.priced == 2


def test_failed_calls_that_providers_do_not_bill_cost_nothing(bring, log):
    catalog = Catalog(CatalogSettings(models={"p": {"m": ModelSettings(input=Decimal(1), output=Decimal(10))}}))
    bring(
        f"{THEIRS}\n"
        + "".join(f"2026-01-05T08:00:00Z,u,p,m,1000,100,{s}\n" for s in ("success", "rate_limit", "timeout")),
        catalog=catalog,
        mapping={**MAP, "status": "price"},
    )
    # 1,000 x 1e-6 + 100 x 10e-6 = 0.002
    assert [r["cost_usd"] for r in calls(log)] == ["0.002000000", "0.000000000", "0.002000000"]


def test_models_without_a_price_are_all_named_and_nothing_is_imported(bring, log):
    with pytest.raises(UsageError) as error:
        bring(
            f"{THEIRS}\n2026-01-05T08:00:00Z,u,openai,gpt-5,1,2,\n2026-01-05T08:00:00Z,u,acme,wise,1,2,\n"
            "2026-01-05T08:00:00Z,u,acme,clever,1,2,\n2026-01-05T08:00:00Z,u,acme,wise,1,2,\n"
        )
    assert "model 'clever' of provider 'acme', model 'wise' of provider 'acme'" in error.value.message
    assert "[catalog.models.acme.'clever'], [catalog.models.acme.'wise']" in error.value.hint
    assert not log.exists()


def test_a_call_that_would_cost_more_than_the_log_can_hold_is_set_aside(bring):
    result = bring(
        f"{THEIRS}\n2026-01-05T08:00:00Z,u,openai,gpt-4,{2**53},0,\n2026-01-05T08:00:00Z,u,openai,gpt-4,1,0,\n"
        f"2026-01-05T08:00:00Z,u,openai,gpt-4,{10**14},0,\n"  # 10^14 x 0.00003 = 3,000,000,000 dollars
    )
    assert quarantine(result) == [(2, "E_RANGE"), (4, "E_RANGE")]
    assert (result.imported, result.cost_usd) == (1, Decimal("0.00003"))


# Writing


def test_an_import_adds_to_a_log_and_leaves_what_is_there(bring, log):
    bring(f"{THEIRS}\n2026-01-05T08:00:00Z,u1,openai,gpt-5,1,2,\n")
    before = log.read_bytes()
    bring(f"{THEIRS}\n2026-01-05T08:00:00Z,u2,openai,gpt-5,1,2,\n")
    assert log.read_bytes().startswith(before)
    assert [r["customer_id"] for r in calls(log)] == ["u1", "u2"]
    assert len({r["call_id"] for r in calls(log)}) == 2


def test_a_file_with_ids_of_its_own_is_recognised_too(bring, log):
    text = f"call_id,{THEIRS}\nx1,2026-01-05T08:00:00Z,u1,openai,gpt-5,1,2,\n"
    bring(text)
    before = log.read_bytes()
    with pytest.raises(InputRefusedError, match="was imported into"):
        bring(text)
    assert log.read_bytes() == before


def test_the_same_bytes_whatever_the_size_of_the_blocks(bring, log, monkeypatch: pytest.MonkeyPatch):
    text = f"{THEIRS}\n" + "".join(
        f'2026-01-05T08:00:{i % 60:02}.{i:06}Z,"u, {i}",openai,gpt-5,{i},{i % 7},\n' for i in range(300)
    )
    bring(text)
    at_once = calls(log)
    log.unlink()
    monkeypatch.setattr(foreign_csv, "BLOCK_BYTES", 500)
    told: list[tuple[int, int]] = []
    bring(text, progress=lambda done, total: told.append((done, total)))
    assert calls(log) == at_once
    assert len(told) > 30
    assert told[-1] == (len(text), len(text))


def test_nothing_is_left_beside_the_log_when_an_import_fails(bring, log):
    with pytest.raises(UsageError):
        bring(f"{THEIRS}\n2026-01-05T08:00:00Z,u,acme,wise,1,2,\n")
    assert list(log.parent.iterdir()) == []


# From the command line, to the reports


@pytest.fixture
def finops(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run the command in a folder of its own."""

    def finops(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "finops_core", *arguments]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)

    return finops


def azure_arguments() -> list[str]:
    maps = [argument for ours, theirs in AZURE_MAP.items() for argument in ("--map", f"{ours}={theirs}")]
    return [str(AZURE), *maps, *(part for name, value in AZURE_FILL.items() for part in ("--fill", f"{name}={value}"))]


def test_the_command_says_what_arrived_and_what_did_not(finops, tmp_path: Path):
    (tmp_path / "x.csv").write_text(f"{THEIRS}\n2026-01-05 08:00:00,u,openai,gpt-5,1,2,9\nnever,u,openai,gpt-5,1,2,9\n")
    maps = [argument for ours, theirs in MAP.items() for argument in ("--map", f"{ours}={theirs}")]
    done = finops("import", "x.csv", *maps)
    assert done.returncode == 0, done.stderr
    said = " ".join(done.stdout.split())
    # gpt-5: 1 x 0.00000125 + 2 x 0.00001 = 0.00002125
    assert "x.csv: 1 of 2 rows imported into data/simulated_calls.csv, 3 tokens, $0.000021." in said
    assert "Priced from the catalogue, each at its date: 1 call. Read as UTC: 1 time without a zone." in said
    assert "Columns that were not used: price. Not imported: 1 row (1 E_TS), such as line 3 E_TS" in said


@pytest.mark.slow
def test_the_azure_trace_goes_through_to_eight_reports(finops, tmp_path: Path):
    done = finops("import", *azure_arguments(), "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["import"]["cost_usd"] == "556.552980000"
    done = finops("analyze", "--json")
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    log = document["log"]
    assert (log["lines"], log["accepted"], log["quarantined"]) == (8820, 8819, 0)
    reports = document["reports"]
    assert len(reports) == 8
    assert {report["state"] for report in reports} <= {"ready", "empty"}
    for report in reports:
        page = (tmp_path / "reports" / "html" / f"{report['name']}.html").read_text(encoding="utf-8")
        assert report["answer"]
        assert "<main" in page
    again = finops("import", *azure_arguments())
    assert again.returncode == 4
    assert "was imported into" in again.stderr
