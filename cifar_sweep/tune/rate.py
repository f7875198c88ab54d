"""The learning-rate range test (Smith 2015, arXiv:1506.01186): train while the rate grows, and record the loss."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from cifar_sweep.augment import Augmentation, Mixed
from cifar_sweep.device.exchange import send
from cifar_sweep.device.generators import forked_generators
from cifar_sweep.inference.precision import autocast, resolve_precision
from cifar_sweep.optim import make_optimizer, set_learning_rate
from cifar_sweep.optim.update import Update
from cifar_sweep.recipe import Recipe
from cifar_sweep.training.initial import initial_network
from cifar_sweep.training.loss import Objective
from cifar_sweep.training.training_set import TrainingSet
from cifar_sweep.transfer import freeze
from sweeps.workload import Run, stream

STEPS = 120
LOWEST, HIGHEST = 1e-6, 10.0
SMOOTHING = 0.9  # weight of the past in the running mean of the loss
EXPLODED = 4.0  # times the best smoothed loss; larger rates show nothing more


@dataclass(frozen=True)
class RateCurve:
    """The loss by learning rate.

    Attributes:
        rates: The learning rate of each step.
        losses: The loss of each step, before it is taken.
        smoothed: The running mean of the losses.
        suggestion: The rate at which the smoothed loss falls steepest; None where it never falls.
    """

    rates: tuple[float, ...]
    losses: tuple[float, ...]
    smoothed: tuple[float, ...]
    suggestion: float | None


def learning_rate_range(
    recipe: Recipe, run: Run, *, steps: int = STEPS, lowest: float = LOWEST, highest: float = HIGHEST
) -> RateCurve:
    """Train on the training images while the learning rate grows by the same factor from step to step.

    It ends early when the loss is not finite or the smoothed loss is four times its best. The network starts as a trial
    of `run` does, with its weights and frozen parameters; momentum and weight decay are the recipe's. Nothing is saved,
    and the test part is not read.

    Args:
        recipe: The recipe; its `batch_size` must be a number.
        run: The run whose seed, data and device are used.
        steps: Number of steps.
        lowest: Learning rate of the first step.
        highest: Learning rate of the last step.
    """
    rates = [lowest * (highest / lowest) ** (step / (steps - 1)) for step in range(steps)]
    losses: list[float] = []
    with forked_generators(torch.device(run.device)):
        for loss in _losses(recipe, run, rates):
            losses.append(loss)
            if _exploded(losses, steps):
                break
    finite_losses = [loss for loss in losses if math.isfinite(loss)]
    smoothed = smooth(finite_losses)
    used_rates = rates[: len(finite_losses)]
    return RateCurve(tuple(used_rates), tuple(finite_losses), tuple(smoothed), steepest(used_rates, smoothed))


def smooth(losses: Sequence[float]) -> list[float]:
    """Return the exponential running mean of the losses, corrected for its start at zero."""
    mean, smoothed = 0.0, []
    for count, loss in enumerate(losses, 1):
        mean = SMOOTHING * mean + (1 - SMOOTHING) * loss
        smoothed.append(mean / (1 - SMOOTHING**count))
    return smoothed


def steepest(rates: Sequence[float], losses: Sequence[float]) -> float | None:
    """Return the rate, to two digits, around which the losses fall fastest per factor of the rate.

    Slopes are those of straight lines through a tenth of the points. Points beyond the lowest loss are left out.

    Returns:
        The rate; None where the losses never fall.
    """
    window = max(3, len(rates) // 10)
    end = int(np.argmin(losses)) + 1 if losses else 0
    log_rates = np.log(rates[:end])
    slopes = [
        float(np.polyfit(log_rates[start : start + window], losses[start : start + window], 1)[0])
        for start in range(end - window + 1)
    ]
    if not slopes or min(slopes) >= 0:
        return None
    start = int(np.argmin(slopes))
    return float(f"{math.exp(log_rates[start : start + window].mean()):.2g}")


def _losses(recipe: Recipe, run: Run, rates: Sequence[float]) -> Iterator[float]:
    """Train with the rates, one per step, and yield the loss of each step before it is taken."""
    images = TrainingSet.of(recipe, run, run.seed)
    network = initial_network(recipe, run, run.seed, images)
    optimizer = make_optimizer(recipe.optimizer, network, recipe.transfer.head_lr)
    objective = Objective.of(recipe, images.source.scaling, run)
    precision, device = resolve_precision(recipe.precision, run.device), torch.device(run.device)
    max_norm = recipe.regularization.grad_clip
    update = Update(optimizer, network, max_norm=max_norm, fp16=precision == "fp16")
    torch.manual_seed(stream(run.seed, "dropout", "range"))
    network.train()
    freeze(network, recipe.transfer, 0)
    for rate, mixed in zip(rates, batches(recipe, images, run.seed), strict=False):
        set_learning_rate(optimizer, rate)
        with autocast(precision, device):
            loss = objective(network(mixed.images), mixed)
        yield loss.item()
        update.begin_step()
        optimizer.zero_grad(set_to_none=True)
        update.scaler.scale(loss).backward()  # type: ignore[no-untyped-call]
        update()


def batches(recipe: Recipe, images: TrainingSet, seed: int) -> Iterator[Mixed]:
    """Yield batches of the training images without end, in the order and with the draws of a run's epochs."""
    index, size, device, epoch = images.train.cpu(), recipe.images_per_step, images.train.device, 0
    count = len(index)
    while True:
        shuffled = torch.Generator().manual_seed(stream(seed, "order", epoch))
        order = index[torch.randperm(count, generator=shuffled)]
        drawn = Augmentation.drawn(recipe.augment, recipe.data.shape, count, seed, epoch, device, order)
        [order] = send([order], device)
        yield from drawn.batches(images.source, order, size)
        epoch += 1


def _exploded(losses: Sequence[float], steps: int) -> bool:
    if not math.isfinite(losses[-1]):
        return True
    smoothed = smooth(losses)
    # Not in the first tenth of the steps: the running mean of a few losses is too noisy.
    return len(losses) > steps // 10 and smoothed[-1] > EXPLODED * min(smoothed)
