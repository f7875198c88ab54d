from __future__ import annotations

from typing import Any

import pytest
import torch
from pydantic import ValidationError
from torch import nn
from torch.optim import lr_scheduler

from cifar_sweep.optim import apply_schedule, learning_rate, make_optimizer, momentum
from cifar_sweep.recipe import OptimizerRecipe, ScheduleRecipe


def rates(epochs: int = 6, steps: int = 10, peak: float = 2.0, **schedule: Any) -> list[float]:
    recipe = ScheduleRecipe(**schedule)
    return [learning_rate(recipe, peak, step, steps, epochs) for step in range(epochs * steps)]


def settings_of_torch(schedule: Any, steps: int = 60, peak: float = 2.0) -> list[tuple[float, float]]:
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=peak, momentum=0.5)
    scheduler, seen = schedule(optimizer), []
    for step in range(steps):
        seen.append((optimizer.param_groups[0]["lr"], optimizer.param_groups[0]["momentum"]))
        optimizer.step()
        if step + 1 < steps:
            scheduler.step()
    return seen


def rates_of_torch(schedule: Any, steps: int = 60, peak: float = 2.0) -> list[float]:
    return [rate for rate, _ in settings_of_torch(schedule, steps, peak)]


@pytest.mark.parametrize(
    ("schedule", "of_torch"),
    [
        ({"name": "cosine"}, lambda o: lr_scheduler.CosineAnnealingLR(o, 60)),
        ({"name": "cosine", "final_lr": 0.2}, lambda o: lr_scheduler.CosineAnnealingLR(o, 60, eta_min=0.4)),
        ({"name": "linear"}, lambda o: lr_scheduler.LinearLR(o, 1.0, 0.0, 60)),
        ({"name": "linear", "final_lr": 0.25}, lambda o: lr_scheduler.LinearLR(o, 1.0, 0.25, 60)),
        ({"name": "step", "step_epochs": 2, "gamma": 0.3}, lambda o: lr_scheduler.StepLR(o, 20, gamma=0.3)),
        (
            {"name": "multistep", "milestones": [1, 4], "gamma": 0.3},
            lambda o: lr_scheduler.MultiStepLR(o, [10, 40], gamma=0.3),
        ),
        (
            {"name": "cosine_restarts", "cycle_epochs": 2},
            lambda o: lr_scheduler.CosineAnnealingWarmRestarts(o, 20),
        ),
        (
            {"name": "cosine_restarts", "cycle_epochs": 1, "cycle_factor": 2, "final_lr": 0.1},
            lambda o: lr_scheduler.CosineAnnealingWarmRestarts(o, 10, 2, eta_min=0.2),
        ),
        ({"name": "onecycle"}, lambda o: lr_scheduler.OneCycleLR(o, 2.0, total_steps=60)),
        (
            {"name": "onecycle", "pct_start": 0.55, "div_factor": 4.0, "final_div_factor": 10.0},
            lambda o: lr_scheduler.OneCycleLR(o, 2.0, 60, pct_start=0.55, div_factor=4.0, final_div_factor=10.0),
        ),
        ({"name": "constant"}, lambda o: lr_scheduler.ConstantLR(o, 1.0)),
    ],
)
def test_schedule_is_torchs_at_every_step(schedule: dict[str, Any], of_torch: Any):
    assert rates(warmup_epochs=0, **schedule) == pytest.approx(rates_of_torch(of_torch), rel=1e-9, abs=1e-9)


@pytest.mark.parametrize("name", ["cosine", "linear", "step", "constant", "cosine_restarts"])
def test_warmup_climbs_in_equal_steps_to_the_peak_and_the_schedule_follows(name: str):
    seen = rates(name=name, warmup_epochs=2)
    assert seen[:20] == pytest.approx([2.0 * (step + 1) / 20 for step in range(20)])
    assert seen[20:] == pytest.approx(rates(name=name, warmup_epochs=0, epochs=4))


def test_milestones_are_counted_from_the_start_of_training():
    seen = rates(name="multistep", milestones=[3], warmup_epochs=2)
    assert seen[19:31] == pytest.approx([2.0] * 11 + [0.2])


def test_a_training_may_be_all_warmup():
    assert rates(epochs=2, warmup_epochs=2)[-1] == 2.0


def test_onecycle_has_its_own_rise_and_ignores_the_warmup():
    assert rates(name="onecycle", warmup_epochs=3) == rates(name="onecycle", warmup_epochs=0)


@pytest.mark.parametrize("steps", [1, 2, 3, 4, 5])
def test_onecycle_of_a_few_steps_stays_between_its_ends(steps: int):
    seen = rates(name="onecycle", epochs=1, steps=steps)
    assert 1.0 < max(seen) <= 2.0
    assert min(seen) >= 2.0 / 25 / 1e4 * (1 - 1e-9)


def test_momentum_of_onecycle_is_torchs():
    recipe = ScheduleRecipe(name="onecycle", momentum_range=(0.85, 0.95))
    expected = settings_of_torch(lambda o: lr_scheduler.OneCycleLR(o, 2.0, total_steps=60))
    assert [momentum(recipe, step, 10, 6) for step in range(60)] == pytest.approx([m for _, m in expected])


@pytest.mark.parametrize("settings", [{"name": "onecycle"}, {"name": "cosine", "momentum_range": (0.1, 0.2)}])
def test_momentum_stays_unless_onecycle_is_to_cycle_it(settings: dict[str, Any]):
    assert momentum(ScheduleRecipe(**settings), 3, 10, 6) is None


@pytest.mark.parametrize(("name", "key"), [("sgd", "momentum"), ("muon", "momentum"), ("adamw", "betas")])
def test_followed_schedule_sets_rate_and_momentum_of_every_group(name: str, key: str):
    network = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4))
    network.add_module("head", nn.Linear(4, 2))
    optimizer = make_optimizer(OptimizerRecipe(name=name), network, head_lr=10)
    schedule = ScheduleRecipe(name="onecycle", momentum_range=(0.5, 0.7))
    rate = apply_schedule(schedule, optimizer, 2.0, step=0, steps_per_epoch=10, epochs=6)
    assert rate == pytest.approx(2.0 / 25)
    for group in optimizer.param_groups:
        assert group["lr"] == rate * group["scale"]
        assert (group["momentum"] if key == "momentum" else group["betas"][0]) == pytest.approx(0.7)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"name": "multistep"}, "milestones is empty"),
        ({"name": "multistep", "milestones": [30, 10]}, r"must ascend but got \[30, 10\]"),
        ({"name": "onecycle", "momentum_range": [0.95, 0.85]}, r"\[low, high\] but got \[0.95, 0.85\]"),
        ({"name": "cosine", "final_lr": 1.5}, "less than or equal to 1"),
    ],
)
def test_contradictory_schedule_is_refused(settings: dict[str, Any], message: str):
    with pytest.raises(ValidationError, match=message):
        ScheduleRecipe(**settings)


@pytest.mark.parametrize(
    "settings",
    [{"name": "multistep", "milestones": [1, 2]}, {"name": "onecycle", "momentum_range": [0.8, 0.9]}, {}],
)
def test_schedule_survives_json(settings: dict[str, Any]):
    recipe = ScheduleRecipe(**settings)
    assert ScheduleRecipe.model_validate(recipe.model_dump(mode="json")) == recipe
