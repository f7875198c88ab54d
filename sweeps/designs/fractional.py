"""Two-level factorial designs: full ones, and the smallest fractions that keep main effects clear.

Box, Hunter & Hunter, "Statistics for Experimenters" (2nd ed. 2005), chapter 6: a factor beyond the base ones takes its
level from a product of base factors. If every product has an odd number of factors, three or more, then every word of
the defining relation has an even number of letters, four or more: resolution IV.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

FULL_UP_TO = 6


@dataclass(frozen=True)
class Fraction:
    """A regular two-level design of `2**base` runs over `factors`.

    `products` says for each factor which base factors its level is the product of, as a bit mask over the first `base`
    factors; that of a base factor is its own bit.
    """

    factors: tuple[str, ...]
    base: int
    products: tuple[int, ...]

    @property
    def runs(self) -> int:
        """How many recipes there are."""
        return 1 << self.base

    @property
    def removed(self) -> list[tuple[str, ...]]:
        """For each run the factors at their low level (removed): fewest first, the run with none of them at the top."""
        runs = [
            tuple(index for index, product in enumerate(self.products) if (run & product).bit_count() % 2)
            for run in range(self.runs)
        ]
        return [tuple(self.factors[index] for index in run) for run in sorted(runs, key=lambda run: (len(run), run))]

    @property
    def contrasts(self) -> int:
        """How many main effects and two-way interactions can be told apart."""
        return len(self.factors) + len({first ^ second for first, second in combinations(self.products, 2)})

    @property
    def generators(self) -> tuple[str, ...]:
        """How the level of each further factor follows from the base ones: "g = a × b × c"."""
        further = zip(self.factors[self.base :], self.products[self.base :], strict=True)
        return tuple(f"{factor} = {' × '.join(self._letters(product))}" for factor, product in further)

    @property
    def aliases(self) -> Mapping[str, list[str]]:
        """The two-way interactions that share their estimate with others: "a:b" -> ["c:d", …]. Empty in a full design.

        Main effects share theirs with interactions of three factors or more only.
        """
        shared: dict[int, list[str]] = {}
        for (first, left), (second, right) in combinations(zip(self.factors, self.products, strict=True), 2):
            shared.setdefault(left ^ right, []).append(f"{first}:{second}")
        groups = [group for group in shared.values() if len(group) > 1]
        found = {name: [other for other in group if other != name] for group in groups for name in group}
        pairs = (f"{first}:{second}" for first, second in combinations(self.factors, 2))
        return {name: found[name] for name in pairs if name in found}

    def _letters(self, product: int) -> list[str]:
        return [self.factors[index] for index in range(self.base) if product >> index & 1]


def base_factors(count: int) -> int:
    """The base factors of the smallest design for `count` factors: all up to six, then as few as resolution IV takes.

    2**p runs carry at most 2**(p-1) factors at resolution IV.
    """
    return count if count <= FULL_UP_TO else 1 + (count - 1).bit_length()


def fraction(factors: Sequence[str]) -> Fraction:
    """The smallest design of resolution IV or more for `factors`, and a full one for up to six. The same each time."""
    base = base_factors(len(factors))
    products = [1 << index for index in range(base)]
    for size in range(3, base + 1, 2):
        products += [sum(1 << index for index in chosen) for chosen in combinations(range(base), size)]
    return Fraction(tuple(factors), base, tuple(products[: len(factors)]))
