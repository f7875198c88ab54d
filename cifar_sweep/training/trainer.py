"""Train one network, epoch by epoch."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from cifar_sweep.augment import Augmentation, Mixed, Source
from cifar_sweep.device.exchange import send
from cifar_sweep.device.finite import FiniteCheck
from cifar_sweep.inference.image_predictions import PredictionLog
from cifar_sweep.inference.metrics import Tally, tally_images
from cifar_sweep.inference.precision import resolve_precision
from cifar_sweep.inference.trained import STATE
from cifar_sweep.models.network import Network
from cifar_sweep.optim import apply_schedule, make_optimizer
from cifar_sweep.optim.update import Update
from cifar_sweep.recipe import Recipe
from cifar_sweep.techniques.pseudo_labels import PseudoLabels
from cifar_sweep.techniques.simclr import Pretraining
from cifar_sweep.training.early_stopping import Patience
from cifar_sweep.training.ema import Average
from cifar_sweep.training.execution import Eager, Execution, make_execution
from cifar_sweep.training.graph import Result
from cifar_sweep.training.initial import initial_network
from cifar_sweep.training.lookahead import Lookahead
from cifar_sweep.training.loss import Objective
from cifar_sweep.training.training_set import TrainingSet
from cifar_sweep.transfer import freeze
from sweeps.workload import Run, stream

STEPS_BETWEEN_CHECKS = 25  # few enough to cost nothing, and a divergence wastes no more than some steps


def draw_seed(recipe: Recipe, run: Run) -> int:
    """Return the seed of everything that `run` draws, except its split. It differs for each value of `draws`."""
    return stream(run.seed, "draws", recipe.draws) if recipe.draws else run.seed


@dataclass
class Trainer:
    """A network with all that trains it.

    Attributes:
        recipe: The recipe.
        seed: Seed of all draws.
        images: The images to train on and those held out.
        network: The network to train.
        optimizer: Its optimizer.
        objective: Its loss.
        patience: The early stopping.
        average: The moving average of the weights; None without `ema`.
        lookahead: The slow weights; None without `lookahead`.
        pseudo: The labels that the network gives itself; None without `pseudo_labels`.
        pretraining: The pre-training before the first epoch; None without `pretrain`.
        epoch: Number of finished epochs.
        stopped: Whether early stopping has ended the training.
        confusion: (classes, classes) counts of the last validation, true classes by row, predicted ones by column.
        keeps_predictions: Whether validation keeps the prediction for each image.
        predictions: Those of the last validation, in the order of `images.validation`; None where none are kept.
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
    keeps_predictions: bool = False
    predictions: PredictionLog | None = None

    def __post_init__(self) -> None:
        self.device = self.images.train.device
        # Also on the CPU, where the order of an epoch is drawn, so that no epoch fetches it from a GPU.
        self._train_index = self.images.train.cpu()
        self.precision = resolve_precision(self.recipe.precision, self.device.type)
        self.update = Update(
            self.optimizer,
            self.network,
            max_norm=self.recipe.regularization.grad_clip,
            fp16=self.precision == "fp16",
            momentum_varies=self.recipe.schedule.varies_momentum,
        )
        self.eager = Eager(self.network, self.objective, self.precision, self.update)
        self.execution: Execution = self.eager
        self._start_averages()

    @classmethod
    def start(cls, recipe: Recipe, run: Run) -> Trainer:
        """Return a trainer before its first epoch.

        Raises:
            Unavailable: The data, the initial weights or the teacher are missing.
            ValueError: They do not fit the recipe, or there are fewer images to train on than one batch has.
        """
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
            keeps_predictions=run.keeps_predictions,
        )
        trainer._add_techniques()
        trainer.execution = make_execution(recipe, trainer.eager, trainer.device, run.log)
        return trainer

    def _start_averages(self) -> None:
        """Start `ema` and `lookahead`, where the recipe has them, from the present weights."""
        regularization = self.recipe.regularization
        if regularization.ema is not None:
            self.average = Average(self.network, regularization.ema)
        if regularization.lookahead is not None:
            self.lookahead = Lookahead(regularization.lookahead, self.network)

    def _add_techniques(self) -> None:
        recipe, images = self.recipe, self.images
        if recipe.pseudo_labels is not None:
            self.pseudo = PseudoLabels(recipe.pseudo_labels, images.unlabelled, images.truth)
        if recipe.pretrain is not None:
            index = torch.cat([images.train, images.unlabelled]).cpu()
            self.pretraining = Pretraining(
                recipe.pretrain, self.network, images.source, index, recipe.data.shape, self.seed, self.precision
            )

    @property
    def finished(self) -> bool:
        """Whether the last epoch is done or early stopping has ended the training."""
        return self.stopped or self.epoch >= self.recipe.epochs

    @property
    def evaluated(self) -> nn.Module:
        """The network to validate and save: the averaged one with `ema`, else the trained one."""
        return self.network if self.average is None else self.average.network

    def pretrain_epoch(self) -> bool:
        """Pre-train for one epoch; return False, having done nothing, where no such epoch remains."""
        if self.pretraining is None or self.pretraining.finished or self.finished:
            return False
        self.pretraining.run_epoch()
        if self.pretraining.finished:
            self._start_averages()  # from the pre-trained weights, not from the initial ones
        return True

    def run_epoch(self) -> dict[str, float]:
        """Train for one epoch and validate. A loss that is not finite ends the epoch early.

        Returns:
            `train_loss` and `val_loss` in nats, `train_accuracy` and `val_accuracy` in percent, `lr` at the last step,
            `seconds` of training and validation, `images_per_s` of training alone, and the figures of the techniques.
            Without held-out images there are no `val_` figures. `seconds` of the first epoch include pre-training.
            The host waits for the device twice: for the figures of training, whose time is taken then, and for those
            of validation.
        """
        started = time.perf_counter()
        tally = self.train_epoch()
        train_loss, train_accuracy = tally.means()
        train_s = time.perf_counter() - started
        validation = self._validation_metrics(diverged=math.isnan(train_loss))
        pretraining_s = self.pretraining.seconds if self.pretraining and self.epoch == 0 else 0.0
        self.end_epoch(validation.get("val_accuracy"))
        return {
            "train_loss": train_loss,
            "train_accuracy": train_accuracy,
            **validation,
            **{name: figure for part in self._techniques().values() for name, figure in part.figures().items()},
            "lr": self.rate,
            "seconds": pretraining_s + time.perf_counter() - started,
            "images_per_s": tally.count / train_s,
        }

    @property
    def rate(self) -> float:
        """The body's learning rate at the last step."""
        return float(self.optimizer.param_groups[0]["lr"])

    def end_epoch(self, accuracy: float | None = None) -> None:
        """Count an epoch and decide whether training stops early, by its validation accuracy in percent, if any."""
        self.epoch += 1
        self.stopped = self.patience.stops(self.epoch, accuracy)

    def _training_images(self) -> tuple[Tensor, Source]:
        """Return the index, on the CPU, and source of this epoch's images; pseudo-labelled ones follow the others."""
        source = self.images.source
        if self.pseudo is None:
            return self._train_index, source
        if self.pseudo.due(self.epoch):
            self.pseudo.label(self.evaluated, source, self.precision)
        return self.pseudo.extend(self._train_index, source)

    def train_epoch(self) -> Tally:
        """Train on all images in random order; a last incomplete batch is left out.

        A loss that is not finite ends the epoch early. The host does not wait for the device, but to give
        pseudo-labels.
        """
        index, source = self._training_images()
        recipe, size, count = self.recipe, self.recipe.images_per_step, len(index)
        order = index[torch.randperm(count, generator=self._generator("order"))]
        drawn = Augmentation.drawn(recipe.augment, recipe.data.shape, count, self.seed, self.epoch, self.device, order)
        [order] = send([order], self.device)
        self.begin_epoch()
        tally, steps, finite = self.eager.tally, count // size, FiniteCheck(self.device)
        tally.reset()
        for step, mixed in enumerate(drawn.batches(source, order, size)):
            steps_done = self.epoch * steps + step
            apply_schedule(recipe.schedule, self.optimizer, recipe.optimizer.lr, steps_done, steps, recipe.epochs)
            self.learn(mixed)
            if self.lookahead is not None:
                self.lookahead.update(self.network, steps_done + 1, recipe.epochs * steps)
            if step % STEPS_BETWEEN_CHECKS == 0 and not finite(tally.loss):
                break
        return tally

    def begin_epoch(self) -> None:
        """Prepare the steps of an epoch: dropout's generator, the layers' modes, frozen parameters."""
        torch.manual_seed(stream(self.seed, "dropout", self.epoch))
        self.network.train()
        freeze(self.network, self.recipe.transfer, self.epoch)
        self.execution.begin_epoch()

    def learn(self, mixed: Mixed) -> Result:
        """Train on one batch: forward and backward pass, update of the weights, tally, update of the average.

        Nothing here waits for a GPU: no number is read from a tensor and no memory is copied synchronously.

        Returns:
            The loss () and the logits (B, classes), detached. Both may be overwritten by the next call.
        """
        result = self.execution(mixed)
        if self.average is not None:
            self.average.update(self.network)
        return result

    def validate(self) -> Tally:
        """Return loss (without label smoothing), accuracy and confusions of the held-out images."""
        images, recipe = self.images, self.recipe
        predictions, classes = PredictionLog() if self.keeps_predictions else None, recipe.data.shape.classes
        return tally_images(
            self.evaluated, images.source, images.validation, self.precision, classes, recipe.tta, predictions
        )

    def _validation_metrics(self, diverged: bool) -> dict[str, float]:
        if len(self.images.validation) == 0:
            return {}
        if diverged:
            return {"val_loss": math.nan, "val_accuracy": math.nan}
        tally = self.validate()
        self.confusion, self.predictions = tally.confusion, tally.predictions
        loss, accuracy = tally.means()
        return {"val_loss": loss, "val_accuracy": accuracy}

    def saved_state(self) -> dict[str, Any]:
        """Return what a checkpoint holds. Its `network` is the evaluated network, for whoever loads the model.

        The tensors are those that training goes on to change. The state of a finished training leaves out the
        optimizer, which is as large as a network: nothing continues from it.
        """
        state = self.progress() if self.finished else self.state_dict()
        return {**state, "network": self.evaluated.state_dict(), "scaling": dict(vars(self.images.source.scaling))}

    def save(self, folder: Path) -> None:
        """Write the state into `folder`."""
        torch.save(self.saved_state(), folder / STATE)

    def restore(self, folder: Path) -> None:
        """Continue from what `save` wrote into `folder`."""
        self.load_state_dict(torch.load(folder / STATE, map_location=self.device, weights_only=True))

    def state_dict(self) -> dict[str, Any]:
        """Return what training continues from; the step and all draws follow from the epoch."""
        weights: dict[str, Any] = {"network": self.network.state_dict()}
        if self.average is not None:
            weights = {"average": self.average.state_dict(), "unaveraged": self.network.state_dict()}
        if self.lookahead is not None:
            weights["lookahead"] = self.lookahead.state_dict()
        return {
            **weights,
            **self.progress(),
            **self.update.state_dict(),
            **{name: part.state_dict() for name, part in self._techniques().items()},
        }

    def progress(self) -> dict[str, Any]:
        """Return the finished epochs and the state of early stopping."""
        return {"epoch": self.epoch, "stopped": self.stopped, "patience": self.patience.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from a `state_dict`; of a finished training only the evaluated network is loaded."""
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
        self.update.load_state_dict(state)
        for name, part in self._techniques().items():
            part.load_state_dict(state[name])

    def _techniques(self) -> dict[str, PseudoLabels | Pretraining]:
        """Return the techniques that the recipe has, by their key in the state."""
        parts = {"pseudo": self.pseudo, "pretraining": self.pretraining}
        return {name: part for name, part in parts.items() if part is not None}

    def _generator(self, purpose: str) -> torch.Generator:
        # On the CPU also for a GPU, so that both devices train on the same draws.
        return torch.Generator().manual_seed(stream(self.seed, purpose, self.epoch))
