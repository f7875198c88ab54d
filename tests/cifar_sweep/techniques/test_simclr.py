"""Self-supervised pre-training: the loss, what is learned from, and that it goes on where it was killed."""

from __future__ import annotations

import math
from collections.abc import Mapping

import pytest
import torch
from torch.nn.functional import cosine_similarity

from cifar_sweep.recipe import Recipe
from cifar_sweep.recipe.pretrain import PretrainRecipe, simclr_views
from cifar_sweep.schema import Shape
from cifar_sweep.techniques.simclr import Pretraining, nt_xent
from cifar_sweep.train import Trainer
from sweeps.artifacts.checkpoint import CheckpointFolder

TIMES = {"seconds", "images_per_s"}
MILD = {"crop": 1, "flip": False}  # the paper's views leave little of a digit of 8 x 8 pixels
BEFORE = {"pretrain": {"epochs": 3, "batch_size": 64, "lr": 0.003, "augment": MILD}, "epochs": 2}


def exact(rows: list[Mapping[str, float]]) -> list[dict[str, float]]:
    return [{name: value for name, value in row.items() if name not in TIMES} for row in rows]


def pretraining(trainer: Trainer) -> Pretraining:
    assert trainer.pretraining is not None
    return trainer.pretraining


def weights(trainer: Trainer) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in trainer.network.state_dict().items()}


@pytest.mark.parametrize("temperature", [0.1, 0.5, 2.0])
def test_nt_xent_is_the_papers_sum_over_pairs(temperature):
    first, second = torch.randn(2, 5, 7, generator=torch.Generator().manual_seed(0)).unbind()
    views = [*first, *second]
    total = 0.0
    for i, view in enumerate(views):
        partner = views[(i + 5) % 10]
        others = [math.exp(cosine_similarity(view, k, 0) / temperature) for j, k in enumerate(views) if j != i]
        total -= math.log(math.exp(cosine_similarity(view, partner, 0) / temperature) / sum(others))
    assert float(nt_xent(first, second, temperature)) == pytest.approx(total / 10, rel=1e-5)


def test_nt_xent_is_least_for_equal_views_of_unlike_images():
    images = torch.eye(6)
    assert nt_xent(images, images, 0.5) < nt_xent(images, images.roll(1, 0), 0.5)
    assert float(nt_xent(3 * images, images, 0.5)) == pytest.approx(float(nt_xent(images, images, 0.5)))  # directions


def test_the_loss_falls_and_the_head_stays(make_recipe, make_run):
    trainer = Trainer.start(make_recipe(**BEFORE | {"pretrain": BEFORE["pretrain"] | {"epochs": 6}}), make_run())
    before, losses = weights(trainer), []
    while trainer.pretrain_epoch():
        losses.append(pretraining(trainer).loss)
    after = weights(trainer)
    assert len(losses) == 6
    assert losses[-1] < losses[0] - 0.2
    assert losses[-1] < math.log(127)  # of 2 x 64 views, chance
    for name in before:
        assert torch.equal(before[name], after[name]) == name.startswith("head."), name


def test_no_label_is_read(make_recipe, make_run):
    states = []
    for label in (0, 3):
        trainer = Trainer.start(make_recipe(**BEFORE), make_run())
        pretraining(trainer).source.labels.fill_(label)
        while trainer.pretrain_epoch():
            pass
        states.append(weights(trainer))
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])


def test_it_learns_from_training_and_unlabelled_images_and_never_from_validation(make_recipe, make_run):
    recipe = make_recipe(**BEFORE, data__train_limit=None, data__unlabelled={"share": 0.5})
    trainer = Trainer.start(recipe, make_run())
    index, images = set(pretraining(trainer).index.tolist()), trainer.images
    assert index == {*images.train.tolist(), *images.unlabelled.tolist()}
    assert len(index) == 1200
    assert not index & set(images.validation.tolist())
    everything = Trainer.start(make_recipe(**BEFORE, data__train_limit=None), make_run(final=True))
    assert len(pretraining(everything).index) == 1500


@pytest.mark.parametrize("done", [1, 2, 3])
@pytest.mark.parametrize("ema", [None, 0.9])
def test_a_run_killed_while_it_pretrains_goes_on_as_if_nothing_had_happened(
    make_recipe, make_run, curve, tmp_path, done, ema
):
    recipe = make_recipe(**BEFORE, regularization__ema=ema)
    whole = exact(curve(recipe, make_run(folder=tmp_path / "whole")))
    run = make_run(folder=tmp_path / "killed")
    trainer = Trainer.start(recipe, run)
    for _ in range(done):
        assert trainer.pretrain_epoch()
        with run.checkpoint() as folder:
            trainer.save(folder)
    assert CheckpointFolder(tmp_path / "killed" / "checkpoint").restore()[1] == 0
    torch.rand(7)  # what the process drew meanwhile does not matter
    assert exact(curve(recipe, make_run(folder=tmp_path / "killed"))) == whole


def test_a_run_killed_after_pretraining_does_not_pretrain_again(make_recipe, make_run, curve, tmp_path):
    recipe = make_recipe(**BEFORE)
    whole = exact(curve(recipe, make_run(folder=tmp_path / "whole")))
    curve(recipe, make_run(folder=tmp_path / "killed"), stop_after=2)
    assert set(pretraining(restored(recipe, make_run, tmp_path)).state_dict()) == {"epoch", "seconds", "loss"}
    assert exact(curve(recipe, make_run(folder=tmp_path / "killed"))) == whole[1:]
    assert exact(curve(recipe, make_run(folder=tmp_path / "killed"))) == []
    restored(recipe, make_run, tmp_path)


def restored(recipe, make_run, tmp_path):
    """A trainer where the killed run was, which has nothing left to pre-train, whether it has finished or not."""
    trainer = Trainer.start(recipe, make_run(folder=tmp_path / "killed"))
    trainer.restore(CheckpointFolder(tmp_path / "killed" / "checkpoint").restore()[0])
    assert not trainer.pretrain_epoch()
    return trainer


def test_training_starts_from_what_was_learned_with_a_fresh_average(make_recipe, make_run):
    trainer = Trainer.start(make_recipe(**BEFORE, regularization__ema=0.9), make_run())
    while trainer.pretrain_epoch():
        pass
    trained, averaged = weights(trainer), trainer.evaluated.state_dict()
    assert all(torch.equal(trained[name], averaged[name]) for name in trained)


def test_the_first_epoch_counts_the_time_of_the_pretraining(make_recipe, make_run):
    trainer = Trainer.start(make_recipe(**BEFORE), make_run())
    while trainer.pretrain_epoch():
        pass
    pretraining(trainer).seconds = 1000.0
    first, second = trainer.run_epoch(), trainer.run_epoch()
    assert first["seconds"] > 1000 > second["seconds"]
    assert first["pretrain_loss"] == pretraining(trainer).loss


def test_the_epochs_after_it_see_the_images_of_a_run_without_it(make_recipe, make_run):
    seen: list[list[torch.Tensor]] = []
    for recipe in (make_recipe(), make_recipe(**BEFORE)):
        trainer, images = Trainer.start(recipe, make_run()), []
        while trainer.pretrain_epoch():
            pass
        trainer.network.register_forward_pre_hook(lambda _, inputs, into=images: into.append(inputs[0].clone()))
        trainer.run_epoch()
        seen.append(images)
    assert len(seen[0]) > 0
    assert all(torch.equal(a, b) for a, b in zip(*seen, strict=True))


def test_recipes_of_one_seed_pretrain_on_the_same_views(make_recipe, make_run):
    drawn: list[list[torch.Tensor]] = []
    for change in ({}, {"model__widths": [4, 8]}, {"optimizer__name": "adamw", "optimizer__lr": 0.01}):
        trainer, views = Trainer.start(make_recipe(**BEFORE, **change), make_run()), []
        features = trainer.network.features
        trainer.network.features = lambda images, f=features, into=views: (into.append(images), f(images))[1]
        pretraining(trainer).run_epoch()
        drawn.append(views)
    assert len(drawn[0]) == 4
    assert all(torch.equal(a, b) and torch.equal(a, c) for a, b, c in zip(*drawn, strict=True))
    first, second = drawn[0][0].chunk(2)
    assert not torch.equal(first, second)


def test_a_loss_that_is_not_finite_ends_the_run_in_its_first_epoch(make_recipe, make_run, curve):
    recipe = make_recipe(pretrain={"epochs": 5, "batch_size": 64, "lr": 1e30}, model__norm="none")
    rows = curve(recipe, make_run())
    assert len(rows) == 1
    assert math.isnan(rows[0]["train_loss"])
    assert math.isnan(rows[0]["pretrain_loss"])


def test_a_batch_larger_than_what_there_is_to_learn_from_is_refused(make_recipe, make_run):
    with pytest.raises(ValueError, match=r"pretrain\.batch_size is 300 but there are only 256 images to train on"):
        Trainer.start(make_recipe(pretrain={"batch_size": 300}), make_run())


def test_the_views_are_the_papers_without_colour_where_there_is_none():
    colour, gray = simclr_views(3), simclr_views(1)
    assert (colour.crop, colour.flip, colour.resized_crop.scale) == (0, True, (0.08, 1.0))
    jitter = colour.color_jitter
    assert (jitter.p, jitter.brightness, jitter.contrast, jitter.saturation, jitter.hue) == (0.8, 0.4, 0.4, 0.4, 0.1)
    assert colour.grayscale.p == 0.2
    assert (gray.color_jitter.saturation, gray.color_jitter.hue, gray.grayscale) == (0, 0, None)
    PretrainRecipe().check(Shape(1, 8, 10))


@pytest.mark.parametrize(("settings", "message"), [
    ({"augment": {"grayscale": {}}}, "pretrain.augment.grayscale needs images of 3 channels"),
    ({"augment": {"mix": {"mixup": 1.0}}}, "augment.mix is set but pre-training has no labels"),
    ({"batch_size": 1}, "greater than or equal to 2"),
    ({"method": "moco"}, "simclr"),
])  # fmt: skip
def test_settings_that_cannot_be_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        Recipe.model_validate({"data": {"name": "digits"}, "pretrain": settings})


def test_a_recipe_with_pretraining_survives_being_written_down():
    settings = {"pretrain": {"augment": {"blur": {"p": 0.5}}}, "data": {"name": "cifar10"}}
    recipe = Recipe.model_validate(settings)
    assert Recipe.model_validate(recipe.model_dump(mode="json")) == recipe
