"""Trying a recipe leaves the generators alone, and the GPUs that it does not use."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import pytest
import torch

from cifar_sweep.recipe import Recipe
from cifar_sweep.tune.batch_size.batch import auto_batch_size
from cifar_sweep.tune.rate import learning_rate_range
from sweeps.workload import Run, Site


def tried_batch(recipe: Recipe, run: Run) -> Any:
    return auto_batch_size(recipe, Site(run.data_dir, "cpu"))


def tried_rates(recipe: Recipe, run: Run) -> Any:
    return learning_rate_range(recipe, run, steps=2)


@pytest.mark.parametrize("attempt", [tried_batch, tried_rates])
def test_recipe_is_tried_on_the_cpu_of_a_machine_with_two_gpus(
    attempt: Callable[[Recipe, Run], Any],
    make_recipe: Callable[..., Recipe],
    make_run: Callable[..., Run],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.random, "_fork_rng_warned_already", False)
    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        attempt(make_recipe(data__train_limit=64), make_run())
    assert torch.equal(torch.rand(2), expected)
