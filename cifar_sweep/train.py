"""The trainer: fresh or restored, then per epoch train, validate, yield the figures, save.

Everything random is drawn from a stream of the run's seed named after its purpose and the epoch. So two recipes of one
seed see the same images in the same order with the same crops, nothing drawn before or elsewhere in the process
matters, and a resumed run repeats what the uninterrupted one would have drawn.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from cifar_sweep.augment import Scaling, Source, draw_views
from cifar_sweep.data import load_training, with_label_noise
from cifar_sweep.formats import Images
from cifar_sweep.measure import Tally, measure
from cifar_sweep.models import build
from cifar_sweep.models.init import initialise
from cifar_sweep.optim import learning_rate, make_optimizer, set_learning_rate
from cifar_sweep.precision import autocast, resolve_precision
from cifar_sweep.recipe import Recipe
from sweeps.workload import Run, stream

STATE = "state.pt"
STEPS_BETWEEN_CHECKS = 25  # a look at the loss makes a GPU wait, so it is not taken at every step


def train_network(recipe: Recipe, run: Run) -> Iterator[dict[str, float]]:
    """Train, yielding once per epoch, and save after each; a run that diverges yields NaN and ends.

    Losses are mean cross-entropies, accuracies percentages; `lr` is that of the epoch's last step, `seconds` those of
    training and validation, `images_per_s` counts training alone. A final run holds nothing out: no `val_` figure.
    """
    if run.device == "cpu":
        torch.set_num_threads(1)
    try:
        yield from _epochs(recipe, run)
    finally:
        if run.device == "cuda":
            torch.cuda.empty_cache()  # the process may wait for its next trial while others share the device


def _epochs(recipe: Recipe, run: Run) -> Iterator[dict[str, float]]:
    trainer = Trainer.start(recipe, run)
    if run.restored is not None:
        trainer.restore(run.restored)
    while trainer.epoch < recipe.epochs:
        figures = trainer.run_epoch()
        yield figures
        if math.isnan(figures["train_loss"]):
            return
        with run.checkpoint() as folder:
            trainer.save(folder)


@dataclass
class Trainer:
    """One network on its way through the epochs. `epoch` counts those that are done."""

    recipe: Recipe
    seed: int
    device: torch.device
    source: Source
    train_index: Tensor
    validation_index: Tensor
    network: nn.Module
    optimizer: torch.optim.Optimizer
    epoch: int = 0

    def __post_init__(self) -> None:
        self.steps = len(self.train_index) // self.recipe.batch_size
        self.precision = resolve_precision(self.recipe.precision, self.device.type)

    @classmethod
    def start(cls, recipe: Recipe, run: Run) -> Trainer:
        """A trainer before its first epoch. Raises ValueError when the data has less than one batch to train on."""
        images, split = load_training(recipe.data, run)
        seed = stream(run.seed, "draws", recipe.draws) if recipe.draws else run.seed
        if recipe.batch_size > len(split.train):
            raise ValueError(f"batch_size is {recipe.batch_size} but there are only {len(split.train)} training images")
        device = torch.device(run.device)
        train_index = torch.from_numpy(split.train).to(device)
        network = build(recipe.model, recipe.data.shape)
        initialise(network, seed)
        network = network.to(device).to(memory_format=torch.channels_last)
        return cls(
            recipe=recipe,
            seed=seed,
            device=device,
            source=_source(recipe, images, train_index, seed),
            train_index=train_index,
            validation_index=torch.from_numpy(split.validation).to(device),
            network=network,
            optimizer=make_optimizer(recipe.optimizer, network),
        )

    def run_epoch(self) -> dict[str, float]:
        """Train for one epoch and validate; a loss that is not finite ends it at once."""
        started = time.perf_counter()
        trained = self._train_epoch()
        train_loss, train_accuracy = trained.means()
        trained_s = time.perf_counter() - started
        held_out = self._held_out(diverged=math.isnan(train_loss))
        self.epoch += 1
        return {
            "train_loss": train_loss,
            "train_accuracy": train_accuracy,
            **held_out,
            "lr": float(self.optimizer.param_groups[0]["lr"]),
            "seconds": time.perf_counter() - started,
            "images_per_s": trained.count / trained_s,
        }

    def _train_epoch(self) -> Tally:
        size, augment = self.recipe.batch_size, self.recipe.augment
        order = torch.randperm(len(self.train_index), generator=self._generator("order")).to(self.device)
        views = draw_views(len(order), augment.crop, augment.flip, self._generator("augment")).to(self.device)
        torch.manual_seed(stream(self.seed, "dropout", self.epoch))
        self.network.train()
        tally = Tally.empty(self.device)
        for step in range(self.steps):
            batch = slice(step * size, (step + 1) * size)
            images, labels = self.source.batch(self.train_index[order[batch]], views[batch])
            self._step(self.epoch * self.steps + step, images, labels, tally)
            if step % STEPS_BETWEEN_CHECKS == 0 and not tally.finite():
                break
        return tally

    def _step(self, step: int, images: Tensor, labels: Tensor, tally: Tally) -> None:
        recipe = self.recipe
        rate = learning_rate(recipe.schedule, recipe.optimizer.lr, step, self.steps, recipe.epochs)
        set_learning_rate(self.optimizer, rate)
        with autocast(self.precision, self.device):
            logits = self.network(images)
            loss = cross_entropy(logits, labels, label_smoothing=recipe.regularization.label_smoothing)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        if recipe.regularization.grad_clip is not None:
            nn.utils.clip_grad_norm_(self.network.parameters(), recipe.regularization.grad_clip)
        self.optimizer.step()
        tally.add(loss, logits, labels)

    def validate(self) -> tuple[float, float]:
        """Mean loss (without label smoothing) and percentage correct of the validation images."""
        return measure(self.network, self.source, self.validation_index, self.precision)

    def _held_out(self, diverged: bool) -> dict[str, float]:
        if len(self.validation_index) == 0:
            return {}
        loss, accuracy = (math.nan, math.nan) if diverged else self.validate()
        return {"val_loss": loss, "val_accuracy": accuracy}

    def save(self, folder: Path) -> None:
        """Write the state into `folder`: weights, optimizer, epoch; step and draws follow from the epoch.

        The scaling of pixels is there for whoever evaluates the network.
        """
        state = {
            "network": self.network.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "epoch": self.epoch,
            "scaling": asdict(self.source.scaling),
        }
        torch.save(state, folder / STATE)

    def restore(self, folder: Path) -> None:
        """Go on from what `save` wrote."""
        state = torch.load(folder / STATE, map_location=self.device, weights_only=True)
        self.network.load_state_dict(state["network"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.epoch = state["epoch"]

    def _generator(self, purpose: str) -> torch.Generator:
        # On the CPU also for a GPU, so that both devices train on the same draws.
        return torch.Generator().manual_seed(stream(self.seed, purpose, self.epoch))


def _source(recipe: Recipe, images: Images, train_index: Tensor, seed: int) -> Source:
    device, channels = train_index.device, recipe.data.shape.channels
    train, share = train_index.cpu().numpy(), recipe.data.label_noise
    labels = with_label_noise(images.labels, train, share, recipe.data.shape.classes, seed)
    pixels = torch.from_numpy(images.pixels).to(device)
    normalise = recipe.augment.normalise
    scaling = Scaling.measured(pixels, train_index, channels) if normalise else Scaling.to_unit(channels, device)
    return Source(pixels, torch.from_numpy(labels).to(device), scaling)
