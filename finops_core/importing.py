"""Somebody else's calls into the log: columns mapped or filled, ids made, cost priced, values held to the log's rules.

The whole file is read and checked before anything is appended: first into a file beside the log, then, under the
log's lock, all of it or nothing.
"""

from __future__ import annotations

import mmap
import shlex
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from decimal import Decimal
from difflib import get_close_matches
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from finops_core import calllog
from finops_core.call import BY_NAME, NAMES, REQUIRED, SCHEMA
from finops_core.catalog import UNBILLED_STATUS, Catalog, UncountableCostError
from finops_core.encoding import csv_lines, encode, money_array
from finops_core.errors import FinopsError, InputRefusedError, UsageError, nearest
from finops_core.foreign_csv import BadRow, Block, ForeignCsv
from finops_core.ledger.header import Header
from finops_core.ledger.reading import read_block
from finops_core.ledger.strict import MAX_COST
from finops_core.money import NANOS_PER_USD

Int64s = npt.NDArray[np.int64]

MADE = ("call_id", "cost_usd")
"""Required columns that an import can make by itself."""

MADE_ID_PREFIX = "imp_"
MAX_NANOS = int(MAX_COST) * NANOS_PER_USD
KEPT_EXAMPLES = 20

Progress = Callable[[int, int], None]
"""Gets the bytes read so far and the bytes of the file."""


@dataclass
class ImportResult:
    """What an import read and wrote.

    Attributes:
        rows: Records of the file, blank lines and the header apart: imported + quarantined.
        imported: Calls appended to the log.
        reasons: How many records were set aside under each code.
        examples: The first of them.
        unused: The file's columns that went nowhere.
        naive_timestamps: Imported calls whose time had no zone and was read as UTC.
        rounded_costs: Imported calls whose cost had more than nine fractional digits.
        priced: Imported calls whose cost was computed from the catalogue at the call's date.
        cost_usd: What the imported calls cost.
        tokens: Input and output tokens of the imported calls.
    """

    rows: int = 0
    imported: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    examples: list[BadRow] = field(default_factory=list)
    unused: tuple[str, ...] = ()
    naive_timestamps: int = 0
    rounded_costs: int = 0
    priced: int = 0
    cost_usd: Decimal = Decimal(0)
    tokens: int = 0

    @property
    def quarantined(self) -> int:
        """How many records were set aside."""
        return self.reasons.total()

    def document(self) -> dict[str, Any]:
        """The result for ``--json``; the cost is decimal text."""
        return {
            "rows": self.rows,
            "imported": self.imported,
            "quarantined": self.quarantined,
            "reasons": dict(sorted(self.reasons.items())),
            "quarantine": [asdict(row) for row in self.examples],
            "unused_columns": list(self.unused),
            "naive_timestamps": self.naive_timestamps,
            "rounded_costs": self.rounded_costs,
            "priced": self.priced,
            "cost_usd": str(self.cost_usd),
            "tokens": self.tokens,
        }


def import_file(
    source: Path,
    log: Path,
    *,
    mapping: Mapping[str, str],
    fill: Mapping[str, str],
    catalog: Catalog,
    source_name: str = "import",
    delimiter: str | None = None,
    progress: Progress | None = None,
) -> ImportResult:
    """Append the calls of a foreign CSV file to a call log.

    A column of ours is taken from the file's column that ``mapping`` names, else it has the value that ``fill``
    gives, else it comes from the file's column of the same name. Without a ``call_id`` each call gets one from
    the file's content and its line, so that the same file is recognised; without a ``cost_usd`` the catalogue
    prices each call at its date. A file that has grown is another file: import what is new in one of its own.

    Args:
        source: A finished file; its last line counts even without a line end.
        log: The call log; made if there is none.
        mapping: Our column to theirs.
        fill: Our column to the one value that every call has.
        catalog: Models and prices.
        source_name: The ``source`` of calls that do not bring one.
        delimiter: ``comma``, ``semicolon``, ``tab`` or ``bar``; ``None`` finds it in the header.
        progress: Told how far the file has been read.

    Raises:
        UsageError: A column is missing or unknown, a value to fill in is wrong, or a model has no price.
        InputRefusedError: The file is no CSV, holds no valid call, or was imported before; the log is as it was.
        FinopsError: The file cannot be read or the log not be written; the log is as it was.
    """
    file = ForeignCsv(source, wanted={*mapping.values(), *NAMES}, delimiter=delimiter)
    columns = _Columns(file, mapping, fill, source_name)
    reader = _Reader(columns, catalog, f"{MADE_ID_PREFIX}{file.digest()[:12]}_")
    if columns.makes_ids:
        _refuse_repetition(source, log, reader.marker)
    with _stage(log) as staged:
        sizes = []
        for block in file.blocks(columns.theirs):
            lines = reader.lines(block)
            with _told(log):
                staged.write(lines)
                staged.flush()
            sizes.append(len(lines))
            if progress:
                progress(block.position, file.size)
        result = reader.finish(source)
        staged.seek(0)

        def blocks() -> Iterator[bytes]:
            _refuse_repetition(source, log, reader.marker)
            yield from map(staged.read, filter(None, sizes))

        if result.imported:
            calllog.append(log, blocks())
    return result


class _Columns:
    """Where each column of a call comes from.

    Attributes:
        theirs: The file's columns that are read.
        makes_ids: No column gives the call ids.
        makes_costs: No column gives the costs.
        unused: The file's columns that are not read.
    """

    def __init__(self, file: ForeignCsv, mapping: Mapping[str, str], fill: Mapping[str, str], source_name: str) -> None:
        for name in (*mapping, *fill):
            if name not in BY_NAME:
                raise UsageError(f"{name!r} is not a column of a call. {nearest(name, NAMES)}")
        for name in mapping:
            if name in fill:
                raise UsageError(f"{name!r} is both mapped and filled", hint="Give --map or --fill for it, not both.")
        for name, their in mapping.items():
            if their not in file.columns:
                raise UsageError(
                    f"{file.path} has no column {their!r} to map to {name!r}. {nearest(their, file.columns)}"
                )
        for name, value in fill.items():
            if not value.isprintable():
                raise UsageError(f"--fill {name}={value!r} is not plain text on one line", hint="Give another value.")
        own = {name: name for name in NAMES if name in file.columns and name not in fill}
        self.mapped = {**own, **mapping}
        self.filled = dict(fill) if "source" in self.mapped else {"source": source_name, **fill}
        self.theirs = tuple(dict.fromkeys(self.mapped.values()))
        self.unused = tuple(name for name in file.columns if name not in self.theirs)
        given = {*self.mapped, *self.filled}
        self.makes_ids = "call_id" not in given
        self.makes_costs = "cost_usd" not in given
        for their in self.theirs:
            if file.columns.count(their) > 1:
                raise UsageError(
                    f"{file.path} has {file.columns.count(their)} columns named {their!r}",
                    hint="Rename all but one of them in its header.",
                )
        missing = [name for name in REQUIRED if name not in given and name not in MADE]
        if missing:
            raise UsageError(
                f"{file.path} does not say {', '.join(missing)}; its columns are {', '.join(file.columns)}",
                hint=f"Add {', '.join(_options(missing, self.unused))}.",
            )

    def texts(self, block: Block, id_prefix: str) -> pa.Table:
        """The cells of calls as the log would hold them, in our columns; a cost to be computed is 0 for now."""
        rows = len(block.lines)
        columns = {name: block.texts[their] for name, their in self.mapped.items()}
        columns |= {name: pa.repeat(value, rows) for name, value in self.filled.items()}
        if self.makes_ids:
            columns["call_id"] = pc.binary_join_element_wise(id_prefix, pa.array(block.lines).cast(pa.string()), "")
        if self.makes_costs:
            columns["cost_usd"] = pa.repeat("0", rows)
        return pa.table({name: columns[name] for name in NAMES if name in columns})


class _Reader:
    """Blocks of the file to lines of the log.

    Attributes:
        marker: Bytes that a log holds if this import was appended to it before.
    """

    def __init__(self, columns: _Columns, catalog: Catalog, id_prefix: str) -> None:
        self._columns = columns
        self._catalog = catalog
        self._id_prefix = id_prefix
        self._unpriced: set[tuple[str, str]] = set()
        self._result = ImportResult(unused=columns.unused)
        self.marker = id_prefix.encode() if columns.makes_ids else b""

    def lines(self, block: Block) -> bytes:
        """The valid calls of a block, as lines of the log."""
        bad = list(block.bad)
        texts, lines = self._columns.texts(block, self._id_prefix), block.lines
        if block.line_breaks:
            texts, lines = self._on_one_line(texts, lines, bad)
        calls = SCHEMA.empty_table()
        if texts.num_rows:
            # Read as a block of a log: what is valid here is exactly what is valid there.
            rows = read_block(csv_lines(texts), Header(tuple(texts.column_names)))
            bad += [BadRow(int(lines[i]), why.code, why.reason) for i, why in rows.bad]
            calls, lines = rows.table, lines[rows.index]
            self._result.naive_timestamps += int(rows.naive.sum())
            self._result.rounded_costs += int(rows.rounded.sum())
        if self._columns.makes_costs:
            calls = self._priced(calls, lines, bad)
        self._count(calls, bad)
        encoded = encode(calls)
        self.marker = self.marker or encoded[: encoded.find(b"\n") + 1]
        return encoded

    def finish(self, source: Path) -> ImportResult:
        """What was read.

        Raises:
            UsageError: Some calls have no price.
            InputRefusedError: There are rows, and none of them is a call.
        """
        if self._unpriced:
            models = sorted(self._unpriced)
            raise UsageError(
                f"{source} has no column for cost_usd, and no price is known for "
                + ", ".join(f"model {model!r} of provider {provider!r}" for provider, model in models),
                hint="Correct the names, map a column of costs, or set input and output (dollars per million tokens) "
                f"in finops.toml under {', '.join(f'[catalog.models.{p}.{m!r}]' for p, m in models)}.",
            )
        result = self._result
        if result.rows and not result.imported:
            first = result.examples[0]
            raise InputRefusedError(
                "F_NO_CALLS",
                f"{source}: none of its {result.rows:,} rows is a call; "
                f"the first, line {first.line}: {first.code}, {first.reason}",
                hint="Correct --map, --fill or --delimiter.",
            )
        return result

    def _on_one_line(self, texts: pa.Table, lines: Int64s, bad: list[BadRow]) -> tuple[pa.Table, Int64s]:
        """The rows without a line break in a cell: the log keeps one call on one line."""
        whole = np.ones(len(lines), dtype=bool)
        for name in self._columns.mapped:
            whole &= ~pc.match_substring_regex(texts[name], r"[\r\n]").to_numpy()
        bad += [BadRow(line, "E_NEWLINE", "a value holds a line break") for line in lines[~whole].tolist()]
        return texts.filter(pa.array(whole)), lines[whole]

    def _priced(self, calls: pa.Table, lines: Int64s, bad: list[BadRow]) -> pa.Table:
        """The calls with what the catalogue says they cost; a failed call that is not billed costs nothing."""
        unbilled = pc.is_in(calls["status"], value_set=pa.array(sorted(UNBILLED_STATUS))).to_numpy()
        costs = np.where(unbilled, 0, self._costs(calls))
        unpriced = costs < 0
        if unpriced.any():
            pairs = calls.filter(pa.array(unpriced)).group_by(["provider", "model"]).aggregate([])
            self._unpriced |= {(pair["provider"], pair["model"]) for pair in pairs.to_pylist()}
        affordable = costs <= MAX_NANOS
        bad += [BadRow(line, "E_RANGE", "by the catalogue it costs too much") for line in lines[~affordable].tolist()]
        self._result.priced += int(affordable.sum())
        calls = calls.set_column(NAMES.index("cost_usd"), SCHEMA.field("cost_usd"), money_array(costs))
        return calls.filter(pa.array(affordable & ~unpriced))

    def _costs(self, calls: pa.Table) -> Int64s:
        """Nano-dollars by the catalogue, and the highest number that there is for what is beyond it."""
        try:
            return self._catalog.costs(calls)
        except UncountableCostError:
            half = calls.num_rows // 2
            if not half:
                return np.array([np.iinfo(np.int64).max])
            return np.concatenate([self._costs(calls.slice(0, half)), self._costs(calls.slice(half))])

    def _count(self, calls: pa.Table, bad: list[BadRow]) -> None:
        result = self._result
        result.rows += calls.num_rows + len(bad)
        result.imported += calls.num_rows
        result.reasons.update(row.code for row in bad)
        result.examples += sorted(bad, key=lambda row: row.line)[: KEPT_EXAMPLES - len(result.examples)]
        result.tokens += sum(pc.sum(calls[name]).as_py() or 0 for name in ("input_tokens", "output_tokens"))
        result.cost_usd += pc.sum(calls["cost_usd"].cast(pa.decimal128(38, 9))).as_py() or 0


def _stage(log: Path) -> IO[bytes]:
    """A file without a name on the disk of the log, so that what fits here fits there."""
    with _told(log):
        log.parent.mkdir(parents=True, exist_ok=True)
        return TemporaryFile(dir=log.parent)


@contextmanager
def _told(log: Path) -> Iterator[None]:
    """Turns an error of the system into a message that names the log."""
    try:
        yield
    except OSError as e:
        raise FinopsError(
            f"cannot write beside {log}: {e.strerror or e}; the log is as it was",
            hint="Make room or allow writing there, or choose another place with --log.",
        ) from e


def _refuse_repetition(source: Path, log: Path, marker: bytes) -> None:
    """Refuse a file whose first call is in the log."""
    if not log.is_file() or not log.stat().st_size:
        return
    with log.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        if data.find(marker) >= 0:
            raise InputRefusedError(
                "F_IMPORTED",
                f"{source} was imported into {log} before; nothing was added",
                hint="Its calls would count twice. Choose another log with --log if that is what you want.",
            )


def _options(missing: Sequence[str], columns: Sequence[str]) -> Iterator[str]:
    """What to write on the command line for each missing column; no column of theirs is suggested twice."""
    free = {column.lower(): column for column in reversed(columns)}
    for name in missing:
        close = get_close_matches(name, free, n=1, cutoff=0.5)
        if close:
            yield f"--map {name}={shlex.quote(free.pop(close[0]))}"
        else:
            yield f"--map {name}=THEIRS or --fill {name}=VALUE"
