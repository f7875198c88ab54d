from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from cifar_sweep.optim import learning_rate, make_optimizer, set_learning_rate
from cifar_sweep.recipe import OptimizerRecipe, ScheduleRecipe


def rates(epochs: int = 6, steps: int = 10, peak: float = 2.0, **schedule: Any) -> list[float]:
    recipe = ScheduleRecipe(**schedule)
    return [learning_rate(recipe, peak, step, steps, epochs) for step in range(epochs * steps)]


def rates_of_torch(schedule: Any, epochs: int = 6, steps: int = 10, peak: float = 2.0) -> list[float]:
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=peak)
    scheduler, seen = schedule(optimizer), []
    for _ in range(epochs * steps):
        seen.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return seen


def test_cosine_is_torchs():
    expected = rates_of_torch(lambda o: torch.optim.lr_scheduler.CosineAnnealingLR(o, 60))
    assert rates(name="cosine", warmup_epochs=0) == pytest.approx(expected, abs=1e-9)


def test_step_is_torchs():
    expected = rates_of_torch(lambda o: torch.optim.lr_scheduler.StepLR(o, 20, gamma=0.3))
    assert rates(name="step", warmup_epochs=0, step_epochs=2, gamma=0.3) == pytest.approx(expected)


def test_constant_stays():
    assert set(rates(name="constant", warmup_epochs=0)) == {2.0}


@pytest.mark.parametrize("name", ["cosine", "step", "constant"])
def test_warmup_climbs_in_equal_steps_to_the_peak_and_the_schedule_follows(name: str):
    seen = rates(name=name, warmup_epochs=2)
    assert seen[:20] == pytest.approx([2.0 * (step + 1) / 20 for step in range(20)])
    assert seen[20:] == pytest.approx(rates(name=name, warmup_epochs=0, epochs=4))


def test_a_training_may_be_all_warmup():
    assert rates(epochs=2, warmup_epochs=2)[-1] == 2.0


@pytest.mark.parametrize(
    ("settings", "kind", "defaults"),
    [
        ({"name": "sgd", "momentum": 0.8}, torch.optim.SGD, {"momentum": 0.8, "nesterov": True}),
        ({"name": "sgd", "momentum": 0.0, "nesterov": False}, torch.optim.SGD, {"momentum": 0.0, "nesterov": False}),
        ({"name": "adam", "betas": (0.8, 0.9)}, torch.optim.Adam, {"betas": (0.8, 0.9)}),
        ({"name": "adam", "momentum": 0.0}, torch.optim.Adam, {}),
        ({"name": "adamw", "lr": 0.5}, torch.optim.AdamW, {"lr": 0.5}),
    ],
)
def test_the_named_optimizer_gets_its_own_settings(settings: dict, kind: type, defaults: dict):
    optimizer = make_optimizer(OptimizerRecipe(**settings), nn.Linear(2, 2))
    assert type(optimizer) is kind
    assert {name: optimizer.defaults[name] for name in defaults} == defaults


@pytest.mark.parametrize("name", ["sgd", "adam", "adamw"])
def test_weight_decay_spares_biases_and_gains(name: str):
    network = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Linear(2, 2))
    decays = {
        id(parameter): group["weight_decay"]
        for group in make_optimizer(OptimizerRecipe(name=name, weight_decay=0.1), network).param_groups
        for parameter in group["params"]
    }
    assert [decays[id(parameter)] for parameter in network.parameters()] == [0.1, 0, 0, 0, 0.1, 0]


@pytest.mark.parametrize("name", ["sgd", "adam", "adamw"])
def test_the_rate_that_was_set_scales_the_next_step(name: str):
    weight = nn.Linear(1, 1, bias=False)
    optimizer = make_optimizer(OptimizerRecipe(name=name, lr=1.0, momentum=0, nesterov=False, weight_decay=0), weight)
    moves = []
    for rate in (0.0, 0.25):
        before = weight.weight.item()
        set_learning_rate(optimizer, rate)
        weight.weight.grad = torch.ones(1, 1)
        optimizer.step()
        moves.append(before - weight.weight.item())
    assert moves == pytest.approx([0.0, 0.25], abs=1e-6)
