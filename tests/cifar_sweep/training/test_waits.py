"""An epoch reads few numbers from its tensors, since each makes the host wait for a GPU, and its figures are exact."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from cifar_sweep.augment import Augmentation
from cifar_sweep.inference.metrics import measure
from cifar_sweep.optim import apply_schedule
from cifar_sweep.recipe import Recipe
from cifar_sweep.train import Trainer
from cifar_sweep.training import trainer as trainer_module
from cifar_sweep.training.hierarchical import HierarchyTrainer
from sweeps.workload import Run, stream

LEVEL = {"name": "resnet", "blocks": [1], "widths": [8], "strides": [2]}
HIERARCHICAL = {"name": "hierarchical", "coarse": LEVEL, "fine": LEVEL, "groups": [[9, 1, 4, 7], [0, 6, 8], [5, 3, 2]]}
SEMI: dict[str, Any] = {
    "data__unlabelled": {"share": 0.6},
    "data__validation": 600,
    "pseudo_labels": {"threshold": 0.1, "start_epoch": 1, "every": 1},
}
RECIPES: dict[str, dict[str, Any]] = {
    "plain": {},
    "alternating flip": {"augment__flip": "alternating"},
    "averages": {"regularization__ema": 0.9, "regularization__lookahead": {}, "regularization__grad_clip": 1.0},
    "early stopping": {"regularization__early_stopping": {"patience": 1}},
    "mixing": {"augment__mix": {"mixup": 0.2, "cutmix": 1.0}},
    "two views": {"tta": "mirror", "augment__crop_padding": "reflect"},
    "pseudo-labels": SEMI,
}

# Reads of tensors that are on the CPU in any case: the largest index, and the numbers of labelled and right images.
HOST_READS = {"alternating flip": 1, "pseudo-labels": 2}


class Operators(TorchDispatchMode):
    """Counts the operators that run."""

    def __init__(self) -> None:
        super().__init__()
        self.counts: Counter[str] = Counter()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.counts[func.overloadpacket.__name__] += 1
        return func(*args, **(kwargs or {}))


@contextmanager
def counted() -> Iterator[Counter[str]]:
    operators = Operators()
    with operators:
        yield operators.counts


@pytest.mark.parametrize("name", RECIPES)
def test_epoch_reads_a_number_only_to_check_that_the_loss_is_finite(
    name: str, make_recipe: Callable[..., Recipe], make_run: Callable[..., Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trainer_module, "STEPS_BETWEEN_CHECKS", 3)
    trainer = Trainer.start(make_recipe(**RECIPES[name]), make_run())
    trainer.run_epoch()
    with counted() as counts:
        trainer.run_epoch()
    steps = len(trainer._training_images()[0]) // 64
    assert steps > 3
    checks = -(-steps // 3)  # rounded up
    assert counts["_local_scalar_dense"] == checks + HOST_READS.get(name, 0)


def test_levels_are_read_together(make_recipe: Callable[..., Recipe], make_run: Callable[..., Run]) -> None:
    trainer = HierarchyTrainer.start(make_recipe(model=HIERARCHICAL, regularization__ema=0.9), make_run())
    trainer.run_epoch()
    with counted() as counts:
        trainer.run_epoch()
    checks = 2 * len(trainer.levels)  # in the first step of each, and after each
    assert counts["_local_scalar_dense"] == checks


def test_figures_are_those_of_reading_every_step(
    make_recipe: Callable[..., Recipe], make_run: Callable[..., Run]
) -> None:
    recipe = make_recipe(augment__flip="alternating", augment__mix={"mixup": 0.2, "cutmix": 1.0})
    figures = Trainer.start(recipe, make_run()).run_epoch()
    trainer = Trainer.start(recipe, make_run())
    loss, correct, count = 0.0, 0, 0
    for mixed in by_hand(trainer):
        step_loss, logits = trainer.learn(mixed)
        loss += step_loss.double().item() * len(mixed.labels)
        correct += int((logits.argmax(dim=1) == mixed.labels).sum())
        count += len(mixed.labels)
    images = trainer.images
    assert figures["train_loss"] == loss / count
    assert figures["train_accuracy"] == 100 * correct / count
    expected = measure(trainer.network, images.source, images.validation, "fp32")
    assert (figures["val_loss"], figures["val_accuracy"]) == expected


def by_hand(trainer: Trainer) -> Iterator[Any]:
    """The batches of the first epoch, and what precedes each step."""
    recipe, index = trainer.recipe, trainer.images.train
    size, count = recipe.images_per_step, len(index)
    generator = torch.Generator().manual_seed(stream(trainer.seed, "order", 0))
    order = index[torch.randperm(count, generator=generator)]
    drawn = Augmentation.drawn(recipe.augment, recipe.data.shape, count, trainer.seed, 0, trainer.device, order)
    trainer.begin_epoch()
    for step in range(count // size):
        batch = slice(step * size, (step + 1) * size)
        apply_schedule(recipe.schedule, trainer.optimizer, recipe.optimizer.lr, step, count // size, recipe.epochs)
        yield drawn.mix(*drawn.batch(trainer.images.source, order[batch], batch), batch)
