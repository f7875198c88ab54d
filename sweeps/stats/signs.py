"""The sign-flip test: how often random signs would move the mean of paired differences as far as it was seen.

It assumes that the differences are symmetric about 0 under the null hypothesis, and nothing else of their shape
(Fisher 1935).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

EXACT_UP_TO = 20
FLIPS = 100_000
_CHUNK = 10_000


@dataclass(frozen=True)
class SignFlip:
    """The two-sided `p`, the `smallest` that any such sample could give, and whether all flips were counted."""

    p: float
    smallest: float
    exact: bool


def sign_flip(differences: Sequence[float] | NDArray[np.float64], seed: int = 0) -> SignFlip:
    """The two-sided sign-flip test of n differences: all 2**n signs up to n = 20, else 100,000 random ones.

    The random form counts the sample itself among the flips, (1 + hits) / (1 + flips), so that p is never 0
    (Phipson and Smyth 2010).
    """
    array = np.asarray(differences, dtype=np.float64)
    seen = abs(array.sum()) - 1e-9 * np.abs(array).sum()  # sums in another order differ in their last digits
    smallest = smallest_p(array.size)
    if array.size <= EXACT_UP_TO:
        return SignFlip(float(np.mean(np.abs(_sums(array)) >= seen)), smallest, exact=True)
    generator = np.random.default_rng(seed)
    hits = 0
    for _ in range(FLIPS // _CHUNK):
        signs = 2.0 * generator.integers(0, 2, size=(_CHUNK, array.size)) - 1
        hits += int((np.abs(signs @ array) >= seen).sum())
    return SignFlip((1 + hits) / (1 + FLIPS), smallest, exact=False)


def smallest_p(n: int) -> float:
    """The smallest two-sided p that n differences can reach: 2 / 2**n, or 1 / 100,001 where flips are sampled."""
    return math.ldexp(2.0, -n) if n <= EXACT_UP_TO else 1 / (1 + FLIPS)


def smallest_holm_sign_flip_p(comparisons: int, n: int) -> float:
    """The smallest sign-flip p of n pairs after Holm over `comparisons`, by the exact test: m * 2 / 2**n, at most 1."""
    return min(1.0, comparisons * math.ldexp(2.0, -n))


def seeds_for_sign_flip(comparisons: int, level: float = 0.05) -> int:
    """The fewest pairs with which the sign-flip test can reach `level` after Holm over `comparisons`."""
    n = 1
    while smallest_holm_sign_flip_p(comparisons, n) > level:
        n += 1
    return n


def _sums(array: NDArray[np.float64]) -> NDArray[np.float64]:
    """The sum under every choice of signs but the first's, which by symmetry may stay as it is: 2**(n - 1) sums."""
    sums = array[:1].copy()
    for value in array[1:]:
        sums = np.concatenate([sums + value, sums - value])
    return sums
