"""Walk a finite space cell by cell. A cell is one configuration."""

from __future__ import annotations

import heapq
from collections.abc import Container, Iterator, Mapping
from typing import Any

from sweeps.space.encoding import identity
from sweeps.space.space import Categorical, Space

Cell = dict[str, Any]


class GridWalk:
    """The cells of a finite space that are left to try.

    Args:
        space: The space.
    """

    def __init__(self, space: Space) -> None:
        self._space = space
        self._ahead = space.grid()
        self._failed: list[tuple[int, tuple[float, ...], str, Cell]] = []  # a heap
        self._listed: list[tuple[str, Cell]] = []

    def failed(self, cell: Mapping[str, Any], times: int) -> None:
        """Have a cell that failed for the `times`-th time come back after all others."""
        heapq.heappush(self._failed, (times, _place(self._space, cell), identity(cell), dict(cell)))

    def next(self, tried: Container[str], failures: Mapping[str, int]) -> Cell:
        """Return the first untried cell in grid order, those that failed last.

        Each cell is met once over all calls, so that a call takes constant time on average.

        Args:
            tried: The identities of the cells that are not to come again.
            failures: How often each cell has failed, by identity.

        Raises:
            LookupError: Every cell has been tried.
        """
        cell = self._fresh(tried, failures) or self._failed_before(tried, failures)
        if cell is None:  # unless one was lost on its way into the storage
            self._ahead = self._space.grid()
            cell = self._fresh(tried, failures)
        if cell is None:
            raise LookupError("every configuration of the grid has been tried")
        return cell

    def untried(self, tried: Container[str]) -> list[Cell]:
        """Return every untried cell in grid order. The cells are made once and kept: for small spaces."""
        if not self._listed:
            self._listed = [(identity(cell), cell) for cell in self._space.grid()]
        return [cell for name, cell in self._listed if name not in tried]

    def _fresh(self, tried: Container[str], failures: Mapping[str, int]) -> Cell | None:
        for cell in self._ahead:
            if (name := identity(cell)) not in tried and name not in failures:
                return cell
        return None

    def _failed_before(self, tried: Container[str], failures: Mapping[str, int]) -> Cell | None:
        while self._failed:
            times, _, name, cell = heapq.heappop(self._failed)
            if name not in tried and failures.get(name) == times:  # otherwise it was tried again since
                return cell
        return None


def _place(space: Space, cell: Mapping[str, Any]) -> tuple[float, ...]:
    """The place of a cell in grid order, to compare with that of another."""
    return tuple(_steps(space, cell))


def _steps(space: Space, cell: Mapping[str, Any]) -> Iterator[float]:
    for dimension in space.dimensions:
        if dimension.key not in cell:
            yield -1  # cells that agree so far have the dimension either all or none
        elif isinstance(dimension, Categorical):
            yield dimension.values.index(cell[dimension.key])
        else:
            yield cell[dimension.key]
