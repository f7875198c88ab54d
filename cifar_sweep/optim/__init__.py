"""Optimizers, and the learning rate as a pure function of the step."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from cifar_sweep.optim.groups import parameter_groups
from cifar_sweep.optim.lion import Lion
from cifar_sweep.optim.muon import Muon
from cifar_sweep.optim.schedules import learning_rate, momentum
from cifar_sweep.recipe import OptimizerRecipe, ScheduleRecipe

__all__ = [
    "Lion",
    "Muon",
    "apply_schedule",
    "learning_rate",
    "make_optimizer",
    "momentum",
    "set_learning_rate",
    "set_momentum",
]

# Their authors' defaults.
BETAS = {"adam": (0.9, 0.999), "adamw": (0.9, 0.999), "lion": (0.9, 0.99), "muon": (0.9, 0.95)}


def make_optimizer(recipe: OptimizerRecipe, network: nn.Module, head_lr: float = 1.0) -> torch.optim.Optimizer:
    """Return the optimizer over all parameters of a network, frozen ones included.

    Args:
        recipe: Which optimizer, and its settings.
        network: The network to train.
        head_lr: The classifier's learning rate, as a multiple of the body's.

    Raises:
        ValueError: The optimizer is muon, and there is no weight between the network's first and last layer.
    """
    groups = parameter_groups(recipe, network, head_lr)
    if recipe.name == "sgd":
        return _sgd(recipe, groups)
    betas = recipe.betas or BETAS[recipe.name]
    if recipe.name == "lion":
        return Lion(groups, lr=recipe.lr, betas=betas)
    if recipe.name == "muon":
        return Muon(groups, lr=recipe.lr, momentum=recipe.momentum, nesterov=recipe.nesterov, betas=betas)
    adam_class = torch.optim.Adam if recipe.name == "adam" else torch.optim.AdamW
    return adam_class(groups, lr=recipe.lr, betas=betas, fused=True)


def apply_schedule(
    schedule: ScheduleRecipe,
    optimizer: torch.optim.Optimizer,
    peak: float,
    step: int,
    steps_per_epoch: int,
    epochs: int,
) -> float:
    """Set the optimizer's learning rates, and its momentum if the schedule has one, for a step.

    Args:
        schedule: The schedule.
        optimizer: The optimizer, changed in place.
        peak: Peak learning rate.
        step: The step, counted from 0.
        steps_per_epoch: Steps in each epoch.
        epochs: Epochs of the whole training.

    Returns:
        The body's learning rate.
    """
    rate = learning_rate(schedule, peak, step, steps_per_epoch, epochs)
    set_learning_rate(optimizer, rate)
    if (scheduled_momentum := momentum(schedule, step, steps_per_epoch, epochs)) is not None:
        set_momentum(optimizer, scheduled_momentum)
    return rate


def set_learning_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Use `rate` from the next step on, in each group multiplied by its `scale`."""
    for group in optimizer.param_groups:
        group["lr"] = rate * group["scale"]


def set_momentum(optimizer: torch.optim.Optimizer, value: float) -> None:
    """Use `value` from the next step on as momentum, or as beta1 where the optimizer has no momentum."""
    for group in optimizer.param_groups:
        if "momentum" in group:
            group["momentum"] = value
        else:
            group["betas"] = (value, group["betas"][1])


def _sgd(recipe: OptimizerRecipe, groups: list[dict[str, Any]]) -> torch.optim.SGD:
    nesterov = recipe.nesterov and recipe.momentum > 0
    optimizer = torch.optim.SGD(groups, lr=recipe.lr, momentum=recipe.momentum, nesterov=nesterov, fused=True)
    if recipe.momentum > 0:
        # torch's fused step fails where some parameters have a momentum buffer and others, unfrozen later, have none
        # yet. A buffer of zeros gives the same first step as no buffer.
        for group in groups:
            for parameter in group["params"]:
                optimizer.state[parameter]["momentum_buffer"] = torch.zeros_like(parameter)
    return optimizer
