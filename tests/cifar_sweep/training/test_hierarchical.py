"""A coarse and many fine classifiers: one distribution over the classes, trained level by level."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from cifar_sweep.cost import network_cost
from cifar_sweep.data.coarse import coarse_groups
from cifar_sweep.inference.trained import Trained
from cifar_sweep.models import build
from cifar_sweep.models.architectures.hierarchical import Hierarchical, level_accuracies
from cifar_sweep.models.initial_weights import initialise
from cifar_sweep.models.recipes.hierarchical import CIFAR100_GROUPS
from cifar_sweep.recipe import DataRecipe, Recipe
from cifar_sweep.schema import Shape
from cifar_sweep.train import Trainer
from cifar_sweep.training.hierarchical import HierarchyTrainer
from sweeps.artifacts.checkpoint import CheckpointFolder

GROUPS = [[9, 1, 4, 7], [0, 6, 8], [5, 3, 2]]
TIMES = {"seconds", "images_per_s"}
COARSE = {"name": "resnet", "blocks": [1], "widths": [8], "strides": [2]}
FINE = {"name": "resnet", "blocks": [1, 1], "widths": [8, 16], "strides": [1, 2]}
SMALL = {
    "data": {"name": "digits", "validation": 300, "train_limit": 400},
    "augment": {"crop": 1, "flip": False},
    "model": {"name": "hierarchical", "coarse": COARSE, "fine": FINE, "groups": GROUPS},
    "epochs": 3,
    "batch_size": 64,
    "precision": "fp32",
}


def recipe_of(**sections: Any) -> Recipe:
    return Recipe.model_validate(SMALL | sections)


def exact(rows: list[Mapping[str, float]]) -> list[dict[str, float]]:
    return [{name: value for name, value in row.items() if name not in TIMES} for row in rows]


def untrained(seed: int = 0) -> Hierarchical:
    network = build(recipe_of().model, Shape(1, 8, 10))
    assert isinstance(network, Hierarchical)
    initialise(network, seed)
    return network.eval()


def images(count: int = 6) -> torch.Tensor:
    return torch.randn(count, 1, 8, 8, generator=torch.Generator().manual_seed(0))


class Fixed(nn.Module):
    """A network that always gives these logits."""

    def __init__(self, *logits: float) -> None:
        super().__init__()
        self.logits = torch.tensor([logits])

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.logits.expand(len(images), -1)


def test_logits_are_the_logarithms_of_probabilities_that_sum_to_one():
    logits = untrained()(images())
    assert logits.shape == (6, 10)
    assert torch.allclose(logits.exp().sum(dim=1), torch.ones(6), atol=1e-6)


def test_a_class_has_the_probability_of_its_group_times_its_own_within_it():
    coarse, first, second = torch.tensor([0.25, 0.75]), torch.tensor([0.1, 0.6, 0.3]), torch.tensor([0.5, 0.5])
    levels = [Fixed(*part.log().tolist()) for part in (coarse, first, second)]
    network = Hierarchical(((4, 0, 2), (1, 3)), levels[0], levels[1:])
    expected = [0.25 * 0.6, 0.75 * 0.5, 0.25 * 0.3, 0.75 * 0.5, 0.25 * 0.1]
    assert network(torch.zeros(2, 1, 8, 8)).exp().tolist() == [pytest.approx(expected)] * 2


def test_the_cross_entropy_of_the_whole_is_the_sum_of_those_of_the_levels():
    network, labels = untrained(), torch.tensor([0, 3, 9, 8, 2, 7])
    whole = cross_entropy(network(images()), labels, reduction="none").detach()
    for image, label, loss in zip(images(), labels.tolist(), whole, strict=True):
        group = next(k for k, members in enumerate(GROUPS) if label in members)
        coarse = cross_entropy(network.coarse(image[None]), torch.tensor([group]))
        fine = cross_entropy(network.fine[group](image[None]), torch.tensor([GROUPS[group].index(label)]))
        assert float(loss) == pytest.approx(float((coarse + fine).detach()), rel=1e-5)


def test_accuracies_of_the_levels_by_hand():
    network = Hierarchical(((0, 2, 4), (1, 3)), Fixed(0, 0), [Fixed(0, 0, 0), Fixed(0, 0)])
    probabilities = torch.tensor([
        [0.40, 0.35, 0.00, 0.25, 0.00],  # group 1 has 0.6, though class 0 is the likeliest class
        [0.20, 0.10, 0.40, 0.20, 0.10],  # group 0 has 0.7, and in it class 2
        [0.05, 0.60, 0.30, 0.05, 0.00],  # group 1 has 0.65, and in it class 1
        [0.10, 0.00, 0.10, 0.40, 0.40],  # group 0 has 0.6, and in it class 4
    ])  # fmt: skip
    accuracies = level_accuracies(network, probabilities.log(), torch.tensor([1, 0, 1, 4]))
    assert accuracies == {"coarse_accuracy": 100.0, "fine_accuracy": 75.0}
    others = level_accuracies(network, probabilities.log(), torch.tensor([0, 3, 2, 3]))
    assert others == {"coarse_accuracy": 0.0, "fine_accuracy": 100.0}


def test_other_networks_have_no_levels():
    assert level_accuracies(nn.Linear(2, 2), torch.zeros(3, 2), torch.zeros(3).long()) == {}


def test_cost_is_that_of_all_levels():
    model, shape = recipe_of().model, Shape(1, 8, 10)
    levels = [(model.coarse, 3), *((model.fine, len(group)) for group in GROUPS)]
    parts = [network_cost(recipe, Shape(1, 8, classes)) for recipe, classes in levels]
    assert network_cost(model, shape) == {name: sum(part[name] for part in parts) for name in parts[0]}


def test_architectures_of_the_levels_are_free_to_differ():
    model = {"name": "hierarchical", "coarse": {"name": "two_layer"}, "fine": COARSE, "groups": GROUPS}
    network = build(recipe_of(model=model).model, Shape(1, 8, 10))
    assert type(network.coarse) is not type(network.fine[0])
    assert network(images()).shape == (6, 10)


def test_groups_of_cifar100_are_those_of_its_files(unpacked: Callable[[str], Path]):
    assert coarse_groups(DataRecipe(name="cifar100"), unpacked("cifar100-mini")) == CIFAR100_GROUPS
    recipe = Recipe.model_validate({"data": {"name": "cifar100"}, "model": {"name": "hierarchical"}})
    assert recipe.model.groups_of(100) == CIFAR100_GROUPS
    assert sorted(np.concatenate(CIFAR100_GROUPS)) == list(range(100))


@pytest.mark.parametrize("groups", ["auto", [[0, 1, 2, 3, 4], [5, 6, 7, 8, 9]]])
def test_a_recipe_survives_being_written_down(groups):
    data = {"name": "cifar100" if groups == "auto" else "cifar10"}
    recipe = Recipe.model_validate({"data": data, "model": {"name": "hierarchical", "groups": groups}})
    assert Recipe.model_validate(recipe.model_dump(mode="json")) == recipe


@pytest.mark.parametrize(("change", "message"), [
    ({"groups": [[0, 1], [1, 2, 3, 4, 5, 6, 7, 8, 9]]}, "each class once, but class 1 is in 2"),
    ({"groups": [[0, 1], [2, 3]]}, "each class once, but class 4 is in 0"),
    ({"groups": [[0, 1, 2, 3, 4], [5, 6, 7, 8, 9, 10]]}, "has class 10, but the data has only classes 0 to 9"),
    ({"groups": "auto"}, "the data is digits with 10 classes: give the groups as lists"),
    ({"groups": [[0], [1, 2]]}, "two or more groups of two or more class indices"),
    ({"groups": [[0, 1]]}, "two or more groups of two or more class indices"),
    ({"groups": "coarse"}, "two or more groups of two or more class indices"),
    ({"fine": {"name": "hierarchical"}}, "hierarchical"),
    ({"coarse": {"head": {"text": {}}}}, "head.text is set but the levels of a hierarchical model take none"),
])  # fmt: skip
def test_groups_and_levels_that_cannot_be_are_refused(change, message):
    with pytest.raises(ValueError, match=message):
        recipe_of(model=SMALL["model"] | change)


@pytest.mark.parametrize(("key", "sections"), [
    ("pretrain", {"pretrain": {}}),
    ("pseudo_labels", {"pseudo_labels": {"start_epoch": 1}, "data": SMALL["data"] | {"unlabelled": {"share": 0.5}}}),
    ("distillation", {"distillation": {"teacher": "study:1"}}),
    ("transfer.weights", {"transfer": {"weights": "study:1"}}),
])  # fmt: skip
def test_techniques_that_want_a_single_head_are_refused(key, sections):
    with pytest.raises(ValueError, match=f"its levels are trained separately, so {re.escape(key)} must"):
        recipe_of(**sections)


def test_digits_are_learned_in_groups(make_run, curve):
    rows = curve(recipe_of(data={"name": "digits", "validation": 300}, epochs=6), make_run())
    last = rows[-1]
    assert last["val_accuracy"] > 75
    assert last["val_coarse_accuracy"] > 75
    assert last["val_fine_accuracy"] > 85
    assert last["val_accuracy"] <= last["val_fine_accuracy"]
    assert last["train_loss"] < rows[0]["train_loss"]
    assert last["val_loss"] < rows[0]["val_loss"]


def test_each_level_sees_its_own_images_and_labels(make_run):
    trainer = HierarchyTrainer.start(recipe_of(), make_run())
    coarse, *fine = trainer.levels
    labels = trainer.images.source.labels
    assert torch.equal(coarse.images.train, trainer.images.train)
    for level, members in zip(fine, GROUPS, strict=True):
        index = level.images.train
        assert set(labels[index].tolist()) == set(members)
        assert [members[place] for place in level.images.source.labels[index].tolist()] == labels[index].tolist()
    assert sorted(torch.cat([level.images.train for level in fine]).tolist()) == sorted(trainer.images.train.tolist())
    groups = coarse.images.source.labels[coarse.images.train]
    assert all(
        label in GROUPS[k] for label, k in zip(labels[coarse.images.train].tolist(), groups.tolist(), strict=True)
    )
    assert all(len(level.images.validation) == 0 for level in trainer.levels)


def test_the_head_of_each_level_has_its_own_learning_rate(make_run):
    trainer = HierarchyTrainer.start(recipe_of(transfer={"head_lr": 10.0}), make_run())
    for level in trainer.levels:
        rates = {id(p): group["lr"] for group in level.optimizer.param_groups for p in group["params"]}
        heads = {id(p) for p in level.network.head.parameters()}
        assert {rates[p] for p in heads} == {10 * rates[p] for p in rates.keys() - heads}


def test_the_coarse_level_sees_the_batches_of_a_plain_classifier(make_run):
    plain = Trainer.start(recipe_of(model=FINE), make_run())
    coarse_level = HierarchyTrainer.start(recipe_of(), make_run()).levels[0]
    seen: list[list[torch.Tensor]] = [[], []]
    for trainer, into in zip((plain, coarse_level), seen, strict=True):
        trainer.network.register_forward_pre_hook(lambda _, inputs, into=into: into.append(inputs[0].clone()))
        trainer.run_epoch()
    batches = len(plain.images.train) // 64
    assert all(torch.equal(a, b) for a, b in zip(seen[0][:batches], seen[1][:batches], strict=True))


def test_figures_of_an_epoch_are_those_of_its_levels(make_run):
    trainer = HierarchyTrainer.start(recipe_of(epochs=4), make_run())
    row = [trainer.run_epoch() for _ in range(4)][-1]
    network, index = trainer.evaluated.eval(), trainer.images.validation
    pixels, labels = trainer.images.source.batch(index)
    with torch.no_grad():
        logits, coarse = network(pixels), network.coarse(pixels)
    assert row["val_accuracy"] == pytest.approx(100 * float((logits.argmax(1) == labels).float().mean()))
    assert row["val_loss"] == pytest.approx(float(cross_entropy(logits, labels)), rel=1e-5)
    group = torch.tensor([next(k for k, of in enumerate(GROUPS) if label in of) for label in labels.tolist()])
    assert row["val_coarse_accuracy"] == pytest.approx(100 * float((coarse.argmax(1) == group).float().mean()))
    right = 0
    for k, members in enumerate(GROUPS):
        with torch.no_grad():
            predicted = network.fine[k](pixels[group == k]).argmax(1).tolist()
        right += sum(
            members[place] == label for place, label in zip(predicted, labels[group == k].tolist(), strict=True)
        )
    assert row["val_fine_accuracy"] == pytest.approx(100 * right / len(labels))
    assert int(trainer.confusion.sum()) == len(labels)


@pytest.mark.parametrize(
    ("stop_after", "regularization"), [(2, {}), (3, {"ema": 0.9, "early_stopping": {"patience": 2}})]
)
def test_resumed_curve_equals_uninterrupted(make_run, curve, tmp_path, stop_after, regularization):
    recipe = recipe_of(regularization=regularization)
    whole = exact(curve(recipe, make_run(folder=tmp_path / "whole")))
    curve(recipe, make_run(folder=tmp_path / "killed"), stop_after=stop_after)
    assert exact(curve(recipe, make_run(folder=tmp_path / "killed"))) == whole[stop_after - 1 :]


@pytest.mark.parametrize("ema", [None, 0.9])
def test_what_is_saved_is_the_network_that_was_validated_with_every_weight_once(make_run, tmp_path, ema):
    recipe, run = recipe_of(regularization={"ema": ema}), make_run(folder=tmp_path / "run")
    trainer = HierarchyTrainer.start(recipe, run)
    trainer.run_epoch()
    with run.checkpoint() as folder:
        trainer.save(folder)
    saved = CheckpointFolder(tmp_path / "run" / "checkpoint").restore()[0]
    trained = Trained.load(recipe, saved, torch.device("cpu"))
    pixels, _ = trainer.images.source.batch(trainer.images.validation)
    with torch.no_grad():
        assert torch.equal(trained.network(pixels), trainer.evaluated.eval()(pixels))
    parameters = sum(parameter.numel() for parameter in trainer.network.parameters())
    copies = 2 + (ema is not None)  # the weights, the momentum of sgd, the average
    assert (saved / "state.pt").stat().st_size < 4 * parameters * (copies + 1) + 300_000


def test_a_final_run_holds_nothing_out(make_run, curve):
    rows = curve(recipe_of(epochs=1), make_run(final=True))
    assert not any(name.startswith("val_") for name in rows[0])


def test_a_level_that_diverges_ends_the_run(make_run, curve):
    model = SMALL["model"] | {"coarse": COARSE | {"norm": "none"}, "fine": FINE | {"norm": "none"}}
    schedule, optimizer = {"warmup_epochs": 0}, {"lr": 1e30}
    rows = curve(recipe_of(model=model, schedule=schedule, optimizer=optimizer), make_run())
    assert len(rows) == 1
    assert all(math.isnan(rows[0][name]) for name in ("train_loss", "val_loss", "val_accuracy", "val_fine_accuracy"))


def test_a_group_without_images_to_train_on_is_refused(make_run, tmp_path):
    pixels, labels = np.zeros((40, 8, 8, 1), np.uint8), np.arange(40) % 3
    np.savez(tmp_path / "some.npz", x_train=pixels, y_train=labels, x_test=pixels, y_test=labels)
    data = {"name": "npz", "path": str(tmp_path / "some.npz"), "size": 8, "channels": 1, "classes": 5, "validation": 4}
    model = SMALL["model"] | {"groups": [[0, 1, 2], [3, 4]]}
    with pytest.raises(ValueError, match="only 0 training images are of the classes 3, 4"):
        HierarchyTrainer.start(recipe_of(data=data, model=model, batch_size=8), make_run())
