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

__all__ = ["Lion", "Muon", "follow", "learning_rate", "make_optimizer", "momentum", "set_learning_rate", "set_momentum"]

BETAS = {"adam": (0.9, 0.999), "adamw": (0.9, 0.999), "lion": (0.9, 0.99), "muon": (0.9, 0.95)}  # their authors'


def make_optimizer(recipe: OptimizerRecipe, network: nn.Module, head_lr: float = 1.0) -> torch.optim.Optimizer:
    """The optimizer over all of the network's parameters; the classifier's learning rate is `head_lr` times the body's.

    Raises ValueError when muon has nothing to do.
    """
    groups = parameter_groups(recipe, network, head_lr)
    if recipe.name == "sgd":
        return _sgd(recipe, groups)
    betas = recipe.betas or BETAS[recipe.name]
    if recipe.name == "lion":
        return Lion(groups, lr=recipe.lr, betas=betas)
    if recipe.name == "muon":
        return Muon(groups, lr=recipe.lr, momentum=recipe.momentum, nesterov=recipe.nesterov, betas=betas)
    kind = torch.optim.Adam if recipe.name == "adam" else torch.optim.AdamW
    return kind(groups, lr=recipe.lr, betas=betas, fused=True)


def follow(
    schedule: ScheduleRecipe,
    optimizer: torch.optim.Optimizer,
    peak: float,
    step: int,
    steps_per_epoch: int,
    epochs: int,
) -> float:
    """Set the optimizer to what the schedule has for step `step`; the learning rate, that of the body."""
    rate = learning_rate(schedule, peak, step, steps_per_epoch, epochs)
    set_learning_rate(optimizer, rate)
    if (given := momentum(schedule, step, steps_per_epoch, epochs)) is not None:
        set_momentum(optimizer, given)
    return rate


def set_learning_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Use `rate` from the next step on, in each group times its `scale`."""
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
        # A momentum of zero gives the first step that none gives, but torch's fused step fails where some parameters
        # have one and others, unfrozen later, do not yet.
        for group in groups:
            for parameter in group["params"]:
                optimizer.state[parameter]["momentum_buffer"] = torch.zeros_like(parameter)
    return optimizer
