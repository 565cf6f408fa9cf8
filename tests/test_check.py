"""finops check: says what a log holds, and changes nothing."""

import json
import sys

import pytest

from finops_core import calllog, cli
from finops_core.call import NAMES

CALL = {
    "timestamp": "2026-01-05T08:00:00Z",
    "call_id": "a",
    "provider": "openai",
    "model": "gpt-5",
    "input_tokens": "10",
    "output_tokens": "5",
    "cost_usd": "0.25",
    "customer_id": "acme",
}


def line(**changes):
    return (",".join({**CALL, **changes}.get(name, "") for name in NAMES) + "\n").encode()


@pytest.fixture
def check(tmp_path, monkeypatch, capsys):
    """Check a log of these bytes; returns exit code, stdout and stderr."""
    monkeypatch.chdir(tmp_path)

    def run(content, *options):
        (tmp_path / "log.csv").write_bytes(content)
        monkeypatch.setattr(sys, "argv", ["finops", "check", "log.csv", *options])
        capsys.readouterr()
        with pytest.raises(SystemExit) as left:
            cli.main()
        captured = capsys.readouterr()
        assert (tmp_path / "log.csv").read_bytes() == content
        assert [path.name for path in tmp_path.iterdir()] == ["log.csv"], "a check writes nothing"
        return left.value.code, captured.out, captured.err

    return run


def test_a_clean_log_has_nothing_in_quarantine(check):
    code, out, _ = check(calllog.header_line() + line())
    assert code == 0
    assert "2 lines = 1 header + 0 repeated + 1 accepted + 0 quarantined + 0 blank + 0 pending; cost $0.25" in out


def test_bad_lines_are_listed_with_number_code_reason_and_their_text(check):
    bad = line(call_id="b", input_tokens="ten")
    code, out, _ = check(calllog.header_line() + line() + bad + b"oops\n\n")
    assert code == 0
    assert "5 lines = 1 header + 0 repeated + 1 accepted + 2 quarantined + 1 blank + 0 pending" in out
    assert "line 3  E_TYPE" in out
    assert "line 4  E_COLS  1 fields where the header has 26" in out
    assert "      oops" in out
    assert "append them again" in out


def test_only_the_first_are_shown_and_all_with_quarantine(check):
    content = calllog.header_line() + b"oops\n" * 30
    assert "and 20 more: finops check log.csv --quarantine" in check(content)[1]
    assert check(content, "--quarantine")[1].count("E_COLS") == 30


def test_the_document_is_the_documented_one(check):
    zoneless = line(timestamp="2026-01-05 08:00:00", cost_usd="0.1234567891")
    code, out, _ = check(calllog.header_line() + zoneless + b"oops\npending", "--json")
    document = json.loads(out)
    assert code == 0
    assert document.pop("version") == 1
    assert document == {
        "lines": 4, "header": 1, "repeated_headers": 0, "accepted": 1, "quarantined": 1, "blank": 0, "pending": 1,
        "cost_usd": "0.123456789", "refused": None, "naive_timestamps": 1, "rounded_costs": 1, "unknown_columns": [],
        "quarantine": [{"line": 3, "code": "E_COLS", "reason": "1 fields where the header has 26"}],
    }  # fmt: skip


def test_what_was_read_generously_is_told(check):
    header = calllog.header_line().replace(b"tags", b"mood")
    _, out, _ = check(header + line(timestamp="2026-01-05T08:00:00", cost_usd="0.1234567891"))
    assert "1 times had no zone and were read as UTC." in out
    assert "1 costs had more than nine fractional digits and were rounded." in out
    assert "left out: mood" in out


@pytest.mark.parametrize(
    ("content", "refusal"),
    [
        (b"", "F_EMPTY"),
        ("timestamp,call_id\n".encode("utf-16"), "F_ENCODING"),
        (b"timestamp;call_id;model\n1;2;3\n", "F_DELIMITER"),
        (b"name,price\nbolt,1\n", "F_HEADER"),
        (b"timestamp,call_id,provider\n", "F_MISSING_COLUMN:model"),
        (b"\xff\xd8\xff\xe0\x00\x10JFIF\x00\x01" * 100, "F_ENCODING"),
    ],
)
def test_what_is_no_call_log_is_refused_in_one_message(check, content, refusal):
    code, out, err = check(content)
    assert code == 4
    assert out == ""
    assert err.startswith(refusal)
    code, out, _ = check(content, "--json")
    assert code == 4
    assert json.loads(out)["refused"]["code"] == refusal


@pytest.mark.parametrize(("path", "code"), [("/dev/null", 4), (".", 1), ("nowhere.csv", 1)])
def test_what_is_no_file_is_told_at_once(path, code, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["finops", "check", path])
    with pytest.raises(SystemExit) as left:
        cli.main()
    assert left.value.code == code
    assert "Traceback" not in capsys.readouterr().err
