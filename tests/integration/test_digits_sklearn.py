from __future__ import annotations

from pathlib import Path

import pytest

from examples.digits_sklearn import Recipe
from sweeps.recipe.schema import BadRecipe
from sweeps.workload import load

NAME = "examples.digits_sklearn"


@pytest.fixture(autouse=True)
def in_the_repository(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(Path(__file__).parents[2])


def test_the_foreign_workload_learns(make_run, curve):
    rows = curve(Recipe(lr=0.05), make_run(), workload=NAME)
    assert len(rows) == 5
    assert rows[-1]["val_accuracy"] > 90


def test_its_recipe_is_checked_as_any():
    with pytest.raises(BadRecipe, match="penalty"):
        load(NAME).schema.validate({"penalty": "l3"})


@pytest.mark.parametrize("penalty", ["l2", "elasticnet"])
def test_resumed_curve_of_the_foreign_workload_equals_uninterrupted(make_run, curve, tmp_path, penalty):
    recipe = Recipe(penalty=penalty)
    uninterrupted = curve(recipe, make_run(folder=tmp_path / "whole"), workload=NAME)
    curve(recipe, make_run(folder=tmp_path / "killed"), workload=NAME, stop_after=3)
    assert curve(recipe, make_run(folder=tmp_path / "killed"), workload=NAME) == uninterrupted[2:]
