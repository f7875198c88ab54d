from __future__ import annotations

import math
import random
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from cifar_sweep.inference import metrics as measuring
from cifar_sweep.inference.precision import resolve_precision
from cifar_sweep.recipe import Recipe
from cifar_sweep.train import STATE, Trainer
from cifar_sweep.training import trainer as trainer_module
from sweeps.artifacts.checkpoint import CheckpointFolder
from sweeps.workload import Run

Rows = list[Mapping[str, float]]
TIMES = {"seconds", "images_per_s"}


def exact(rows: Rows) -> list[dict[str, float]]:
    return [{name: value for name, value in row.items() if name not in TIMES} for row in rows]


def drawn(make_run: Callable[..., Run], recipe: Recipe, seed: int = 1, epochs: int = 2) -> list[torch.Tensor]:
    """The images of every batch of the first epochs, as the network gets them."""
    trainer, seen = Trainer.start(recipe, make_run(seed=seed)), []
    trainer.network.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].clone()))
    for _ in range(epochs):
        trainer.train_epoch()
        trainer.epoch += 1
    return seen


def test_a_small_network_learns_the_digits(make_recipe, make_run, curve):
    recipe = make_recipe(data__train_limit=None, epochs=6, model__widths=[8, 16], optimizer__lr=0.1)
    rows = curve(recipe, make_run())
    assert rows[-1]["val_accuracy"] > 85
    assert rows[-1]["val_loss"] < 1 < rows[0]["val_loss"]
    assert rows[-1]["train_loss"] < rows[0]["train_loss"]


def test_figures_are_plain_finite_numbers_in_their_units(make_recipe, make_run, curve):
    rows = curve(make_recipe(), make_run())
    names = {"train_loss", "train_accuracy", "val_loss", "val_accuracy", "lr", "seconds", "images_per_s"}
    assert [set(row) for row in rows] == [names] * 3
    assert all(type(value) is float and math.isfinite(value) for row in rows for value in row.values())
    assert all(0 <= row[name] <= 100 for row in rows for name in ("train_accuracy", "val_accuracy"))
    assert rows[-1]["val_accuracy"] > 10  # percent of 300 images, not a fraction
    assert rows[-1]["val_accuracy"] * 3 == pytest.approx(round(rows[-1]["val_accuracy"] * 3))


EVERYTHING = {
    "model__head__dropout": 0.3,
    "model__stochastic_depth": 0.2,
    "augment__flip": True,
    "augment__rotation": {"degrees": 15},
    "augment__mix": {"mixup": 0.2},
    "augment__phases": [{"epochs": 1, "crop": 2}, {"epochs": 2, "cutout": {"size": 3}}],
    "schedule__name": "onecycle",
    "schedule__warmup_epochs": 1,
    "regularization__ema": 0.9,
    "regularization__label_smoothing": 0.1,
    "regularization__grad_clip": 1.0,
    "regularization__early_stopping": {"patience": 1},
    "epochs": 5,
}

LEVEL = {"name": "resnet", "blocks": [1], "widths": [8], "strides": [2]}
HIERARCHICAL = {"name": "hierarchical", "coarse": LEVEL, "fine": LEVEL, "groups": [[9, 1, 4, 7, 2], [0, 6, 8, 5, 3]]}


@pytest.mark.parametrize("overrides", [
    {"model__head__dropout": 0.3, "augment__flip": True},
    EVERYTHING,
    {"optimizer__name": "adamw", "optimizer__lr": 0.01, "schedule__name": "step", "model__norm": "group"},
    {"precision": "bf16", "optimizer__name": "adam", "optimizer__lr": 0.01},
])  # fmt: skip
@pytest.mark.parametrize("stop_after", [1, 2, 3])
def test_resumed_curve_equals_uninterrupted(make_recipe, make_run, curve, tmp_path, overrides, stop_after):
    recipe = make_recipe(**overrides)
    uninterrupted = exact(curve(recipe, make_run(folder=tmp_path / "whole")))
    killed = exact(curve(recipe, make_run(folder=tmp_path / "killed"), stop_after=stop_after))
    torch.rand(7)  # what the process drew meanwhile does not matter
    resumed = exact(curve(recipe, make_run(folder=tmp_path / "killed")))
    assert killed == uninterrupted[:stop_after]
    assert resumed == uninterrupted[stop_after - 1 :]  # the epoch whose state was not saved is repeated, identically


@pytest.mark.parametrize("overrides", [
    EVERYTHING,
    {"optimizer__name": "adamw", "optimizer__lr": 0.01, "regularization__lookahead": {"every": 2}},
    {"pretrain": {"epochs": 2, "batch_size": 64, "lr": 0.003, "augment": {"crop": 1, "flip": False}}, "epochs": 2},
    {"pseudo_labels": {"threshold": 0.3, "start_epoch": 1}, "data__unlabelled": {"share": 0.6}},
    {"model": HIERARCHICAL, "regularization__ema": 0.9},
])  # fmt: skip
@pytest.mark.parametrize(("every_s", "repeated"), [(0.0, 1), (1e9, 2)])
def test_resumed_curve_equals_uninterrupted_where_states_are_saved_beside_the_training(
    make_recipe, make_run, curve, tmp_path, overrides, every_s, repeated
):
    recipe = make_recipe(**overrides)
    uninterrupted = exact(curve(recipe, make_run(folder=tmp_path / "whole")))
    run = make_run(folder=tmp_path / "killed", checkpoint_every=every_s)
    curve(recipe, run, stop_after=2)
    run.close()  # a kill that loses nothing that was being written
    assert exact(curve(recipe, make_run(folder=tmp_path / "killed"))) == uninterrupted[2 - repeated :]


def test_weights_after_a_resume_are_those_of_the_uninterrupted_run(make_recipe, make_run, curve, tmp_path):
    recipe = make_recipe(model__head__dropout=0.3)
    curve(recipe, make_run(folder=tmp_path / "whole"))
    curve(recipe, make_run(folder=tmp_path / "killed"), stop_after=2)
    curve(recipe, make_run(folder=tmp_path / "killed"))
    states = []
    for name in ("whole", "killed"):
        folder, epoch, _ = CheckpointFolder(tmp_path / name / "checkpoint").restore()
        assert epoch == 3
        states.append(torch.load(folder / STATE, weights_only=True)["network"])
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])


def test_a_finished_run_that_is_resumed_trains_no_more(make_recipe, make_run, curve, tmp_path):
    curve(make_recipe(), make_run(folder=tmp_path / "run"))
    assert curve(make_recipe(), make_run(folder=tmp_path / "run")) == []


def test_a_seed_repeats_its_curve_and_another_does_not(make_recipe, make_run, curve):
    first, second, other = (exact(curve(make_recipe(epochs=1), make_run(seed=seed))) for seed in (1, 1, 2))
    assert first == second != other


def test_trials_in_one_process_do_not_influence_each_other(make_recipe, make_run, curve):
    recipe = make_recipe(model__head__dropout=0.5, augment__flip=True)
    alone = exact(curve(recipe, make_run()))
    curve(make_recipe(epochs=1, model__head__dropout=0.2), make_run(seed=9))
    assert exact(curve(recipe, make_run())) == alone
    one, other = (Trainer.start(recipe, make_run()) for _ in range(2))
    interleaved = [(one.run_epoch(), other.run_epoch()) for _ in range(3)]
    assert exact([a for a, _ in interleaved]) == exact([b for _, b in interleaved]) == alone


def test_training_leaves_python_and_numpy_generators_alone(make_recipe, make_run, curve):
    before = random.getstate(), np.random.get_state()[1].tolist()
    curve(make_recipe(epochs=1), make_run())
    assert (random.getstate(), np.random.get_state()[1].tolist()) == before


@pytest.mark.parametrize("change", [
    {"model__head__dropout": 0.5}, {"model__norm": "none"}, {"model__widths": [4, 8]}, {"optimizer__name": "adam"},
    {"regularization__label_smoothing": 0.1}, {"optimizer__lr": 0.01},
])  # fmt: skip
def test_recipes_of_one_seed_see_the_same_images_in_the_same_order(make_recipe, make_run, change):
    first, second = drawn(make_run, make_recipe()), drawn(make_run, make_recipe(**change))
    assert len(first) == len(second) == 8
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))


def test_the_batch_size_does_not_change_the_images_and_their_crops(make_recipe, make_run):
    first, second = drawn(make_run, make_recipe(), epochs=1), drawn(make_run, make_recipe(batch_size=32), epochs=1)
    assert torch.equal(torch.cat(first), torch.cat(second))


def test_epochs_and_seeds_differ_in_order_and_crops(make_recipe, make_run):
    first, other = drawn(make_run, make_recipe()), drawn(make_run, make_recipe(), seed=2)
    assert not torch.equal(first[0], first[4])
    assert not torch.equal(first[0], other[0])


@pytest.mark.parametrize("change", [{"augment__crop": 0}, {"augment__normalise": False}, {"augment__flip": True}])
def test_each_augmentation_reaches_the_network(make_recipe, make_run, change):
    assert not torch.equal(drawn(make_run, make_recipe())[0], drawn(make_run, make_recipe(**change))[0])


def test_an_epoch_without_crops_shows_each_training_image_once(make_recipe, make_run):
    trainer = Trainer.start(make_recipe(augment__crop=0), make_run())
    seen: list[torch.Tensor] = []
    trainer.network.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    trainer.train_epoch()
    expected, _ = trainer.images.source.batch(trainer.images.train)
    assert {tuple(i.flatten().tolist()) for i in torch.cat(seen)} == {tuple(i.flatten().tolist()) for i in expected}


def test_a_diverging_run_yields_nan_within_one_epoch_and_saves_nothing(make_recipe, make_run, curve, tmp_path):
    recipe = make_recipe(optimizer__lr=1e30, model__norm="none", schedule__warmup_epochs=0, data__train_limit=None)
    rows = curve(recipe, make_run(folder=tmp_path / "run"))
    assert len(rows) == 1
    assert all(math.isnan(rows[0][name]) for name in ("train_loss", "train_accuracy", "val_loss", "val_accuracy"))
    assert CheckpointFolder(tmp_path / "run" / "checkpoint").restore() is None


def test_a_diverging_run_does_not_finish_its_epoch(make_recipe, make_run, monkeypatch):
    monkeypatch.setattr(trainer_module, "STEPS_BETWEEN_CHECKS", 5)
    recipe = make_recipe(optimizer__lr=1e30, model__norm="none", schedule__warmup_epochs=0, batch_size=8)
    trainer = Trainer.start(recipe, make_run())
    assert trainer.train_epoch().count <= 6 * 8 < 256


def test_weights_that_break_only_after_the_last_step_show_in_the_validation(make_recipe, make_run):
    trainer = Trainer.start(make_recipe(), make_run())
    trainer.network.head.output.weight.data.fill_(math.nan)
    assert all(math.isnan(value) for value in trainer.validate().means())


def test_validation_counts_every_image_once_with_a_plain_loss(make_recipe, make_run, monkeypatch):
    monkeypatch.setattr(measuring, "BATCH", 70)
    trainer = Trainer.start(make_recipe(regularization__label_smoothing=0.4), make_run())
    loss, accuracy = trainer.validate().means()
    images, labels = trainer.images.source.batch(trainer.images.validation)
    with torch.no_grad():
        logits = trainer.network(images)
    assert len(labels) == 300
    assert loss == pytest.approx(float(torch.nn.functional.cross_entropy(logits, labels)), rel=1e-5)
    assert accuracy == pytest.approx(100 * float((logits.argmax(1) == labels).float().mean()))


def test_validation_uses_the_running_statistics_and_no_dropout(make_recipe, make_run):
    trainer = Trainer.start(make_recipe(model__head__dropout=0.9), make_run())
    trainer.run_epoch()
    assert trainer.validate().means() == trainer.validate().means()
    assert not trainer.network.training


@pytest.mark.parametrize(("part", "change"), [
    ("smoothing", {"regularization__label_smoothing": 0.2}),
    ("clipping", {"regularization__grad_clip": 0.01}),
    ("decay", {"optimizer__weight_decay": 0.1}),
    ("dropout", {"model__head__dropout": 0.5}),
    ("warmup", {"schedule__warmup_epochs": 0}),
    ("momentum", {"optimizer__momentum": 0.5}),
])  # fmt: skip
def test_each_part_changes_the_training(make_recipe, make_run, curve, part, change):
    plain, changed = (exact(curve(r, make_run())) for r in (make_recipe(epochs=1), make_recipe(epochs=1, **change)))
    assert plain[0]["train_loss"] != changed[0]["train_loss"]


def test_clipping_bounds_the_gradient_of_a_step(make_recipe, make_run):
    trainer = Trainer.start(make_recipe(regularization__grad_clip=0.01), make_run())
    trainer.train_epoch()
    norms = [parameter.grad.norm() for parameter in trainer.network.parameters()]
    assert float(torch.stack(norms).norm()) <= 0.0101


def test_the_learning_rate_follows_the_schedule_across_a_resume(make_recipe, make_run, curve, tmp_path):
    recipe = make_recipe(epochs=4, optimizer__lr=0.4, schedule__name="step", schedule__step_epochs=1)
    curve(recipe, make_run(folder=tmp_path / "run"), stop_after=3)
    rates = [row["lr"] for row in curve(recipe, make_run(folder=tmp_path / "run"))]
    assert rates == pytest.approx([0.04, 0.004])


def test_a_batch_larger_than_the_training_side_is_refused(make_recipe, make_run, curve):
    with pytest.raises(ValueError, match="batch_size is 2000 but there are only 1200 training images"):
        curve(make_recipe(data__train_limit=None).model_copy(update={"batch_size": 2000}), make_run())


def test_training_uses_one_thread_and_weights_in_channels_last(make_recipe, make_run, curve):
    curve(make_recipe(epochs=1), make_run())
    assert torch.get_num_threads() == 1
    weight = Trainer.start(make_recipe(), make_run()).network.stages[1][0].conv2.weight
    assert weight.is_contiguous(memory_format=torch.channels_last)


def test_bf16_computes_in_bf16_and_keeps_weights_in_float32(make_recipe, make_run):
    trainer, seen = Trainer.start(make_recipe(precision="bf16"), make_run()), []
    trainer.network.stem.conv.register_forward_hook(lambda _module, _inputs, output: seen.append(output.dtype))
    figures = trainer.run_epoch()
    assert set(seen) == {torch.bfloat16}
    assert {parameter.dtype for parameter in trainer.network.parameters()} == {torch.float32}
    assert math.isfinite(figures["val_loss"])


@pytest.mark.parametrize(
    ("setting", "avx512", "amx", "resolved"),
    [
        ("auto", True, False, "bf16"),
        ("auto", False, True, "bf16"),
        ("auto", False, False, "fp32"),
        ("fp32", True, True, "fp32"),
        ("bf16", False, False, "bf16"),
    ],
)
def test_auto_precision_is_bf16_only_where_the_cpu_has_it(monkeypatch, setting, avx512, amx, resolved):
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: avx512)
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: amx)
    assert resolve_precision(setting, "cpu") == resolved


def test_real_cifar_is_learned_above_chance(unpacked: Callable[[str], Path], make_run, curve):
    settings: dict[str, Any] = {
        "data": {"validation": 500, "train_limit": 3000},
        "model": {"blocks": [1, 1], "widths": [16, 32], "strides": [2, 2]},
        "epochs": 3,
        "batch_size": 64,
    }
    rows = curve(Recipe.model_validate(settings), make_run(data_dir=unpacked("cifar10-mini")))
    assert rows[-1]["val_accuracy"] > 25
