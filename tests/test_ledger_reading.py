"""The fast reader says exactly what the strict one says, line by line."""

from __future__ import annotations

import string

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from finops_core import calllog
from finops_core.call import BY_NAME, COLUMNS, NAMES
from finops_core.ledger import strict
from finops_core.ledger.header import Header
from finops_core.ledger.reading import read_block

OURS = Header(NAMES)

TIMES = [
    *("2026-01-05T08:00:00.123Z", "2026-01-05T08:00:00.123456Z", "2026-01-05 08:00:00", "2026-01-05T08:00:00Z"),
    *("2026-01-05T08:00:00+05:30", "2026-01-05T08:00:00.5-0800", "2026-01-05T08:00:00.123456789Z", "2026-01-05T08:00Z"),
    *("2024-02-29T00:00:00Z", "2025-02-29T00:00:00Z", "2026-02-30T00:00:00Z", "2026-04-31T00:00:00Z"),
    *("2026-01-05T24:00:00Z", "2026-01-05T23:59:60Z", "1999-12-31T23:59:59Z", "2100-01-01T00:00:00Z"),
    *("1999-12-31T23:30:00-01:00", "2000-01-01T00:30:00+01:00", "2099-12-31T23:59:59.999999Z", "20260105T080000Z"),
    *("2026-01-05", "yesterday", "1767600000", "2026-1-5T8:00:00Z", "2026-01-05T08:00:00 Z", " 2026-01-05T08:00:00Z"),
    *("2026-01-05t08:00:00z", "2026-01-05T08:00:00,5Z", "2026-01-05T08:00:00.Z", "2026-01-05T08:00:00+24:00"),
    *("２026-01-05T08:00:00Z", "2026-13-05T08:00:00Z", "2026-00-05T08:00:00Z", "2026-01-05T08:00:00.1234567", ""),
]
COUNTS = [
    *("0", "1", "42", "007", "+5", " 5 ", "-0", "-1", "9007199254740992", "9007199254740993", "999999999999999", ""),
    *("1e3", "1.0", "0x10", "1_000", "1,2", "٣", "NaN", "True", "+", "+-1", "5 5", " ", "9" * 400, "0" * 400 + "1"),
]
COSTS = [
    *("0", "0.000000001", "12.5", "+1.5", " 1.5 ", "-0.0", "-0.0000000001", "0.0000000005", "0.0000000015", "1e-5"),
    *("1.5E-05", "1e8", "9.99999999e8", "1e9", "999999999", "999999999.0000000001", "999999999.5", "1e400", "1e-400"),
    *(
        "NaN",
        "nan",
        "inf",
        "-Infinity",
        "+INF",
        "$1",
        "1,2",
        "1_000",
        "0x10",
        ".5",
        "5.",
        "True",
        "",
        "1e",
        "e5",
        "٣.٤",
    ),
    *("0e99999999999999999999", "1e99999999999999999999", "1e-99999999999999999999", "0." + "1" * 100, "1" * 30),
    *(
        "12345678.123456789012345678901234567890",
        "0.00000000050000000000000000000000000001",
        "5E-10",
        "1.5e-9",
        "2.5e-9",
    ),
]
TAGS = [
    "",
    "{}",
    '{"a":"b"}',
    '{"a": 1, "b": [1, {"c": null}]}',
    "[]",
    "{",
    "NA",
    '{"a":NaN}',
    '{"a":"\\u00e9"}',
    "{} ",
]
TEXTS = [
    *(
        "",
        "a",
        "NA",
        "null",
        "007",
        "1e5",
        "é",
        "日本",
        'say "hi"',
        "a,b",
        " ",
        "'",
        "\ufeff",
        "a\rb",
        "-",
        "#",
        "\x00",
        "\x1f",
    ),
    *("\u2028", "\x85", "None"),
]
BY_KIND = {"time": TIMES, "count": COUNTS, "money": COSTS, "text": TEXTS}

good = {
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


def encode(cell: str, always: bool) -> str:
    if always or any(c in cell for c in ',"\r\n'):
        return '"' + cell.replace('"', '""') + '"'
    return cell


def cells_for(name: str) -> st.SearchStrategy[str]:
    listed = TAGS if name == "tags" else BY_KIND[BY_NAME[name].kind]
    alphabet = "0123456789eE+-., :TZ" if BY_NAME[name].kind != "text" else string.printable + "é日\ufeff"
    return st.sampled_from(listed) | st.text(alphabet, max_size=12)


@st.composite
def lines(draw) -> bytes:
    """A good line with a few other cells, now and then damaged."""
    cells = dict(good)
    for name in draw(st.lists(st.sampled_from(NAMES), max_size=3)):
        cells[name] = draw(cells_for(name))
    quoted = draw(st.booleans())
    line = ",".join(encode(cells[name], quoted) for name in NAMES).replace("\n", " ").encode()
    for _ in range(draw(st.sampled_from([0, 0, 0, 1, 2]))):
        at = draw(st.integers(0, len(line)))
        junk = draw(
            st.sampled_from([b'"', b",", b"\0", b"\xff", b"\r", b"\xef\xbb\xbf", b" ", b"\xc3", b'""', b"x" * 70_000])
        )
        line = line[:at] + junk + line[at + draw(st.integers(0, 2)) :]
    return line + draw(st.sampled_from([b"", b"", b"", b"\r", b"\r\r"]))


def by_line(data: bytes, header: Header):
    """What the fast reader says about each line, in the strict reader's words."""
    rows = read_block(data, header)
    said: list[object] = [None] * data.count(b"\n")
    for index, bad in rows.bad:
        said[index] = bad
    for index, call, naive, rounded in zip(rows.index, rows.table.to_pylist(), rows.naive, rows.rounded, strict=True):
        said[index] = strict.Call(tuple(call.values()), bool(naive), bool(rounded))
    assert said.count(None) == rows.blank
    return said


def line_by_line(data: bytes, header: Header):
    return [strict.read_line(line, header) for line in data.split(b"\n")[:-1]]


@given(
    st.lists(
        st.one_of(lines(), lines(), lines(), st.binary(max_size=20), st.just(b""), st.just(b" \r")),
        min_size=1,
        max_size=12,
    )
)
@example([b"\xef\xbb\xbf" + ",".join(good.values()).encode()])
@settings(deadline=None)
@example([b"", ",".join(good.values()).encode()])
def test_the_fast_reader_and_the_strict_one_agree_on_every_line(parts):
    data = b"".join(part.replace(b"\n", b"") + b"\n" for part in parts)
    assert by_line(data, OURS) == line_by_line(data, OURS)


@pytest.mark.parametrize("quoted", [False, True])
@pytest.mark.parametrize("name", NAMES)
def test_the_readers_agree_on_every_awkward_cell_of_every_column(name, quoted):
    listed = [*(TAGS if name == "tags" else BY_KIND[BY_NAME[name].kind]), *COUNTS]
    data = "".join(
        ",".join(encode(cell, quoted) for cell in {**good, name: cell}.values()) + "\n" for cell in listed
    ).encode()
    assert by_line(data, OURS) == line_by_line(data, OURS)


@given(st.permutations(NAMES), st.integers(8, len(NAMES)), st.data())
@settings(max_examples=50, deadline=None)
def test_columns_are_found_by_name_in_any_order_among_unknown_ones(order, kept, data):
    required = [column.name for column in COLUMNS if column.required]
    names = [*required, *[name for name in order if name not in required]][:kept]
    names = sorted([*names, "theirs", ""], key=lambda name: order.index(name) if name in order else len(name) * 3)
    cells = {**good, "theirs": "whatever", "": "x"}
    for name in data.draw(st.lists(st.sampled_from(names), max_size=3)):
        if name in BY_NAME:
            cells[name] = data.draw(cells_for(name))
    block = ",".join(encode(cells[name], False) for name in names).replace("\n", " ").encode() + b"\n"
    header = Header(tuple(names))
    assert by_line(block, header) == line_by_line(block, header)


def test_only_what_is_not_surely_good_is_read_line_by_line(monkeypatch):
    """The speed rests on this: clean lines in the usual forms never reach the strict reader."""
    forms = [
        *TIMES[:7],
        *("1.5e-05", "0.123456789012345678", "12", "0.000000001"),
    ]
    asked = []
    monkeypatch.setattr(strict, "read_line", lambda line, header: asked.append(line))
    usual = [
        {**good, "timestamp" if ":" in form else "cost_usd": form, "tags": '{"team":"a"}', "user_agent": "a, b"}
        for form in forms
    ]
    data = "".join(",".join(encode(cell, False) for cell in cells.values()) + "\r\n" for cells in usual).encode()
    assert len(read_block(data, OURS).index) == len(forms)
    assert asked == []


def test_a_line_longer_than_64_kib_is_too_long_and_one_of_64_kib_is_not():
    room = calllog.MAX_LINE - len(",".join(good.values()))
    at_most = ",".join({**good, "user_agent": "x" * room}.values()).encode()
    assert len(at_most) == calllog.MAX_LINE
    for end in (b"\n", b"\r\n"):
        first, second = by_line(at_most + end + b"x" + at_most + end, OURS)
        assert isinstance(first, strict.Call)
        assert second.code == "E_TOO_LONG"
