"""Find the largest size that fits, by doubling, then bisection."""

from __future__ import annotations

from collections.abc import Callable


def largest_fitting(fits: Callable[[int], bool], smallest: int, limit: int, granularity: int) -> int:
    """Return the largest size that fits, to a granularity.

    Args:
        fits: Whether a size fits. If it does, every smaller size must fit too.
        smallest: The first size to try.
        limit: The largest size to try.
        granularity: The answer is a multiple of it, unless it is `limit` or smaller than `granularity`.

    Returns:
        The size; 0 where `smallest` does not fit.
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
