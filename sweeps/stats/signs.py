"""The sign-flip test: how often random signs move the mean of paired differences at least as far as observed.

It assumes only that the differences are symmetric about 0 under the null hypothesis (Fisher 1935).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sweeps.stats.alpha import ALPHA

EXACT_UP_TO = 20  # differences; above that there are too many flips to count them all
FLIPS = 100_000
_CHUNK = 10_000


@dataclass(frozen=True)
class SignFlip:
    """The result of a sign-flip test.

    Attributes:
        p: The two-sided p-value.
        smallest: The smallest p that as many differences can give (`smallest_p`).
        exact: Whether all flips were counted, not a random sample of them.
    """

    p: float
    smallest: float
    exact: bool


def sign_flip(differences: Sequence[float] | NDArray[np.float64], seed: int = 0) -> SignFlip:
    """Test whether the mean of `differences`, shape (n,), is 0.

    Up to n = 20 all 2**n flips are counted. Above, 100,000 random ones are drawn, and the sample itself counts among
    them: p = (1 + hits) / (1 + flips), so that p is never 0 (Phipson and Smyth 2010).

    Args:
        differences: At least one difference.
        seed: Of the random flips.
    """
    array = np.asarray(differences, dtype=np.float64)
    # The tolerance: sums of the same numbers in another order differ in their last digits.
    observed = abs(array.sum()) - 1e-9 * np.abs(array).sum()
    smallest = smallest_p(array.size)
    if array.size <= EXACT_UP_TO:
        return SignFlip(float(np.mean(np.abs(_sums(array)) >= observed)), smallest, exact=True)
    generator = np.random.default_rng(seed)
    hits = 0
    for _ in range(FLIPS // _CHUNK):
        signs = 2.0 * generator.integers(0, 2, size=(_CHUNK, array.size)) - 1
        hits += int((np.abs(signs @ array) >= observed).sum())
    return SignFlip((1 + hits) / (1 + FLIPS), smallest, exact=False)


def smallest_p(n: int, comparisons: int = 1) -> float:
    """Return the smallest p that `sign_flip` can give for n differences, after Holm over `comparisons`; at most 1.

    The exact test reaches 2 / 2**n, when all differences have the same sign. The sampled one (n > 20) reaches
    1 / 100,001, whatever n is.
    """
    single = math.ldexp(2.0, -n) if n <= EXACT_UP_TO else 1 / (1 + FLIPS)
    return min(1.0, max(1, comparisons) * single)


def seeds_for_sign_flip(comparisons: int, level: float = ALPHA) -> int:
    """Return the fewest pairs with which the sign-flip test can reach `level` after Holm over `comparisons`.

    Raises:
        ValueError: No number of pairs can. At the default level this needs more than 26,000 comparisons.
    """
    # More pairs than the exact test takes cannot help: the smallest sampled p is larger than the smallest exact one.
    for n in range(1, EXACT_UP_TO + 1):
        if smallest_p(n, comparisons) <= level:
            return n
    raise ValueError(f"no number of pairs reaches p = {level} in a sign-flip test over {comparisons:,} comparisons")


def _sums(array: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the sums under every choice of signs, shape (2**(n - 1),).

    The first sign stays: flipping all signs changes no absolute value, so half of the choices are enough.
    """
    sums = array[:1].copy()
    for value in array[1:]:
        sums = np.concatenate([sums + value, sums - value])
    return sums
