"""The largest size that fits, by doubling, then bisection."""

from __future__ import annotations

from collections.abc import Callable


def largest_fitting(fits: Callable[[int], bool], smallest: int, limit: int, granularity: int) -> int:
    """The largest size up to `limit` that fits, to `granularity`; 0 where `smallest` does not fit.

    What fits must stay so for every smaller size. The answer is `limit` itself, a multiple of `granularity` or, where
    not even `granularity` fits, any number below it.
    """
    fitting, size = 0, min(smallest, limit)
    while fits(size):
        fitting = size
        if size == limit:
            return limit
        size = min(2 * size, limit)
    unit = granularity if size > granularity else 1
    low, high = fitting // unit, -(-size // unit)
    while fitting and high - low > 1:
        middle = (low + high) // 2
        if fits(middle * unit):
            low = middle
        else:
            high = middle
    return max(fitting, low * unit)
