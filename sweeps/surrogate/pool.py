"""The configurations that may be proposed: those of the space that were not tried."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from functools import cached_property
from typing import Any

import numpy as np

from sweeps.space.encoding import identity
from sweeps.surrogate.axes import Floats
from sweeps.surrogate.features import Features
from sweeps.surrogate.observed import SurrogateSettings

Accepts = Callable[[Mapping[str, Any]], bool]

MOST_DRAWS = 1_000  # random draws in a row that are refused or were tried, before nothing is left


class Pool:
    """Candidates of one space.

    Args:
        features: The space.
        settings: How many candidates there are.
    """

    def __init__(self, features: Features, settings: SurrogateSettings) -> None:
        self._features = features
        self._settings = settings

    def start(self, points: int, number: int, seed: int) -> Floats:
        """Return the coordinates of one point, (1, dimensions), of a Latin hypercube: each dimension is spread evenly.

        Args:
            points: The size of the hypercube.
            number: Which point.
            seed: The seed of the hypercube.
        """
        rng = np.random.default_rng(seed)
        strata = np.stack([rng.permutation(points) for _ in range(self._features.dimensions)], axis=-1)
        places = (strata + rng.random(strata.shape)) / points
        return self._features.spread(places[number % points][None, :])

    def weighed(self, best: Floats, tried: Collection[str], rng: np.random.Generator) -> Floats:
        """Return the coordinates of the candidates that a proposal weighs.

        Args:
            best: The coordinates of the trials around which candidates are made, (k >= 1, dimensions).
            tried: The identities of the configurations that were tried. A few of the candidates may be among them.
            rng: Draws the candidates.
        """
        settings = self._settings
        near = self._features.vary(best[rng.integers(len(best), size=settings.near)], rng)
        if self._cells is None:
            fresh = self._features.spread(rng.random((settings.draws, self._features.dimensions)))
        else:
            left = self._untried(tried)
            fresh = self._cells[0][rng.permutation(left)[: settings.draws + settings.near]]
        return np.concatenate([fresh, near])

    def drawn(self, tried: Collection[str], rng: np.random.Generator) -> Iterator[dict[str, Any]]:
        """Iterate over untried configurations in random order: all of a small space, else `MOST_DRAWS` draws."""
        if self._cells is not None:
            for row in rng.permutation(self._untried(tried)):
                yield self._features.configuration(self._cells[0][row])
            return
        for _ in range(MOST_DRAWS):
            coordinates = self._features.spread(rng.random((1, self._features.dimensions)))
            parameters = self._features.configuration(coordinates[0])
            if identity(parameters) not in tried:
                yield parameters

    @cached_property
    def _cells(self) -> tuple[Floats, list[str]] | None:
        """The coordinates and the identities of all configurations; None if they are too many."""
        size = self._features.space.size
        if size is None or size > self._settings.cells:
            return None
        cells = list(self._features.space.grid())
        return self._features.coordinates(cells), [identity(cell) for cell in cells]

    def _untried(self, tried: Collection[str]) -> list[int]:
        assert self._cells is not None
        return [row for row, name in enumerate(self._cells[1]) if name not in tried]
