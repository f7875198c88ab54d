"""Optimizers, and the learning rate as a pure function of the step."""

from __future__ import annotations

import math

import torch
from torch import nn

from cifar_sweep.recipe import OptimizerRecipe, ScheduleRecipe


def make_optimizer(recipe: OptimizerRecipe, network: nn.Module) -> torch.optim.Optimizer:
    """The optimizer over the network's parameters.

    Weight decay acts on convolution and linear weights only (more than one dimension): shrinking biases and the gains
    of normalisation does not regularise (He et al. 2018, arXiv:1812.01187).
    """
    parameters = [parameter for parameter in network.parameters() if parameter.requires_grad]
    groups = [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": recipe.weight_decay},
        {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
    ]
    if recipe.name == "sgd":
        nesterov = recipe.nesterov and recipe.momentum > 0
        return torch.optim.SGD(groups, lr=recipe.lr, momentum=recipe.momentum, nesterov=nesterov, fused=True)
    kind = torch.optim.Adam if recipe.name == "adam" else torch.optim.AdamW
    return kind(groups, lr=recipe.lr, betas=recipe.betas, fused=True)


def learning_rate(schedule: ScheduleRecipe, peak: float, step: int, steps_per_epoch: int, epochs: int) -> float:
    """The learning rate of step `step`, counted from 0, of a training of `epochs` x `steps_per_epoch` steps."""
    warmup = schedule.warmup_epochs * steps_per_epoch
    if step < warmup:
        return peak * (step + 1) / warmup
    after, remaining = step - warmup, epochs * steps_per_epoch - warmup
    if schedule.name == "cosine":
        return peak * 0.5 * (1 + math.cos(math.pi * after / remaining))
    if schedule.name == "step":
        return peak * schedule.gamma ** (after // (schedule.step_epochs * steps_per_epoch))
    return peak


def set_learning_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Use `rate` from the next step on."""
    for group in optimizer.param_groups:
        group["lr"] = rate
