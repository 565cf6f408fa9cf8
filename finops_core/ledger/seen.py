"""Which call ids a log has had, over any distance: sorted 64-bit hashes, confirmed on the lines themselves."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from finops_core.calllog import MAX_LINE

Hashes = npt.NDArray[np.uint64]

# One odd random factor for each position in an id; raw output of PCG64 is the same in every version of numpy.
_FACTORS: Hashes = np.random.PCG64(20_260_105).random_raw(MAX_LINE) | np.uint64(1)


def hashes(ids: pa.Array) -> Hashes:
    """A 64-bit hash of each text: the sum of its bytes, each times a factor for its position (multilinear hashing).

    Args:
        ids: Strings, none of them null.
    """
    _, offset_buffer, byte_buffer = ids.buffers()
    offsets = np.frombuffer(offset_buffer, np.int32)[ids.offset : ids.offset + len(ids) + 1].astype(np.int64)
    if not len(ids) or byte_buffer is None:
        return np.zeros(len(ids), np.uint64)
    text = np.frombuffer(byte_buffer, np.uint8)[offsets[0] : offsets[-1]]
    lengths = np.diff(offsets)
    width = int(lengths[0])
    if (lengths == width).all():
        return np.asarray((text.reshape(len(ids), width) * _FACTORS[:width]).sum(axis=1, dtype=np.uint64))
    positions = np.arange(len(text)) - np.repeat(offsets[:-1] - offsets[0], lengths)
    return np.asarray(np.add.reduceat(text * _FACTORS[positions], offsets[:-1] - offsets[0]), np.uint64)


class Index(NamedTuple):
    """Calls by the hash of their id.

    Attributes:
        hashes: In ascending order.
        offsets: Where the line of each is in the log, in bytes.
    """

    hashes: Hashes
    offsets: Hashes

    def has(self, wanted: Hashes) -> npt.NDArray[np.bool_]:
        """For each of some sorted hashes, whether it is in here."""
        if not len(self.hashes):
            return np.zeros(len(wanted), bool)
        found = np.minimum(np.searchsorted(self.hashes, wanted), len(self.hashes) - 1)
        return np.asarray(self.hashes[found] == wanted)

    def lines(self, wanted: Hashes) -> Iterator[tuple[int, int]]:
        """Hash and offset of the lines with one of some sorted hashes."""
        first = np.searchsorted(self.hashes, wanted)
        count = np.searchsorted(self.hashes, wanted, side="right") - first
        places = np.repeat(first, count) + np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count)
        return zip(self.hashes[places].tolist(), self.offsets[places].tolist(), strict=True)


def merged(indexes: Iterable[Index]) -> Index:
    """One index of all."""
    every = list(indexes)
    if len(every) == 1:
        return every[0]
    all_hashes = np.concatenate([np.zeros(0, np.uint64), *(index.hashes for index in every)])
    all_offsets = np.concatenate([np.zeros(0, np.uint64), *(index.offsets for index in every)])
    order = np.argsort(all_hashes, kind="stable")
    return Index(all_hashes[order], all_offsets[order])


class Seen:
    """The ids seen so far: a few sorted indexes, merged so that there are never many."""

    def __init__(self, indexes: Iterable[Index] = ()) -> None:
        self._kept = list(indexes)
        self._recent: list[Index] = []

    def suspects(self, rows: Hashes) -> Hashes:
        """Those of some sorted hashes that were seen before, or come twice among them."""
        again = np.zeros(len(rows), bool)
        again[1:] = rows[1:] == rows[:-1]
        for index in (*self._kept, *self._recent):
            again |= index.has(rows)
        return np.unique(rows[again])

    def lines(self, wanted: Hashes) -> dict[int, list[int]]:
        """Where the lines with one of some sorted hashes are, by hash."""
        offsets: dict[int, list[int]] = {}
        for index in (*self._kept, *self._recent):
            for found, offset in index.lines(wanted):
                offsets.setdefault(found, []).append(offset)
        return offsets

    def add(self, rows: Index) -> None:
        """Remember more rows."""
        self._recent.append(rows)
        while len(self._recent) > 1 and len(self._recent[-2].hashes) <= 2 * len(self._recent[-1].hashes):
            self._recent[-2:] = [merged(self._recent[-2:])]

    def take_recent(self) -> Index:
        """One index of all that was added since the last time, to be kept elsewhere and given back by ``keep``."""
        index, self._recent = merged(self._recent), []
        return index

    def keep(self, index: Index) -> None:
        """Remember rows that are kept elsewhere, such as in a file."""
        self._kept.append(index)
