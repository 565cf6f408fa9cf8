"""What caching could save: calls of a session whose input may repeat that of an earlier one."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from finops_core import Catalog
from finops_plugin_domains.optimization.billed import Int64s, ModelCalls


def earlier_maximum(key: Int64s, us: Int64s, values: Int64s) -> Int64s:
    """The largest value at an earlier moment under the same key, 0 where there is none.

    Args:
        key: Ascending, shape (calls,) like the rest.
        us: The moments, ascending under each key.
        values: None negative.
    """
    if not len(key):
        return values.copy()
    new_key = np.r_[True, key[1:] != key[:-1]]
    # A running maximum that starts anew with each key: the key's number leads, the value's rank follows.
    distinct, rank = np.unique(values, return_inverse=True)
    run = np.cumsum(new_key) * len(distinct)
    running = distinct[np.maximum.accumulate(run + rank) - run]
    rows = np.arange(len(key))
    first_of_key = np.maximum.accumulate(np.where(new_key, rows, 0))
    # Calls at the same microsecond are not earlier than each other.
    first_at_moment = np.maximum.accumulate(np.where(new_key | np.r_[True, us[1:] != us[:-1]], rows, 0))
    return np.where(first_at_moment > first_of_key, running[first_at_moment - 1], 0)


def caching_savings(calls: ModelCalls, catalog: Catalog, own: Int64s, prefix_tokens: int) -> Int64s:
    """The most that caching could save on each call, nano-dollars, shape (calls,).

    The prefix of a call is taken to repeat as far as the longest earlier input of the same session, task and
    model reaches. What of it was not read from the cache is priced as read from it, less what writing each part of
    the prefix once costs above plain input.

    Args:
        calls: Of one model.
        catalog: Prices.
        own: The calls' catalogue cost.
        prefix_tokens: The least prefix that is cached.
    """
    savings = np.zeros(len(own), dtype=np.int64)
    rows = _repeating(calls, prefix_tokens)
    some = calls.take(rows)
    prefix = np.minimum(some.input, earlier_maximum(some.session, some.us, some.input))
    prefix[prefix < prefix_tokens] = 0
    plain = some.input - some.cache_read - some.cache_write
    repeated = np.clip(prefix - some.cache_read, 0, plain)
    written = np.clip(prefix - earlier_maximum(some.session, some.us, prefix), 0, repeated)
    hits = np.flatnonzero(repeated)
    rows, some, repeated, written = rows[hits], some.take(hits), repeated[hits], written[hits]

    def cost(cache_read: Int64s, cache_write: Int64s) -> Int64s:
        return catalog.cost_nanos(some.provider, some.model, some.us, some.input, some.output, cache_read, cache_write)

    read = own[rows] - cost(some.cache_read + repeated, some.cache_write)
    writing = cost(some.cache_read, some.cache_write + written) - own[rows]
    savings[rows] = np.maximum(read - np.maximum(writing, 0), 0)
    return savings


def _repeating(calls: ModelCalls, prefix_tokens: int) -> npt.NDArray[np.intp]:
    """The successful calls of sessions with several of them, by session and time."""
    rows = np.flatnonzero((calls.session != 0) & calls.succeeded & (calls.input >= max(1, prefix_tokens)))
    rows = rows[np.argsort(calls.session[rows])]
    same = np.diff(calls.session[rows]) == 0
    rows = rows[np.r_[False, same] | np.r_[same, False]] if len(rows) else rows
    return rows[np.lexsort((calls.us[rows], calls.session[rows]))]
