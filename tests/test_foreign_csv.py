"""Reading somebody else's CSV: whatever the bytes, each record is either read right or set aside with its line."""

import csv
import io
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from finops_core import foreign_csv
from finops_core.errors import FinopsError, InputRefusedError, UsageError
from finops_core.foreign_csv import ForeignCsv


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("foreign") / "calls.csv"


def read(file: Path, data: bytes, **options: object):
    """Header, rows, the line of each row, and (line, code) of each bad record."""
    file.write_bytes(data)
    source = ForeignCsv(file, **options)
    rows, lines, bad = [], [], []
    for block in source.blocks(source.columns):
        rows += zip(*(column.to_pylist() for column in block.texts.columns), strict=True)
        lines += block.lines.tolist()
        bad += [(row.line, row.code) for row in block.bad]
    return source.columns, rows, lines, bad


def test_the_last_line_counts_without_a_line_end(file: Path):
    assert read(file, b"a,b\r\n1,2\r\n3,4") == (("a", "b"), [("1", "2"), ("3", "4")], [2, 3], [])


def test_a_bom_blank_lines_and_spaces_around_names_are_read_over(file: Path):
    data = b"\xef\xbb\xbf\n a , b\n\n1,2\n\r\n3,4\n"
    assert read(file, data) == (("a", "b"), [("1", "2"), ("3", "4")], [4, 6], [])


def test_a_quoted_field_may_hold_newlines_delimiters_and_quotes(file: Path):
    data = b'a,b\n1,"x\n""y"", z\r\n"\n2,"w"\n'
    assert read(file, data) == (("a", "b"), [("1", 'x\n"y", z\r\n'), ("2", "w")], [2, 5], [])


@pytest.mark.parametrize(
    ("line", "code"),
    [
        (b"1", "E_COLS"),
        (b"1,2,3", "E_COLS"),
        (b'"1,2",', "read"),
        (b'"1,2"', "E_COLS"),
        (b'1"x,2', "E_QUOTE"),
        (b'"1"x,2', "E_QUOTE"),
        (b'"1,2', "E_QUOTE"),
        (b"1,\x00", "E_NUL"),
        (b"1,\xff", "E_UTF8"),
        (b"1,\x00\xff,3", "E_NUL"),
        (b"1\r,2", "E_CR"),
    ],
)
def test_a_broken_record_is_set_aside_with_its_line_and_its_neighbours_are_read(file: Path, line: bytes, code: str):
    _, rows, lines, bad = read(file, b"a,b\nbefore,1\n" + line + b"\nafter,2\n")
    if code == "read":
        assert (rows[1], bad) == (("1,2", ""), [])
    else:
        assert (rows, lines, bad) == ([("before", "1"), ("after", "2")], [2, 4], [(3, code)])


def test_an_open_quote_swallows_nothing_up_to_the_next_one_or_to_the_end(file: Path):
    data = b'a,b\n1,"open\n2,x\n3,y"z\n4,w\n5,"open again\n6,v\n'
    _, rows, lines, bad = read(file, data)
    assert rows == [("2", "x"), ("4", "w"), ("6", "v")]
    assert lines == [3, 5, 7]
    assert bad == [(2, "E_QUOTE"), (4, "E_QUOTE"), (6, "E_QUOTE")]


def test_an_open_quote_ends_after_a_mebibyte_even_in_a_file_of_many_blocks(file: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(foreign_csv, "BLOCK_BYTES", 1000)
    monkeypatch.setattr(foreign_csv, "MAX_RECORD_BYTES", 3000)
    rows = [b"%d,x\n" % i for i in range(5000)]
    rows[700] = b'700,"open\n'
    _, read_rows, lines, bad = read(file, b"a,b\n" + b"".join(rows))
    assert len(read_rows) == 4999
    assert bad == [(702, "E_QUOTE")]
    assert lines == [n for n in range(2, 5002) if n != 702]


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_delimiter_is_found_in_the_header(file: Path, delimiter: str):
    data = delimiter.join("abc") + "\n" + delimiter.join(["1", '"2' + delimiter + '"', ""]) + "\n"
    assert read(file, data.encode())[:2] == (("a", "b", "c"), [("1", "2" + delimiter, "")])


def test_names_that_one_hopes_for_outweigh_the_number_of_fields(file: Path):
    data = b"time|tokens (in, cached, total)\n1|2\n"
    assert read(file, data)[0] == ("time|tokens (in", "cached", "total)")
    assert read(file, data, wanted={"time"})[0] == ("time", "tokens (in, cached, total)")
    assert read(file, data, delimiter="bar")[0] == ("time", "tokens (in, cached, total)")


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "F_EMPTY"),
        (b"\n\r\n", "F_EMPTY"),
        ("a,b\n1,2\n".encode("utf-16"), "F_ENCODING"),
        ("a,b\n1,2\n".encode("utf-16-le"), "F_ENCODING"),
        (b"\xff\xd8\xff\xe0\x00\x10JFIF", "F_ENCODING"),
        ("größe,b\n".encode("latin-1"), "F_ENCODING"),
        (b"a,b\r1,2\r", "F_EOL"),
    ],
)
def test_what_is_no_csv_is_refused(file: Path, data: bytes, code: str):
    with pytest.raises(InputRefusedError) as error:
        read(file, data)
    assert error.value.code == code
    assert error.value.hint


def test_what_cannot_be_read_has_a_message(tmp_path: Path):
    with pytest.raises(FinopsError, match="No such file"):
        ForeignCsv(tmp_path / "absent.csv")
    with pytest.raises(FinopsError, match="not a regular file"):
        ForeignCsv(tmp_path)
    with pytest.raises(FinopsError, match="not a regular file"):
        ForeignCsv(Path("/dev/null"))


def test_an_unknown_delimiter_is_refused(file: Path):
    with pytest.raises(UsageError, match="delimiter 'x'"):
        read(file, b"a\n", delimiter="x")


def test_a_file_that_changes_while_it_is_read_is_not_imported(file: Path):
    file.write_bytes(b"a,b\n1,2\n")
    source = ForeignCsv(file)
    file.write_bytes(b"a,b\n1,2\n3,4\n")
    with pytest.raises(FinopsError, match="changed while it was read"):
        list(source.blocks(source.columns))


FIELDS = st.text(st.sampled_from('ab1é ",;\n\r\t'), max_size=6)


@given(
    rows=st.lists(st.tuples(FIELDS, FIELDS, FIELDS), max_size=8),
    end=st.sampled_from(["\n", "\r\n"]),
    delimiter=st.sampled_from(",;\t|"),
    quoting=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
    size=st.sampled_from([1, 7, 64, 8 << 20]),
)
def test_what_a_csv_writer_wrote_is_read_back_in_blocks_of_any_size(file: Path, rows, end, delimiter, quoting, size):
    if quoting == csv.QUOTE_MINIMAL:  # Python leaves a lone carriage return without quotes, which is a line end to most
        rows = [tuple(field.replace("\r", "") for field in row) for row in rows]
    text = io.StringIO()
    writer = csv.writer(text, delimiter=delimiter, lineterminator=end, quoting=quoting)
    writer.writerow("xyz")
    writer.writerows(rows)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(foreign_csv, "BLOCK_BYTES", size)
        assert read(file, text.getvalue().encode())[1::2] == (rows, [])


@given(st.binary(max_size=60) | st.text('ab,"\n\r', max_size=40).map(str.encode), st.sampled_from([5, 8 << 20]))
def test_any_bytes_are_read_or_set_aside_and_every_line_is_accounted_for(file: Path, data: bytes, size: int):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(foreign_csv, "BLOCK_BYTES", size)
        _, rows, lines, bad = read(file, b"a,b\n" + data)
    assert len(rows) == len(lines)
    begins = sorted([*lines, *(line for line, _ in bad)])
    assert len(set(begins)) == len(begins)
    spanned = sum(field.count("\n") for row in rows for field in row)
    blank = sum(line in (b"", b"\r") for line in data.split(b"\n"))
    ended = data.count(b"\n") + (not data.endswith(b"\n")) - (not data)
    # Every line holds the begin of a record, goes on with a quoted field, or is blank (some of those are quoted).
    assert ended - blank <= len(begins) + spanned <= ended
