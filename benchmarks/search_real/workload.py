"""A workload that trains, of any configuration, the nearest one of the table: so the best one is known.

A table's own trainings are repeated: with the seed that the table was made with, whatever the seed of the search. Their
work, which costs and budgets are counted in, is the table's time of an epoch.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from benchmarks.known_table import KnownTable, read_table
from cifar_sweep import workload
from cifar_sweep.recipe import Recipe
from cifar_sweep.workload import chance, percentages, prepare
from sweeps.artifacts.layout import SEARCH
from sweeps.recipe.keys import value_at
from sweeps.recipe.schema import merge
from sweeps.trial.seeds import stream
from sweeps.workload import Run

__all__ = ["chance", "cost", "percentages", "prepare", "train"]

TABLES = {"digits": "digits", "cifar10": "cifar10_mini"}


def train(recipe: Recipe, run: Run) -> Iterator[Mapping[str, float]]:
    """Train the nearest configuration of the table, as `cifar_sweep` does."""
    run.seed = stream(nearest(recipe)[1].study.seed, SEARCH)
    yield from workload.train(snapped(recipe), run)


def cost(recipe: Recipe) -> dict[str, int]:
    """Return the nearest configuration's time of an epoch, in microseconds, as the work of a training step."""
    row, table = nearest(recipe)
    return {"macs": round(1e6 * table.epoch_seconds[row])}


def nearest(recipe: Recipe) -> tuple[int, KnownTable]:
    """Return the row of its table that is nearest to a recipe, and the table."""
    table, content = read_table(TABLES[recipe.data.name]), recipe.model_dump(mode="json")
    searched = {dimension.key: value_at(content, dimension.key) for dimension in table.space.dimensions}
    return table.nearest(searched), table


def snapped(recipe: Recipe) -> Recipe:
    """Return the recipe with the searched settings of the nearest row of its table."""
    row, table = nearest(recipe)
    return Recipe.model_validate(merge(recipe.model_dump(mode="json"), table.rows[row]))
