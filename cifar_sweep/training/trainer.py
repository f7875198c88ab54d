"""One network on its way through the epochs."""

from __future__ import annotations

import math
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from cifar_sweep.augment import Augmentation, Mixed, Source
from cifar_sweep.inference.metrics import Tally, count_up
from cifar_sweep.inference.precision import resolve_precision
from cifar_sweep.models.network import Network
from cifar_sweep.optim import follow, make_optimizer
from cifar_sweep.recipe import Recipe
from cifar_sweep.techniques.pseudo_labels import PseudoLabels
from cifar_sweep.techniques.simclr import Pretraining
from cifar_sweep.training.early_stopping import Patience
from cifar_sweep.training.ema import Average
from cifar_sweep.training.execution import Eager, Execution, Result, execution_of
from cifar_sweep.training.initial import initial_network
from cifar_sweep.training.lookahead import Lookahead
from cifar_sweep.training.loss import Objective
from cifar_sweep.training.training_set import TrainingSet
from cifar_sweep.transfer import freeze
from sweeps.workload import Run, stream

STATE = "state.pt"
STEPS_BETWEEN_CHECKS = 25  # a look at the loss makes a GPU wait, so it is not taken at every step


def draw_seed(recipe: Recipe, run: Run) -> int:
    """The seed of everything that `run` draws besides its split."""
    return stream(run.seed, "draws", recipe.draws) if recipe.draws else run.seed


@dataclass
class Trainer:
    """The network with all that trains it. `epoch` counts the epochs that are done.

    `average`, `lookahead`, `pseudo` and `pretraining` are None where the recipe does without. `confusion` (classes,
    classes) has what the last validation took for what, true classes by row; `stopped` says that early stopping has
    ended it.
    """

    recipe: Recipe
    seed: int
    images: TrainingSet
    network: Network
    optimizer: torch.optim.Optimizer
    objective: Objective
    patience: Patience
    average: Average | None = field(default=None, init=False)
    lookahead: Lookahead | None = field(default=None, init=False)
    pseudo: PseudoLabels | None = None
    pretraining: Pretraining | None = None
    epoch: int = 0
    stopped: bool = False
    confusion: Tensor | None = None

    def __post_init__(self) -> None:
        self.device = self.images.train.device
        self.precision = resolve_precision(self.recipe.precision, self.device.type)
        self.eager = Eager(self.network, self.objective, self.precision)
        self.execution: Execution = self.eager
        self._average_weights()

    @classmethod
    def start(cls, recipe: Recipe, run: Run) -> Trainer:
        """A trainer before its first epoch. Raises ValueError when the data has less than one batch to train on."""
        seed = draw_seed(recipe, run)
        images = TrainingSet.of(recipe, run, seed)
        network = initial_network(recipe, run, seed, images)
        trainer = cls(
            recipe=recipe,
            seed=seed,
            images=images,
            network=network,
            optimizer=make_optimizer(recipe.optimizer, network, recipe.transfer.head_lr),
            objective=Objective.of(recipe, images.source.scaling, run),
            patience=Patience(recipe.regularization.early_stopping),
        )
        trainer._add_techniques()
        trainer.execution = execution_of(recipe, trainer.eager, trainer.device, run.log)
        return trainer

    def _average_weights(self) -> None:
        """Begin to average the weights as they are now, where the recipe says so."""
        chosen = self.recipe.regularization
        if chosen.ema is not None:
            self.average = Average(self.network, chosen.ema)
        if chosen.lookahead is not None:
            self.lookahead = Lookahead(chosen.lookahead, self.network)

    def _add_techniques(self) -> None:
        recipe, images = self.recipe, self.images
        if recipe.pseudo_labels is not None:
            self.pseudo = PseudoLabels(recipe.pseudo_labels, images.unlabelled, images.truth)
        if recipe.pretrain is not None:
            index = torch.cat([images.train, images.unlabelled])
            self.pretraining = Pretraining(
                recipe.pretrain, self.network, images.source, index, recipe.data.shape, self.seed, self.precision
            )

    @property
    def finished(self) -> bool:
        """Whether the last epoch is done, or early stopping has ended the training."""
        return self.stopped or self.epoch >= self.recipe.epochs

    @property
    def evaluated(self) -> nn.Module:
        """The network that counts: the averaged one where weights are averaged."""
        return self.network if self.average is None else self.average.network

    def pretrain_epoch(self) -> bool:
        """One epoch of pre-training; False, and nothing done, where none is left."""
        if self.pretraining is None or self.pretraining.finished or self.finished:
            return False
        self.pretraining.run_epoch()
        if self.pretraining.finished:
            self._average_weights()
        return True

    def run_epoch(self) -> dict[str, float]:
        """Train for one epoch and validate; a loss that is not finite ends it at once.

        The first epoch's `seconds` have those of the pre-training in them.
        """
        started = time.perf_counter()
        index, source = self._labelled()
        trained = self._train_epoch(index, source)
        train_loss, train_accuracy = trained.means()
        trained_s = time.perf_counter() - started
        held_out = self._held_out(diverged=math.isnan(train_loss))
        before_s = self.pretraining.seconds if self.pretraining and self.epoch == 0 else 0.0
        self.epoch += 1
        self.stopped = self.patience.stops(self.epoch, held_out.get("val_accuracy"))
        return {
            "train_loss": train_loss,
            "train_accuracy": train_accuracy,
            **held_out,
            **{name: figure for part in self._techniques().values() for name, figure in part.figures().items()},
            "lr": float(self.optimizer.param_groups[0]["lr"]),
            "seconds": before_s + time.perf_counter() - started,
            "images_per_s": trained.count / trained_s,
        }

    def _labelled(self) -> tuple[Tensor, Source]:
        """What this epoch trains on: the training images and those that the network has labelled itself."""
        images = self.images
        if self.pseudo is None:
            return images.train, images.source
        if self.pseudo.due(self.epoch):
            self.pseudo.label(self.evaluated, images.source, self.precision)
        return self.pseudo.extend(images.train, images.source)

    def _train_epoch(self, index: Tensor, source: Source) -> Tally:
        recipe, size, count = self.recipe, self.recipe.images_per_step, len(index)
        order = index[torch.randperm(count, generator=self._generator("order")).to(self.device)]
        drawn = Augmentation.drawn(recipe.augment, recipe.data.shape, count, self.seed, self.epoch, self.device, order)
        self.begin_epoch()
        tally, steps = Tally.empty(self.device), count // size
        for step in range(steps):
            batch = slice(step * size, (step + 1) * size)
            follow(
                recipe.schedule, self.optimizer, recipe.optimizer.lr, self.epoch * steps + step, steps, recipe.epochs
            )
            self._step(drawn, source, order[batch], batch, tally)
            if self.lookahead is not None:
                self.lookahead.update(self.network, self.epoch * steps + step + 1, recipe.epochs * steps)
            if step % STEPS_BETWEEN_CHECKS == 0 and not tally.finite():
                break
        return tally

    def begin_epoch(self) -> None:
        """Bring dropout's random numbers, the layers' modes and what is frozen to where the epoch wants them."""
        torch.manual_seed(stream(self.seed, "dropout", self.epoch))
        self.network.train()
        freeze(self.network, self.recipe.transfer, self.epoch)
        self.execution.renew()

    def _step(self, drawn: Augmentation, source: Source, index: Tensor, batch: slice, tally: Tally) -> None:
        mixed = drawn.mix(*drawn.batch(source, index, batch), batch)
        loss, logits = self.learn(mixed)
        tally.add(loss, logits, mixed.labels)

    def learn(self, mixed: Mixed) -> Result:
        """One step on a batch: forward and backward pass, the optimizer's step, the average's.

        Nothing in it waits for the device: no number is read from a tensor, no memory copied that a GPU must wait for.
        """
        clip = self.recipe.regularization.grad_clip
        loss, logits = self.execution(mixed)
        if clip is not None:
            nn.utils.clip_grad_norm_(self.network.parameters(), clip)
        self.optimizer.step()
        if self.average is not None:
            self.average.update(self.network)
        return loss, logits

    def validate(self) -> Tally:
        """Loss (without label smoothing), hits and confusions of the validation images."""
        images, classes = self.images, self.recipe.data.shape.classes
        return count_up(self.evaluated, images.source, images.validation, self.precision, classes, self.recipe.tta)

    def _held_out(self, diverged: bool) -> dict[str, float]:
        if len(self.images.validation) == 0:
            return {}
        if diverged:
            return {"val_loss": math.nan, "val_accuracy": math.nan}
        tally = self.validate()
        self.confusion = tally.confusion
        loss, accuracy = tally.means()
        return {"val_loss": loss, "val_accuracy": accuracy}

    def save(self, folder: Path) -> None:
        """Write the state into `folder`; `network` there is the network that counts, for whoever evaluates it.

        Of a finished training that is all: nobody goes on from there, and an optimizer is as large as a network.
        """
        state = self.progress() if self.finished else self.state_dict()
        evaluated = {"network": self.evaluated.state_dict(), "scaling": asdict(self.images.source.scaling)}
        torch.save(state | evaluated, folder / STATE)

    def restore(self, folder: Path) -> None:
        """Go on from what `save` wrote."""
        self.load_state_dict(torch.load(folder / STATE, map_location=self.device, weights_only=True))

    def state_dict(self) -> dict[str, Any]:
        """What the training goes on from; step and draws follow from the epoch."""
        weights: dict[str, Any] = {"network": self.network.state_dict()}
        if self.average is not None:
            weights = {"average": self.average.state_dict(), "unaveraged": self.network.state_dict()}
        if self.lookahead is not None:
            weights["lookahead"] = self.lookahead.state_dict()
        return {
            **weights,
            **self.progress(),
            "optimizer": self.optimizer.state_dict(),
            **{name: part.state_dict() for name, part in self._techniques().items()},
        }

    def progress(self) -> dict[str, Any]:
        """How far the training is."""
        return {"epoch": self.epoch, "stopped": self.stopped, "patience": self.patience.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from what `state_dict` gave, or stand where a finished training stood."""
        self.patience.load_state_dict(state["patience"])
        self.epoch, self.stopped = state["epoch"], state["stopped"]
        if self.finished:
            self.evaluated.load_state_dict(state["network"])
            return
        self.network.load_state_dict(state["network" if self.average is None else "unaveraged"])
        if self.average is not None:
            self.average.load_state_dict(state["average"])
        if self.lookahead is not None:
            self.lookahead.load_state_dict(state["lookahead"])
        self.optimizer.load_state_dict(state["optimizer"])
        for name, part in self._techniques().items():
            part.load_state_dict(state[name])

    def _techniques(self) -> dict[str, PseudoLabels | Pretraining]:
        parts = {"pseudo": self.pseudo, "pretraining": self.pretraining}
        return {name: part for name, part in parts.items() if part is not None}

    def _generator(self, purpose: str) -> torch.Generator:
        # On the CPU also for a GPU, so that both devices train on the same draws.
        return torch.Generator().manual_seed(stream(self.seed, purpose, self.epoch))
