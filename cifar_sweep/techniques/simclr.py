"""SimCLR (Chen et al. 2020, arXiv:2002.05709): pre-train the body without labels, on pairs of views of each image."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, normalize

from cifar_sweep.augment import Augmentation, Mixed, Source
from cifar_sweep.device.exchange import send
from cifar_sweep.device.finite import FiniteCheck
from cifar_sweep.device.float64 import sum_type
from cifar_sweep.inference.precision import Arithmetic, autocast
from cifar_sweep.models.network import Network
from cifar_sweep.optim import learning_rate, make_optimizer, set_learning_rate
from cifar_sweep.optim.update import Update
from cifar_sweep.recipe import OptimizerRecipe, ScheduleRecipe
from cifar_sweep.recipe.pretrain import PretrainRecipe
from cifar_sweep.schema import Shape
from sweeps.workload import stream

STEPS_BETWEEN_CHECKS = 25  # few enough to cost nothing, and a divergence wastes no more than some steps
WARMUP_DIVISOR = 10  # a tenth of the epochs warms up, as in the paper's appendix


def nt_xent(first: Tensor, second: Tensor, temperature: float) -> Tensor:
    """Return the normalised temperature-scaled cross-entropy (NT-Xent) of two views, the paper's equation 1.

    Each view should be closer, by cosine, to its partner than to the 2B - 2 views of other images.

    Args:
        first: (B, D) projections of one view of each image.
        second: (B, D) projections of the other view of the same images.
        temperature: Divides the cosine similarities.

    Returns:
        () in nats, a mean over the 2B views.
    """
    views = normalize(torch.cat([first, second]).float(), dim=1)
    similarities = views @ views.T / temperature
    similarities.fill_diagonal_(-math.inf)  # a view is not compared with itself
    positions = torch.arange(len(views), device=views.device)
    return cross_entropy(similarities, positions.roll(len(first)))


class ContrastiveNetwork(nn.Module):
    """A network's body with the projection head on which the loss is taken (two layers, the paper's section 2.1)."""

    def __init__(self, network: Network, width: int, seed: int) -> None:
        """Add a projection head.

        Args:
            network: The network; its own head is not used.
            width: Length of a projection.
            seed: Seed of the head's initial weights.
        """
        super().__init__()
        features = network.head.in_features
        self.network = network
        self.projection = nn.Sequential(nn.Linear(features, features), nn.ReLU(), nn.Linear(features, width))
        for number in (0, 2):
            layer = self.projection[number]
            assert isinstance(layer, nn.Linear)
            generator = torch.Generator().manual_seed(stream(seed, "pretrain", "projection", number))
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu", generator=generator)
            nn.init.zeros_(layer.bias)

    def forward(self, images: Tensor) -> Tensor:
        """Return the projections (B, width) of images (B, channels, size, size)."""
        projected: Tensor = self.projection(self.network.features(images))
        return projected


@dataclass
class Pretraining:
    """The pre-training of a network's body. The network's head keeps its initial weights.

    Attributes:
        recipe: The settings of the pre-training.
        network: The network, trained in place.
        source: The stored images; their labels are not read.
        index: (N,) indices of the images to train on, on the CPU.
        shape: The shape of the images.
        seed: Seed of all draws.
        precision: The arithmetic of the network.
        epoch: Number of finished epochs.
        seconds: Time that they took.
        loss: Mean loss of the last one, in nats.
    """

    recipe: PretrainRecipe
    network: Network
    source: Source
    index: Tensor
    shape: Shape
    seed: int
    precision: Arithmetic
    epoch: int = 0
    seconds: float = 0.0
    loss: float = math.nan
    _contrastive: ContrastiveNetwork = field(init=False)
    _optimizer: torch.optim.Optimizer = field(init=False)
    _update: Update = field(init=False)

    def __post_init__(self) -> None:
        recipe, count = self.recipe, len(self.index)
        if recipe.batch_size > count:
            raise ValueError(
                f"pretrain.batch_size is {recipe.batch_size} but there are only {count} images to train on"
            )
        self._device = self.source.pixels.device
        self._contrastive = ContrastiveNetwork(self.network, recipe.projection, self.seed).to(self._device)
        adamw = OptimizerRecipe(name="adamw", lr=recipe.lr, weight_decay=recipe.weight_decay)
        self._optimizer = make_optimizer(adamw, self._contrastive)
        self._update = Update(self._optimizer, self._contrastive, fp16=self.precision == "fp16")
        self._schedule = ScheduleRecipe(name="cosine", warmup_epochs=recipe.epochs // WARMUP_DIVISOR)

    @property
    def finished(self) -> bool:
        """Whether the last epoch is done, or the loss is not finite, after which training cannot recover."""
        return self.epoch >= self.recipe.epochs or (self.epoch > 0 and not math.isfinite(self.loss))

    def run_epoch(self) -> None:
        """Train for one epoch; a last incomplete batch is left out. The host waits for the device once, at its end."""
        started = time.perf_counter()
        self.loss = self._train_epoch()
        self.epoch += 1
        self.seconds += time.perf_counter() - started
        if self.finished:
            # Two tensors for each parameter, on the device that training needs next.
            self._optimizer.state.clear()

    def _train_epoch(self) -> float:
        size, count, finite = self.recipe.batch_size, len(self.index), FiniteCheck(self._device)
        order = self.index[torch.randperm(count, generator=self._generator("order"))]
        views = zip(*self._views(order), strict=True)
        torch.manual_seed(stream(self.seed, "pretrain", "dropout", self.epoch))
        self._contrastive.train()
        total, steps = torch.zeros((), dtype=sum_type(self._device), device=self._device), count // size
        for step, pair in enumerate(views):
            self._set_rate(step, steps)
            total += self._step(torch.cat([view.images for view in pair]))
            if step % STEPS_BETWEEN_CHECKS == 0 and not finite(total):
                break
        return float(total) / steps

    def _set_rate(self, step: int, steps: int) -> None:
        recipe, steps_done = self.recipe, self.epoch * steps + step
        set_learning_rate(self._optimizer, learning_rate(self._schedule, recipe.lr, steps_done, steps, recipe.epochs))

    def _step(self, views: Tensor) -> Tensor:
        """Train on the first views of a batch and then the second ones, (2B, channels, H, W); return the loss."""
        with autocast(self.precision, self._device):
            first, second = self._contrastive(views).chunk(2)
        loss = nt_xent(first, second, self.recipe.temperature)
        self._update.begin_step()
        self._optimizer.zero_grad(set_to_none=True)
        self._update.scaler.scale(loss).backward()  # type: ignore[no-untyped-call]
        self._update()
        return loss.detach()

    def _views(self, order: Tensor) -> list[Iterator[Mixed]]:
        """Return the batches of each of the two views of the images `order` (N,), drawn from a seed of its own."""
        settings, size = self.recipe.views(self.shape.channels), self.recipe.batch_size
        seeds = (stream(self.seed, "pretrain", "view", number) for number in range(2))
        count, device = len(order), self._device
        drawn = [Augmentation.drawn(settings, self.shape, count, seed, self.epoch, device, order) for seed in seeds]
        [order] = send([order], device)
        return [augmentation.batches(self.source, order, size) for augmentation in drawn]

    def _generator(self, purpose: str) -> torch.Generator:
        # On the CPU also for a GPU, so that both devices train on the same draws.
        return torch.Generator().manual_seed(stream(self.seed, "pretrain", purpose, self.epoch))

    def figures(self) -> dict[str, float]:
        """Return `pretrain_loss`, the loss of the last epoch."""
        return {"pretrain_loss": self.loss}

    def state_dict(self) -> dict[str, Any]:
        """Return what a checkpoint needs beside the network, which the trainer saves; little once it is finished."""
        state: dict[str, Any] = {"epoch": self.epoch, "seconds": self.seconds, "loss": self.loss}
        if not self.finished:
            state["projection"] = self._contrastive.projection.state_dict()
            state |= self._update.state_dict()
        return state

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from a `state_dict`; the caller restores the network."""
        self.epoch, self.seconds, self.loss = state["epoch"], state["seconds"], state["loss"]
        if not self.finished:
            self._contrastive.projection.load_state_dict(state["projection"])
            self._update.load_state_dict(state)
