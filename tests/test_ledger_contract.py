"""What each kind of line and each kind of file is: the table of the call log's contract, row by row."""

from __future__ import annotations

import os
from decimal import Decimal

import pytest

from finops_core import calllog
from finops_core.call import NAMES, REQUIRED
from finops_core.errors import FinopsError, InputRefusedError
from finops_core.ledger import Ledger, check

HEADER = calllog.header_line()
GOOD = {
    **dict.fromkeys(NAMES, ""),
    "timestamp": "2026-01-05T08:00:00.123Z",
    "call_id": "c1",
    "provider": "openai",
    "model": "gpt-5",
    "input_tokens": "10",
    "output_tokens": "5",
    "cost_usd": "0.000001000",
    "customer_id": "k1",
}


def line(**cells: str) -> bytes:
    return ",".join({**GOOD, **cells}.values()).encode() + b"\n"


@pytest.fixture
def log(tmp_path):
    return tmp_path / "log.csv"


def read(log, *parts: bytes):
    """Write a log, check it, and see that the ledger says the same."""
    log.write_bytes(b"".join(parts))
    result = check(log)
    assert result.counts.add_up()
    if result.refused is None:
        ledger = Ledger(log)
        ledger.ingest()
        assert ledger.counts == result.counts
        assert ledger.cost_usd == result.cost_usd
        assert tuple(ledger.quarantine()) == result.quarantine
    else:
        with pytest.raises(InputRefusedError):
            Ledger(log).ingest()
    assert log.read_bytes() == b"".join(parts)
    return result


def codes(result) -> list[str]:
    return [bad["code"] for bad in result.quarantine]


def quoted(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'


BAD_CELLS = [
    ("E_TS", "timestamp", ["", "2026-01-05", "08:00", "05/01/2026 08:00", "1767600000", "2026-01-05T08", "now"]),
    (
        "E_TS",
        "timestamp",
        ["2026-02-29T00:00:00Z", "2026-01-05T24:00:00Z", "2026-12-31T23:59:60Z", "2026-01-05T8:00:00Z"],
    ),
    (
        "E_TS",
        "timestamp",
        ["1999-12-31T23:59:59Z", "2100-01-01T00:00:00Z", "2026-01-05T08:00:00 Z", "2026-01-05T08:00:00+24:00"],
    ),
    ("E_REQUIRED", "call_id", [""]),
    ("E_REQUIRED", "provider", ["", '""']),
    ("E_REQUIRED", "model", [""]),
    ("E_REQUIRED", "customer_id", [""]),
    (
        "E_TYPE",
        "input_tokens",
        ["", "  ", "1_000", "0x10", "$1", quoted("1,2"), "٣", "True", "1e3", "NaN", "1.0", "- 1", "1 0"],
    ),
    ("E_TYPE", "output_tokens", ["", "inf", "five", "--5"]),
    (
        "E_TYPE",
        "cost_usd",
        ["", " ", "1_000", "0x10", "$1", quoted("1,2"), "٣", "True", ".5", "5.", "1e", "1.2.3", "free"],
    ),
    ("E_RANGE", "input_tokens", ["-1", "9007199254740993", "9" * 5000]),
    ("E_RANGE", "output_tokens", [" -5 "]),
    ("E_RANGE", "cost_usd", ["-0.000000001", "-1e-30", "NaN", "nan", "-NAN", "inf", "Infinity", "-inf", " +Inf "]),
    ("E_RANGE", "cost_usd", ["999999999.000000001", "1e9", "1e999", "9" * 5000]),
    ("E_TYPE", "latency_ms", ["fast", "1.5", "-", "1e3"]),
    ("E_RANGE", "latency_ms", ["-1"]),
    ("E_TYPE", "cache_read_tokens", ["some"]),
    ("E_RANGE", "cache_read_tokens", ["11", "-1"]),
    ("E_RANGE", "cache_write_tokens", ["11"]),
    ("E_RANGE", "reasoning_tokens", ["6", "-1"]),
    ("E_TYPE", "tags", ["team-a", "[1]", "{", quoted('{"a":NaN}'), quoted('"text"'), "{}}"]),
    ("E_QUOTE", "model", ['gpt"5', '"gpt-5', '"gpt"-5', ' "gpt-5"']),
    ("E_COLS", "model", ["gpt,5"]),
    ("E_NUL", "model", ["gpt\x005"]),
    ("E_TOO_LONG", "model", ["m" * 65_536]),
]


@pytest.mark.parametrize(
    ("code", "name", "cell"), [(code, name, cell) for code, name, cells in BAD_CELLS for cell in cells]
)
def test_a_bad_cell_quarantines_its_line_and_no_other(log, code, name, cell):
    result = read(log, HEADER, line(call_id="before"), line(**{name: cell}), line(call_id="after"))
    assert codes(result) == [code]
    assert result.quarantine[0]["line"] == 3
    assert result.quarantine[0]["offset"] == len(HEADER + line(call_id="before"))
    assert result.counts.accepted == 2
    assert result.counts.reasons == {code: 1}


GOOD_CELLS = [
    ("timestamp", "2026-01-05T08:00:00Z", "2026-01-05 08:00:00"),
    ("timestamp", "2026-01-05 08:00:00.123456+00:00", "2026-01-05 08:00:00.123456"),
    ("timestamp", "2026-01-05T08:00:00.123456789Z", "2026-01-05 08:00:00.123456"),
    ("timestamp", "2026-01-05T01:00:00-07:00", "2026-01-05 08:00:00"),
    ("timestamp", "2000-01-01T00:00:00Z", "2000-01-01 00:00:00"),
    ("timestamp", "2099-12-31T23:59:59.999999Z", "2099-12-31 23:59:59.999999"),
    ("input_tokens", " +007 ", "7"),
    ("output_tokens", "9007199254740992", "9007199254740992"),
    ("output_tokens", "-0", "0"),
    ("cost_usd", " +1.5 ", "1.500000000"),
    ("cost_usd", "1E-6", "0.000001000"),
    ("cost_usd", "1.5e+2", "150.000000000"),
    ("cost_usd", "-0.0", "0.000000000"),
    ("cost_usd", "999999999", "999999999.000000000"),
    ("latency_ms", "", "None"),
    ("latency_ms", "0", "0"),
    ("cache_read_tokens", "10", "10"),
    ("cache_read_tokens", "", "0"),
    ("reasoning_tokens", "5", "5"),
    ("subscription_tier", "NA", "NA"),
    ("organization_id", "null", "null"),
    ("product_id", "007", "007"),
    ("feature_id", "1e5", "1e5"),
    ("task_type", "", "None"),
    ("environment", '""', "None"),
    ("user_agent", quoted('say "hi", 日本'), 'say "hi", 日本'),
    ("region", " eu ", " eu "),
    ("status", "", "success"),
    ("status", "timeout", "timeout"),
    ("tags", quoted('{"a": {"b": [1.5e3, null]}}'), '{"a": {"b": [1.5e3, null]}}'),
]


@pytest.mark.parametrize(("name", "cell", "value"), GOOD_CELLS)
def test_a_good_cell_is_read_as_its_value(log, name, cell, value):
    result = read(log, HEADER, line(**{name: cell}))
    assert codes(result) == []
    ledger = Ledger(log)
    found = ledger.calls().rows(f"SELECT {name} AS value FROM history")[0]["value"]
    assert (f"{found:f}" if isinstance(found, Decimal) else str(found)) == value


def test_a_time_without_a_zone_is_utc_and_counted(log):
    result = read(log, HEADER, line(timestamp="2026-01-05T08:00:00"), line(call_id="c2"))
    assert (result.counts.accepted, result.counts.naive_timestamps) == (2, 1)


def test_a_cost_of_more_than_nine_digits_is_rounded_half_even_and_counted(log):
    """0.5 nano goes to 0, 1.5 to 2, 2.5 to 2, a hair above 0.5 to 1: in all 5; exactly nine digits are not rounding."""
    costs = ["0.0000000005", "0.0000000015", "2.5e-9", "0.00000000050000000000000000000001", "0.0000000000"]
    result = read(log, HEADER, *(line(call_id=f"c{i}", cost_usd=cost) for i, cost in enumerate(costs)))
    assert result.cost_usd == Decimal("0.000000005")
    assert result.counts.rounded_costs == 4


def test_the_first_check_that_fails_gives_the_code(log):
    def bad(**cells: str) -> bytes:
        return line(**cells)

    everything = {"timestamp": "x", "model": "", "input_tokens": "x", "cost_usd": "-1", "latency_ms": "x", "tags": "x"}
    lines = []
    expected = []
    for name, code in (
        ("timestamp", "E_TS"),
        ("model", "E_REQUIRED"),
        ("input_tokens", "E_TYPE"),
        ("cost_usd", "E_RANGE"),
        ("latency_ms", "E_TYPE"),
    ):
        lines.append(bad(**everything))
        expected.append(code)
        del everything[name]
    with_fields_too_many = line(timestamp="x")[:-1] + b",\n"
    with_quote_too = with_fields_too_many[:-1] + b'"\n'
    with_utf8_too = with_quote_too[:-1] + b"\xff\n"
    with_nul_too = with_utf8_too[:-1] + b"\0\n"
    too_long_too = with_nul_too[:-1] + b"x" * 70_000 + b"\n"
    lines += [with_fields_too_many, with_quote_too, with_utf8_too, with_nul_too, too_long_too]
    expected += ["E_COLS", "E_QUOTE", "E_UTF8", "E_NUL", "E_TOO_LONG"]
    assert codes(read(log, HEADER, *lines)) == expected


def test_a_newline_inside_quotes_makes_two_bad_lines_and_an_open_quote_swallows_nothing(log):
    result = read(log, HEADER, line(user_agent='"two\nlines"'), line(call_id="c2", model='"open'), line(call_id="c3"))
    assert codes(result) == ["E_QUOTE", "E_QUOTE", "E_QUOTE"]
    assert result.counts.accepted == 1


def test_bom_crlf_mixed_line_ends_and_blank_lines_are_read(log):
    crlf = line(call_id="c2")[:-1] + b"\r\n"
    result = read(
        log, b"\xef\xbb\xbf", HEADER[:-1] + b"\r\n", line(), b"\n", crlf, b"\r\n", b"  \n", line(call_id="c3")
    )
    assert codes(result) == []
    assert (result.counts.accepted, result.counts.blank, result.counts.lines) == (3, 3, 7)


def test_a_carriage_return_inside_a_line_ends_nothing(log):
    result = read(log, HEADER, line(user_agent="a\rb"), line(call_id="c2")[:-1] + b"\r" + line(call_id="c3"))
    assert codes(result) == ["E_COLS"]
    assert Ledger(log).calls().rows("SELECT user_agent FROM calls") == [{"user_agent": "a\rb"}]


@pytest.mark.parametrize("tail", [line(call_id="c2")[:-1], b"torn", b"\0" * 5000, b" ", b"\r", b'"', b"x" * 100_000])
def test_the_last_line_is_pending_until_its_newline_comes(log, tail):
    result = read(log, HEADER, line(), tail)
    assert (result.counts.accepted, result.counts.pending, result.counts.lines) == (1, 1, 3)
    assert read(log, HEADER, line(), tail + b"\n").counts.pending == 0


def test_the_header_again_is_counted_and_maps_the_columns_from_there_on(log):
    reverse = tuple(reversed(NAMES))
    result = read(
        log,
        HEADER,
        line(),
        HEADER,
        line(call_id="c2", model="m2"),
        b"\xef\xbb\xbf" + ",".join(f'"{name}"' for name in reverse).encode() + b"\r\n",
        ",".join({**GOOD, "call_id": "c3", "model": "m3"}[name] for name in reverse).encode() + b"\n",
        ",".join([*REQUIRED, "theirs"]).encode() + b"\n",
        ",".join([*({**GOOD, "call_id": "c4", "model": "m4"}[name] for name in REQUIRED), "x"]).encode() + b"\n",
    )
    assert codes(result) == []
    assert (result.counts.header, result.counts.repeated_headers, result.counts.accepted) == (1, 3, 4)
    assert result.counts.unknown_columns == ("theirs",)
    models = Ledger(log).calls().rows("SELECT call_id, model FROM calls ORDER BY call_id")
    assert [row["model"] for row in models] == ["gpt-5", "m2", "m3", "m4"]


def test_unknown_columns_are_kept_out_and_named(log):
    names = [*NAMES[:5], "team", *NAMES[5:], "", "cost_center"]
    cells = [*list(GOOD.values())[:5], "blue", *list(GOOD.values())[5:], "", "17"]
    result = read(log, ",".join(names).encode() + b"\n", ",".join(cells).encode() + b"\n")
    assert result.counts.accepted == 1
    assert result.counts.unknown_columns == ("team", "cost_center")


def test_optional_columns_may_be_absent(log):
    result = read(log, ",".join(REQUIRED).encode() + b"\n", ",".join(GOOD[name] for name in REQUIRED).encode() + b"\n")
    assert result.counts.accepted == 1
    (row,) = Ledger(log).calls().rows("SELECT status, latency_ms, cache_read_tokens, tags FROM calls")
    assert row == {"status": "success", "latency_ms": None, "cache_read_tokens": 0, "tags": None}


def test_a_call_id_seen_before_is_a_duplicate_by_typed_values(log):
    """The same call in another spelling is the same; one other value is a conflict; the first one counts."""
    result = read(
        log,
        HEADER,
        line(cost_usd="0.5", status="success"),
        line(cost_usd="+5E-1", status="", timestamp="2026-01-05T09:00:00.123+01:00", cache_read_tokens="0"),
        line(cost_usd="0.6", latency_ms="7"),
        line(cost_usd="-1"),
        line(call_id="c2", cost_usd="-1"),
        line(call_id="c2", cost_usd="0.25"),
    )
    assert codes(result) == ["E_DUP_ID", "E_DUP_CONFLICT", "E_RANGE", "E_RANGE"]
    assert "cost_usd, latency_ms" in result.quarantine[1]["reason"]
    assert result.cost_usd == Decimal("0.75")


def test_a_duplicate_is_found_under_another_header(log):
    names = tuple(reversed(NAMES))
    again = ",".join(GOOD[name] for name in names).encode() + b"\n"
    result = read(log, HEADER, line(), ",".join(names).encode() + b"\n", again)
    assert codes(result) == ["E_DUP_ID"]


def test_header_only_is_zero_calls(log):
    result = read(log, HEADER)
    assert result.document()["refused"] is None
    assert (result.counts.lines, result.counts.header, result.counts.accepted) == (1, 1, 0)


@pytest.mark.parametrize(
    "beginning",
    [b"t", HEADER[:100], HEADER[:-1], HEADER[:-1] + b"\r", b"\xef", b"\xef\xbb\xbft", b"\n\r\n" + HEADER[:9]],
)
def test_a_header_without_its_newline_is_still_being_written(log, beginning):
    counts = read(log, beginning).counts
    assert (counts.header, counts.pending, counts.blank) == (0, 1, beginning.count(b"\n"))
    assert counts.lines == counts.pending + counts.blank


def semicolons(data: bytes) -> bytes:
    return data.replace(b",", b";")


REFUSED = [
    ("F_EMPTY", b""),
    ("F_EMPTY", b"\xef\xbb\xbf"),
    ("F_EMPTY", b"\n\r\n  \n"),
    ("F_ENCODING", (HEADER + line()).decode().encode("utf-16")),
    ("F_ENCODING", (HEADER + line()).decode().encode("utf-16-le")),
    ("F_ENCODING", (HEADER + line()).decode().encode("utf-16-be")),
    ("F_ENCODING", (HEADER + line()).decode().encode("utf-32")),
    ("F_ENCODING", bytes.fromhex("ffd8ffe000104a46494600010100004800480000ffe1")),
    ("F_ENCODING", bytes.fromhex("89504e470d0a1a0a0000000d49484452")),
    ("F_ENCODING", HEADER[:-1] + ",größe".encode("latin-1") + b"\n"),
    ("F_ENCODING", bytes(200_000)),
    ("F_EOL", (HEADER + line()).replace(b"\n", b"\r")),
    ("F_EOL", HEADER[:-1] + b"\r" + b"x" * 200_000),
    ("F_DELIMITER", semicolons(HEADER + line())),
    ("F_DELIMITER", (HEADER + line()).replace(b",", b"\t")),
    ("F_DELIMITER", (HEADER + line()).replace(b",", b"|")),
    ("F_DELIMITER", (HEADER + line()).replace(b",", b" ")),
    ("F_HEADER", line()),
    ("F_HEADER", b"# exported on Monday\n" + HEADER + line()),
    ("F_HEADER", HEADER.upper() + line()),
    ("F_HEADER", b"Timestamp,Call ID,Provider,Model\n"),
    ("F_HEADER", b'{"calls": []}\n'),
    ("F_HEADER", b"x" * 200_000 + b"\n" + HEADER),
    ("F_HEADER", HEADER.replace(b"tags", b"t" * 66_000)),
    ("F_DUPLICATE_COLUMN:model", HEADER[:-1] + b",model\n"),
    ("F_DUPLICATE_COLUMN:team", b"team,team," + HEADER),
    ("F_MISSING_COLUMN:timestamp", HEADER.replace(b"timestamp", b"time")),
    ("F_MISSING_COLUMN:provider", b"timestamp,call_id\n"),
    ("F_MISSING_COLUMN:customer_id", HEADER.replace(b"customer_id", b" customer_id")),
]


@pytest.mark.parametrize(("code", "data"), REFUSED)
def test_a_file_that_is_not_a_call_log_is_refused(log, code, data):
    result = read(log, data)
    assert result.refused is not None
    assert result.refused.code == code
    assert result.refused.exit_code == 4
    assert str(log) in result.refused.message
    assert result.refused.hint
    document = result.document()
    assert document["refused"]["code"] == code
    assert (document["lines"], document["accepted"], document["cost_usd"]) == (0, 0, "0.000000000")


def test_quotes_in_the_header_do_not_matter(log):
    header = ",".join(f'"{name}"' for name in NAMES).encode() + b"\n"
    assert read(log, header, line()).counts.accepted == 1
    assert read(log, b'"timestamp' + HEADER[9:], line()).counts.accepted == 1


@pytest.mark.parametrize("reader", [check, lambda path: Ledger(path).ingest()])
def test_what_the_system_refuses_is_said_in_one_message(tmp_path, reader):
    with pytest.raises(FinopsError, match="No such file"):
        reader(tmp_path / "missing.csv")
    with pytest.raises(FinopsError, match="Is a directory") as refused:
        reader(tmp_path)
    assert refused.value.exit_code == 1
    assert list(tmp_path.iterdir()) == []


def test_a_file_without_permission_is_said_to_be_so(tmp_path, monkeypatch):
    def deny(path, flags):
        raise PermissionError(13, os.strerror(13))

    log = tmp_path / "log.csv"
    log.write_bytes(HEADER)
    monkeypatch.setattr(os, "open", deny)
    with pytest.raises(FinopsError, match="Permission denied"):
        check(log)


def test_a_device_and_a_pipe_are_empty_and_do_not_block(tmp_path):
    (tmp_path / "null").symlink_to("/dev/null")
    os.mkfifo(tmp_path / "pipe")
    for name in ("null", "pipe"):
        refused = check(tmp_path / name).refused
        assert refused is not None
        assert refused.code == "F_EMPTY"


def test_what_is_shown_of_a_quarantined_line_is_short_and_fit_to_print(log):
    result = read(log, HEADER, b"\x1b[31m\xff" + b"x" * 1000 + b"\n")
    text = result.quarantine[0]["text"]
    assert text.startswith("\\x1b[31m\\xffxxx")
    assert text.endswith("...")
    assert len(text) == 203
