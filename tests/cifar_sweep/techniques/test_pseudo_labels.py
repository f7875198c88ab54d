"""Pseudo-labels: what joins the training, when, and what must never be looked at."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from cifar_sweep.augment import Scaling, Source
from cifar_sweep.data.formats import Images
from cifar_sweep.data.split import load_training
from cifar_sweep.recipe import Recipe
from cifar_sweep.recipe.pseudo import PseudoLabelRecipe
from cifar_sweep.techniques.pseudo_labels import HIDDEN, PseudoLabels, append_unlabelled, hide_labels
from cifar_sweep.train import Trainer

TIMES = {"seconds", "images_per_s"}
SEMI = {
    "data__unlabelled": {"share": 0.6},
    "data__train_limit": None,
    "data__validation": 600,
    "epochs": 4,
    "pseudo_labels": {"threshold": 0.6, "start_epoch": 2, "every": 1},
}


class Brightness(nn.Module):
    """Two classes, dark and bright; the more extreme the pixel, the surer."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        value = images.flatten(1).mean(1)
        return torch.stack([-value, value], dim=1)


def exact(rows: list[Mapping[str, float]]) -> list[dict[str, float]]:
    kept = [{name: value for name, value in row.items() if name not in TIMES} for row in rows]
    return [{name: "nan" if math.isnan(value) else value for name, value in row.items()} for row in kept]  # nan != nan


def brightness(values: list[int], labels: list[int]) -> Source:
    pixels = torch.tensor(values, dtype=torch.uint8)[:, None, None, None].expand(-1, 2, 2, 1).contiguous()
    scaling = Scaling(torch.tensor([4 / 255]), torch.tensor([-2.0]))
    return Source(pixels, torch.tensor(labels), scaling)


def labelled(threshold: float) -> tuple[PseudoLabels, Source]:
    source = brightness([0, 255, 0, 255, 120, 135], [0, 1, HIDDEN, HIDDEN, HIDDEN, HIDDEN])
    recipe = PseudoLabelRecipe(threshold=threshold, start_epoch=1)
    pseudo = PseudoLabels(recipe, torch.tensor([2, 3, 4, 5]), truth=torch.tensor([0, 0, 0, 1]))
    pseudo.label(Brightness(), source, "fp32")
    return pseudo, source


def test_only_images_that_the_network_is_sure_of_join_the_training():
    pseudo, source = labelled(threshold=0.95)
    index, extended = pseudo.extend(torch.tensor([0, 1]), source)
    assert index.tolist() == [0, 1, 2, 3]
    assert extended.labels.tolist() == [0, 1, 0, 1, HIDDEN, HIDDEN]
    assert source.labels.tolist() == [0, 1, HIDDEN, HIDDEN, HIDDEN, HIDDEN]


def test_a_threshold_of_zero_labels_everything():
    pseudo, source = labelled(threshold=0.0)
    assert pseudo.extend(torch.tensor([0]), source)[0].tolist() == [0, 2, 3, 4, 5]


def test_every_labelling_replaces_the_one_before():
    pseudo, source = labelled(threshold=0.95)
    pseudo.label(Brightness(), brightness([0, 255, 255, 120, 120, 0], [0, 1, *[HIDDEN] * 4]), "fp32")
    index, extended = pseudo.extend(torch.tensor([0, 1]), source)
    assert index.tolist() == [0, 1, 2, 5]
    assert extended.labels[index].tolist() == [0, 1, 1, 0]


def test_figures_count_the_labelled_and_the_right_among_them():
    assert labelled(threshold=0.95)[0].figures() == {"pseudo_labelled": 2.0, "pseudo_accuracy": 50.0}
    assert labelled(threshold=0.0)[0].figures() == {"pseudo_labelled": 4.0, "pseudo_accuracy": 75.0}
    nothing = PseudoLabels(PseudoLabelRecipe(), torch.tensor([1, 2]), truth=torch.tensor([0, 0])).figures()
    assert nothing["pseudo_labelled"] == 0
    assert math.isnan(nothing["pseudo_accuracy"])
    assert PseudoLabels(PseudoLabelRecipe(), torch.tensor([1, 2])).figures() == {"pseudo_labelled": 0.0}


@pytest.mark.parametrize(("every", "due"), [(1, [3, 4, 5, 6, 7]), (2, [3, 5, 7]), (None, [3])])
def test_labellings_come_at_the_start_epoch_and_then_every_so_many(every, due):
    pseudo = PseudoLabels(PseudoLabelRecipe(start_epoch=3, every=every), torch.tensor([0]))
    assert [epoch for epoch in range(8) if pseudo.due(epoch)] == due


def test_the_state_brings_back_the_labels():
    pseudo, source = labelled(threshold=0.95)
    other = PseudoLabels(pseudo.recipe, pseudo.unlabelled)
    other.load_state_dict(pseudo.state_dict())
    assert other.extend(torch.tensor([0]), source)[0].tolist() == [0, 2, 3]


def test_images_of_a_file_stand_behind_the_training_images_without_labels():
    pixels = np.arange(2 * 4 * 4 * 4, dtype=np.uint8).reshape(2, 4, 4, 4)
    images, index = append_unlabelled(Images(pixels, np.array([1, 0])), np.full((3, 4, 4, 3), 9, dtype=np.uint8))
    assert index.tolist() == [2, 3, 4]
    assert images.labels.tolist() == [1, 0, HIDDEN, HIDDEN, HIDDEN]
    assert np.array_equal(images.pixels[:2], pixels)
    assert images.pixels[2:, ..., :3].tolist() == np.full((3, 4, 4, 3), 9).tolist()
    assert not images.pixels[2:, ..., 3].any()


def test_hiding_labels_leaves_the_original_alone():
    images = Images(np.zeros((3, 2, 2, 1), np.uint8), np.array([2, 1, 0]))
    assert hide_labels(images, np.array([0, 2])).labels.tolist() == [HIDDEN, 1, HIDDEN]
    assert images.labels.tolist() == [2, 1, 0]


@pytest.mark.parametrize(("settings", "message"), [
    ({"pseudo_labels": {}}, "pseudo_labels is set but data.unlabelled is null"),
    ({"pseudo_labels": {"start_epoch": 5}, "epochs": 5, "data": {"unlabelled": {"share": 0.5}}},
     "pseudo_labels.start_epoch is 5 but epochs is 5"),
])  # fmt: skip
def test_a_recipe_without_a_use_for_pseudo_labels_is_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        Recipe.model_validate(settings)


def test_sure_images_are_trained_on_from_the_start_epoch(make_recipe, make_run, curve):
    rows = curve(make_recipe(**SEMI), make_run())
    counts = [row["pseudo_labelled"] for row in rows]
    assert counts[:2] == [0, 0]
    assert counts[3] > 0
    assert rows[3]["pseudo_accuracy"] > 50  # chance is 10


def test_validation_images_are_never_labelled_or_trained_on(make_recipe, make_run):
    everything = {"pseudo_labels": {"threshold": 0.0, "start_epoch": 1}}
    trainer = Trainer.start(make_recipe(**SEMI | everything), make_run())
    for _ in range(2):
        trainer.run_epoch()
    images = trainer.images
    joining, source = trainer.pseudo.extend(images.train, images.source)
    assert set(joining.tolist()) == {*images.train.tolist(), *images.unlabelled.tolist()}
    assert not set(images.validation.tolist()) & set(joining.tolist())
    assert torch.equal(source.labels[images.validation], images.source.labels[images.validation])
    assert images.source.labels[images.unlabelled].unique().tolist() == [HIDDEN]


def relabelling(hidden: np.ndarray) -> Callable[..., Any]:
    """`load_training` with the labels of the training images `hidden` replaced by others, after the split."""

    def load(*arguments: Any) -> Any:
        images, split = load_training(*arguments)
        labels = images.labels.copy()
        labels[hidden] = (labels[hidden] + 1) % 10
        return Images(images.pixels, labels, images.fit), split

    return load


def test_the_labels_of_the_unlabelled_share_change_nothing_but_the_diagnosis(make_recipe, make_run, curve, monkeypatch):
    recipe = make_recipe(**SEMI)
    hidden = Trainer.start(recipe, make_run()).images.unlabelled.numpy()
    before = exact(curve(recipe, make_run()))
    monkeypatch.setattr("cifar_sweep.training.training_set.load_training", relabelling(hidden))
    after = exact(curve(recipe, make_run()))
    assert [row.pop("pseudo_accuracy") for row in before] != [row.pop("pseudo_accuracy") for row in after]
    assert after == before


@pytest.mark.parametrize("stop_after", [2, 3, 4])
def test_a_resumed_curve_with_pseudo_labels_equals_the_uninterrupted(
    make_recipe, make_run, curve, tmp_path, stop_after
):
    recipe = make_recipe(**SEMI | {"pseudo_labels": {"threshold": 0.3, "start_epoch": 2, "every": None}})
    whole = exact(curve(recipe, make_run(folder=tmp_path / "whole")))
    curve(recipe, make_run(folder=tmp_path / "killed"), stop_after=stop_after)
    assert exact(curve(recipe, make_run(folder=tmp_path / "killed"))) == whole[stop_after - 1 :]
    assert whole[-1]["pseudo_labelled"] > 0


def test_the_epochs_before_the_first_labelling_are_those_without_pseudo_labels(make_recipe, make_run, curve):
    plain = exact(curve(make_recipe(**SEMI | {"pseudo_labels": None}), make_run()))
    semi = exact(curve(make_recipe(**SEMI), make_run()))
    assert [row["val_loss"] for row in semi[:2]] == [row["val_loss"] for row in plain[:2]]
    assert semi[3]["val_loss"] != plain[3]["val_loss"]
