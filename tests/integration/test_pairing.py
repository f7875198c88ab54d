"""What two runs of one seed share, on the real digits, whatever their recipes differ in."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from cifar_sweep import workload
from cifar_sweep.data.split import with_label_noise
from cifar_sweep.recipe import Recipe
from cifar_sweep.train import Trainer
from sweeps.recipe.schema import merge
from sweeps.workload import Run
from tests.cifar_sweep.conftest import SMALL

LABELS = np.arange(2000) % 10
TRAIN = np.arange(0, 2000, 2)


def initial(make_run: Callable[..., Run], recipe: Recipe, **fields: Any) -> dict[str, Tensor]:
    return dict(Trainer.start(recipe, make_run(**fields)).network.named_parameters())


def shown(make_run: Callable[..., Run], recipe: Recipe, **fields: Any) -> Tensor:
    """The images of the first two epochs, in order, as the network gets them."""
    trainer, seen = Trainer.start(recipe, make_run(**fields)), []
    trainer.network.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].clone()))
    for _ in range(2):
        trainer.train_epoch()
        trainer.epoch += 1
    return torch.cat(seen)


def sides(make_run: Callable[..., Run], recipe: Recipe, **fields: Any) -> tuple[list[int], list[int]]:
    trainer = Trainer.start(recipe, make_run(**fields))
    return trainer.images.train.tolist(), trainer.images.validation.tolist()


def test_recipes_that_differ_only_in_dropout_start_from_identical_weights(make_recipe, make_run):
    ours, theirs = (initial(make_run, make_recipe(model__head__dropout=rate)) for rate in (0.0, 0.5))
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)


def test_removing_the_norm_layers_leaves_every_other_initial_weight_as_it_was(make_recipe, make_run):
    ours, theirs = (initial(make_run, make_recipe(model__norm=norm)) for norm in ("batch", "none"))
    kept = [name for name in ours if "norm" not in name]
    assert set(kept) <= theirs.keys()
    assert all(torch.equal(ours[name], theirs[name]) for name in kept)
    assert all(theirs[name].count_nonzero() == 0 for name in theirs.keys() - set(kept))  # biases, which stand in for it


@pytest.mark.parametrize("toggle", sorted(workload.TOGGLES))
def test_split_and_order_do_not_depend_on_the_recipe(make_run, toggle: str):
    named = {"attention": "cbam_cnn", "whitening": "airbench", "dirac_init": "airbench"}
    network = {"name": named[toggle], "widths": [8, 16]} if toggle in named else SMALL["model"]
    settings = merge(SMALL | {"model": network}, {"augment.crop": 0, "augment.flip": toggle == "alternating_flip"})
    base, without = (Recipe.model_validate(merge(settings, edit)) for edit in ({}, workload.TOGGLES[toggle]))
    assert sides(make_run, base) == sides(make_run, without)
    ours, theirs = shown(make_run, base), shown(make_run, without)
    if toggle == "normalise":  # the same images in other units
        ours, theirs = ((images - images.min()) / (images.max() - images.min()) for images in (ours, theirs))
    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-5 if toggle == "normalise" else 0)


def test_crops_off_and_on_mirror_the_same_images(make_recipe, make_run):
    mirrored = []
    for crop in (0, 2):
        with_flip, without = (
            shown(make_run, make_recipe(augment__crop=crop, augment__flip=flip)) for flip in (True, False)
        )
        mirrored.append((with_flip != without).flatten(1).any(dim=1))
    assert torch.equal(*mirrored)
    assert 0.4 < float(mirrored[0].float().mean()) < 0.6


def test_flips_off_and_on_shift_the_same_images_alike(make_recipe, make_run):
    with_flip, without = (shown(make_run, make_recipe(augment__crop=2, augment__flip=flip)) for flip in (True, False))
    agree = (with_flip == without).flatten(1).all(dim=1)
    assert 0.4 < float(agree.float().mean()) < 0.6


def test_another_split_seed_draws_another_split_and_leaves_the_weights(make_recipe, make_run):
    recipe = make_recipe()
    (train, held_out), (other_train, other_held_out) = (sides(make_run, recipe, split_seed=s) for s in (1, 2))
    assert train != other_train
    assert held_out != other_held_out
    ours, theirs = (initial(make_run, recipe, split_seed=s) for s in (1, 2))
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)


def test_another_seed_leaves_the_split(make_recipe, make_run):
    assert sides(make_run, make_recipe(), seed=1) == sides(make_run, make_recipe(), seed=2)


def test_other_draws_change_weights_order_crops_dropout_and_label_noise_but_not_the_split(make_recipe, make_run, curve):
    ours, theirs = (make_recipe(draws=draws, data__label_noise=0.2) for draws in (0, 1))
    assert sides(make_run, ours) == sides(make_run, theirs)
    assert not torch.equal(*(initial(make_run, recipe)["stem.conv.weight"] for recipe in (ours, theirs)))
    assert not torch.equal(shown(make_run, ours), shown(make_run, theirs))
    labels = [Trainer.start(recipe, make_run()).images.source.labels for recipe in (ours, theirs)]
    assert not torch.equal(*labels)


def test_zero_draws_leave_the_seed_as_it_is(make_recipe, make_run):
    assert make_recipe().draws == 0
    assert Trainer.start(make_recipe(), make_run(seed=5)).seed == 5
    assert Trainer.start(make_recipe(draws=1), make_run(seed=5)).seed != 5


def test_draws_are_paired_within_one_value_and_differ_between_seeds(make_recipe, make_run):
    recipe, dropout = make_recipe(draws=3), make_recipe(draws=3, model__head__dropout=0.5)
    assert torch.equal(shown(make_run, recipe), shown(make_run, dropout))
    assert not torch.equal(shown(make_run, recipe, seed=1), shown(make_run, recipe, seed=2))


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.999])
def test_label_noise_gives_its_share_of_the_training_labels_another_class(share: float):
    noisy = with_label_noise(LABELS, TRAIN, share, 10, seed=3)
    changed = noisy != LABELS
    assert changed.sum() == round(share * len(TRAIN))
    assert not changed[1::2].any()
    assert noisy.min() >= 0
    assert noisy.max() <= 9


def test_the_other_class_is_uniform_over_all_others():
    labels, everything = np.zeros(20_000, np.int64), np.arange(20_000)
    drawn = np.bincount(with_label_noise(labels, everything, 0.9, 10, seed=0), minlength=10)[1:]
    assert np.abs(drawn - 2000).max() < 5 * 2000**0.5


def test_more_label_noise_adds_to_less_and_another_seed_is_other_noise():
    less, more = (with_label_noise(LABELS, TRAIN, share, 10, seed=3) for share in (0.1, 0.3))
    spoiled = less != LABELS
    assert np.array_equal(less[spoiled], more[spoiled])
    assert not np.array_equal(less, with_label_noise(LABELS, TRAIN, 0.1, 10, seed=4))


def test_an_image_keeps_its_label_noise_in_another_split():
    halves = [np.random.default_rng(seed).permutation(2000)[:1000] for seed in (0, 1)]
    ours, theirs = (with_label_noise(LABELS, half, 0.3, 10, seed=3) for half in halves)
    both = np.intersect1d(*halves)
    assert (ours[both] == theirs[both]).mean() > 0.95


def test_label_noise_reaches_the_training_and_spares_validation_and_images(make_recipe, make_run, curve):
    plain, noisy = (Trainer.start(make_recipe(data__label_noise=share), make_run()) for share in (0.0, 0.25))
    changed = plain.images.source.labels != noisy.images.source.labels
    assert int(changed[plain.images.train].sum()) == int(changed.sum()) == 64
    assert not changed[plain.images.validation].any()
    assert torch.equal(*(shown(make_run, make_recipe(data__label_noise=share)) for share in (0.0, 0.25)))


def test_label_noise_is_a_handicap(make_recipe, make_run, curve):
    plain, noisy = (
        curve(make_recipe(data__train_limit=None, data__label_noise=share), make_run())[-1] for share in (0.0, 0.6)
    )
    assert noisy["val_accuracy"] < plain["val_accuracy"] - 5
    assert noisy["train_loss"] > plain["train_loss"] + 0.5
