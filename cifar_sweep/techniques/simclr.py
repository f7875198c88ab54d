"""SimCLR (Chen et al. 2020, arXiv:2002.05709): the body learns that two views of an image are alike, without labels."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, normalize

from cifar_sweep.augment import Augmentation, Source
from cifar_sweep.inference.precision import autocast
from cifar_sweep.models.network import Network
from cifar_sweep.optim import learning_rate, make_optimizer, set_learning_rate
from cifar_sweep.recipe import OptimizerRecipe, ScheduleRecipe
from cifar_sweep.recipe.pretrain import PretrainRecipe
from cifar_sweep.schema import Shape
from sweeps.workload import stream

STEPS_BETWEEN_CHECKS = 25  # a look at the loss makes a GPU wait, so it is not taken at every step
WARMUP_SHARE = 10  # one in so many epochs warms up, as in the paper's appendix


def nt_xent(first: Tensor, second: Tensor, temperature: float) -> Tensor:
    """The normalised temperature-scaled cross-entropy of two views (B, D) of the same images, in nats, a mean over 2B.

    Each view is to be more like its partner, by cosine, than like the 2B - 2 views of other images: the paper's eq. 1.
    """
    views = normalize(torch.cat([first, second]).float(), dim=1)
    similarities = views @ views.T / temperature
    similarities.fill_diagonal_(-math.inf)  # a view is no example of itself
    places = torch.arange(len(views), device=views.device)
    return cross_entropy(similarities, places.roll(len(first)))


class Contrasted(nn.Module):
    """A network's body with the projection head that the loss is taken on: two layers, the paper's section 2.1."""

    def __init__(self, network: Network, width: int, seed: int) -> None:
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
        """(B, channels, size, size) -> (B, width)."""
        projected: Tensor = self.projection(self.network.features(images))
        return projected


@dataclass
class Pretraining:
    """The body of `network` on its way through the pre-training. Its head is left as it was initialised.

    `index` (N,) are the images of `source` to learn from; their labels are not read. `epoch` counts the epochs that
    are done, `seconds` the time that they took, `loss` is the mean loss of the last.
    """

    recipe: PretrainRecipe
    network: Network
    source: Source
    index: Tensor
    shape: Shape
    seed: int
    precision: Literal["fp32", "bf16"]
    epoch: int = 0
    seconds: float = 0.0
    loss: float = math.nan
    _contrasted: Contrasted = field(init=False)
    _optimizer: torch.optim.Optimizer = field(init=False)

    def __post_init__(self) -> None:
        recipe, count = self.recipe, len(self.index)
        if recipe.batch_size > count:
            raise ValueError(
                f"pretrain.batch_size is {recipe.batch_size} but there are only {count} images to train on"
            )
        self._contrasted = Contrasted(self.network, recipe.projection, self.seed).to(self.index.device)
        chosen = OptimizerRecipe(name="adamw", lr=recipe.lr, weight_decay=recipe.weight_decay)
        self._optimizer = make_optimizer(chosen, self._contrasted)
        self._schedule = ScheduleRecipe(name="cosine", warmup_epochs=recipe.epochs // WARMUP_SHARE)

    @property
    def finished(self) -> bool:
        """Whether the last epoch is done, or the loss is no longer finite, from which nothing recovers."""
        return self.epoch >= self.recipe.epochs or (self.epoch > 0 and not math.isfinite(self.loss))

    def run_epoch(self) -> None:
        """Train for one epoch; a last incomplete batch is left out."""
        started = time.perf_counter()
        self.loss = self._train_epoch()
        self.epoch += 1
        self.seconds += time.perf_counter() - started
        if self.finished:
            self._optimizer.state.clear()  # two tensors for each parameter, on the device where training comes next

    def _train_epoch(self) -> float:
        size, count, device = self.recipe.batch_size, len(self.index), self.index.device
        order = torch.randperm(count, generator=self._generator("order")).to(device)
        augmentations = self._augmentations(self.index[order])
        torch.manual_seed(stream(self.seed, "pretrain", "dropout", self.epoch))
        self._contrasted.train()
        total, steps = torch.zeros((), dtype=torch.float64, device=device), count // size
        for step in range(steps):
            batch = slice(step * size, (step + 1) * size)
            self._set_rate(step, steps)
            total += self._step(augmentations, self.index[order[batch]], batch)
            if step % STEPS_BETWEEN_CHECKS == 0 and not torch.isfinite(total):
                break
        return float(total) / steps

    def _set_rate(self, step: int, steps: int) -> None:
        recipe, done = self.recipe, self.epoch * steps + step
        set_learning_rate(self._optimizer, learning_rate(self._schedule, recipe.lr, done, steps, recipe.epochs))

    def _step(self, augmentations: list[Augmentation], index: Tensor, batch: slice) -> Tensor:
        views = torch.cat([each.batch(self.source, index, batch)[0] for each in augmentations])
        with autocast(self.precision, self.index.device):
            first, second = self._contrasted(views).chunk(2)
        loss = nt_xent(first, second, self.recipe.temperature)
        self._optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        self._optimizer.step()
        return loss.detach()

    def _augmentations(self, order: Tensor) -> list[Augmentation]:
        views = self.recipe.views(self.shape.channels)
        seeds = (stream(self.seed, "pretrain", "view", number) for number in range(2))
        count, device = len(order), self.index.device
        return [Augmentation.drawn(views, self.shape, count, seed, self.epoch, device, order) for seed in seeds]

    def _generator(self, purpose: str) -> torch.Generator:
        # On the CPU also for a GPU, so that both devices train on the same draws.
        return torch.Generator().manual_seed(stream(self.seed, "pretrain", purpose, self.epoch))

    def figures(self) -> dict[str, float]:
        """`pretrain_loss`: the loss of the last epoch."""
        return {"pretrain_loss": self.loss}

    def state_dict(self) -> dict[str, Any]:
        """Where the pre-training stands, without the network, which the trainer saves; little once it is finished."""
        state: dict[str, Any] = {"epoch": self.epoch, "seconds": self.seconds, "loss": self.loss}
        if not self.finished:
            state["projection"] = self._contrasted.projection.state_dict()
            state["optimizer"] = self._optimizer.state_dict()
        return state

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from what `state_dict` gave; the network is to be restored beside."""
        self.epoch, self.seconds, self.loss = state["epoch"], state["seconds"], state["loss"]
        if not self.finished:
            self._contrasted.projection.load_state_dict(state["projection"])
            self._optimizer.load_state_dict(state["optimizer"])
