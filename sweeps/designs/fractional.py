"""Two-level factorial designs: full ones, and the smallest fractions that keep main effects clear.

Box, Hunter & Hunter, "Statistics for Experimenters" (2nd ed. 2005), chapter 6: a factor beyond the base factors takes
its level from a product of base factors. If every product has an odd number of factors, three or more, then every word
of the defining relation has an even number of letters, four or more: resolution IV. Main effects are then confounded
with interactions of three factors or more only; two-way interactions with each other.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

FULL_UP_TO = 6
"""The most factors for which the design is full."""


@dataclass(frozen=True)
class Fraction:
    """A regular two-level design of `2**base` runs.

    Attributes:
        factors: The names of the F factors; the first `base` are the base factors.
        base: The number of base factors.
        products: For each factor, the base factors whose product is its level, as a bit mask; shape (F,). A base factor
            has its own bit only.
    """

    factors: tuple[str, ...]
    base: int
    products: tuple[int, ...]

    @property
    def runs(self) -> int:
        """The number of recipes."""
        return 1 << self.base

    @property
    def removed(self) -> list[tuple[str, ...]]:
        """For each recipe, the factors that are removed (at their low level): fewest first, so none in the first."""
        runs = [
            # Bits set in `run` are base factors at their low level; a product of an odd number of them is low.
            tuple(index for index, product in enumerate(self.products) if (run & product).bit_count() % 2)
            for run in range(self.runs)
        ]
        return [tuple(self.factors[index] for index in run) for run in sorted(runs, key=lambda run: (len(run), run))]

    @property
    def contrasts(self) -> int:
        """The number of main effects and two-way interactions that can be told apart."""
        return len(self.factors) + len({first ^ second for first, second in combinations(self.products, 2)})

    @property
    def generators(self) -> tuple[str, ...]:
        """How the level of each factor beyond the base factors is made: "g = a × b × c"."""
        others = zip(self.factors[self.base :], self.products[self.base :], strict=True)
        return tuple(f"{factor} = {' × '.join(self._letters(product))}" for factor, product in others)

    @property
    def aliases(self) -> Mapping[str, list[str]]:
        """The two-way interactions that share their estimate with others: "a:b" -> ["c:d", …]. Empty in a full design.

        Main effects are not among them: they share theirs with interactions of three factors or more only.
        """
        by_product: dict[int, list[str]] = {}
        for (first, left), (second, right) in combinations(zip(self.factors, self.products, strict=True), 2):
            by_product.setdefault(left ^ right, []).append(f"{first}:{second}")
        groups = [group for group in by_product.values() if len(group) > 1]
        aliases = {name: [other for other in group if other != name] for group in groups for name in group}
        pairs = (f"{first}:{second}" for first, second in combinations(self.factors, 2))
        return {name: aliases[name] for name in pairs if name in aliases}

    def _letters(self, product: int) -> list[str]:
        return [self.factors[index] for index in range(self.base) if product >> index & 1]


def base_factors(count: int) -> int:
    """Return the number of base factors of the smallest design for `count` factors.

    Up to `FULL_UP_TO` all are base factors. Beyond that, 2**p runs carry at most 2**(p-1) factors at resolution IV.
    """
    return count if count <= FULL_UP_TO else 1 + (count - 1).bit_length()


def fraction(factors: Sequence[str]) -> Fraction:
    """Return the smallest design of resolution IV or more: a full one up to `FULL_UP_TO` factors.

    Args:
        factors: The names of the factors; equal names give an equal design.
    """
    base = base_factors(len(factors))
    products = [1 << index for index in range(base)]
    for size in range(3, base + 1, 2):
        products += [sum(1 << index for index in indices) for indices in combinations(range(base), size)]
    return Fraction(tuple(factors), base, tuple(products[: len(factors)]))
