"""A coverage-guided search for bytes that the reader does not count, or that its two paths read differently.

    make fuzz

Not collected by pytest: atheris is installed for the search only. It ends with the input that broke a law, if there
is one.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["finops_core.calllog", "finops_core.ledger"]):
    from finops_core import calllog
    from finops_core.call import NAMES
    from finops_core.ledger.checking import check
    from finops_core.ledger.header import Header
    from finops_core.ledger.reading import read_block
    from finops_core.ledger.strict import Bad, Call, read_line

LOG = Path(tempfile.mkdtemp(prefix="finops-fuzz-")) / "log.csv"
OURS = Header(NAMES)
GOOD = b"2026-01-05T08:00:00Z,id,openai,gpt-5,10,2,0.100000000,7,c1,,,,,,,,,,ua,1,1,1,,success,base,{}\n"


def any_bytes_are_counted_or_refused(data: bytes) -> None:
    """The law, for a file of these bytes."""
    LOG.write_bytes(data)
    result = check(LOG)
    assert result.counts.add_up()
    if result.refused is None:
        assert result.counts.lines == data.count(b"\n") + (not data.endswith(b"\n"))


def both_paths_agree(data: bytes) -> None:
    """The fast reader and the strict one, for lines of these bytes."""
    rows = read_block(data, OURS)
    bad = dict(rows.bad)
    good = dict(zip(rows.index.tolist(), rows.table.to_pylist(), strict=True))
    for index, line in enumerate(data.split(b"\n")[:-1]):
        strictly = read_line(line, OURS)
        if isinstance(strictly, Call):
            assert tuple(good.pop(index).values()) == strictly.values
        elif isinstance(strictly, Bad):
            assert bad.pop(index) == strictly
    assert not good
    assert not bad


def test_one_input(data: bytes) -> None:
    """What atheris calls; the first byte chooses the law."""
    kind, rest = data[:1], data[1:]
    if kind < b"\x40":
        any_bytes_are_counted_or_refused(rest)
    elif kind < b"\x80":
        any_bytes_are_counted_or_refused(calllog.header_line() + rest)
    else:
        both_paths_agree(GOOD + rest + b"\n" + GOOD)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="finops-corpus-") as corpus:
        for n, seed in enumerate((b"\0" + calllog.header_line(), b"\x50" + GOOD + GOOD, b"\xff" + GOOD[:-1])):
            (Path(corpus) / str(n)).write_bytes(seed)
        atheris.Setup([*sys.argv, corpus], test_one_input)
        atheris.Fuzz()
