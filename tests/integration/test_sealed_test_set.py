from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from cifar_sweep import workload
from cifar_sweep.augment import Scaling
from cifar_sweep.data.split import load_training
from cifar_sweep.recipe import DataRecipe
from cifar_sweep.train import STATE, Trainer
from sweeps.artifacts.checkpoint import CheckpointFolder
from sweeps.workload import Run

FIGURES = {"train_loss", "train_accuracy", "lr", "seconds", "images_per_s"}
TIMES = {"seconds", "images_per_s"}
OPEN = frozenset({"train", "validation", "test"})


def exact(rows: list[dict[str, float]]) -> list[dict[str, float]]:
    return [{name: value for name, value in row.items() if name not in TIMES} for row in rows]


def test_a_final_run_trains_on_every_image_and_holds_nothing_out(make_recipe, make_run, curve):
    recipe = make_recipe(data__train_limit=None, epochs=1, batch_size=60)
    rows = curve(recipe, make_run(final=True))
    assert [set(row) for row in rows] == [FIGURES]
    trainer, seen = (
        Trainer.start(make_recipe(data__train_limit=None, batch_size=60, augment__crop=0), make_run(final=True)),
        [],
    )
    trainer.network.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].clone()))
    trainer.run_epoch()
    everything, _ = trainer.images.source.batch(torch.arange(1500))
    assert sorted(map(bytes, torch.cat(seen).numpy())) == sorted(map(bytes, everything.numpy()))


def test_the_limit_applies_to_the_whole(make_run):
    data = DataRecipe(name="digits", train_limit=1400, validation=300)
    images, ours = load_training(data, make_run(final=True))
    assert (len(ours.train), len(ours.validation)) == (1400, 0)
    shares = np.bincount(images.labels) * 1400 / 1500
    assert np.abs(np.bincount(images.labels[ours.train]) - shares).max() < 1


def test_a_validation_side_that_takes_everything_does_not_matter_to_a_final_run(make_run):
    _, split = load_training(DataRecipe(name="digits", validation=1500), make_run(final=True))
    assert len(split.train) == 1500


@pytest.mark.parametrize("access", [{"train"}, {"validation"}, {"test"}])
def test_a_final_run_needs_access_to_both_sides(make_run, access: set[str]):
    with pytest.raises(PermissionError, match="may not read the"):
        load_training(DataRecipe(name="digits"), make_run(final=True, access=frozenset(access)))


def test_a_batch_larger_than_the_whole_is_refused(make_recipe, make_run, curve):
    with pytest.raises(ValueError, match="batch_size is 1501 but there are only 1500 training images"):
        curve(make_recipe(data__train_limit=None).model_copy(update={"batch_size": 1501}), make_run(final=True))


def test_normalisation_is_measured_on_what_a_final_run_trains_on(make_recipe, make_run):
    recipe = make_recipe(data__train_limit=None)
    held_out, final = (Trainer.start(recipe, make_run(final=final)).images.source for final in (False, True))
    expected = Scaling.measured(final.pixels, torch.arange(1500), 1)
    assert torch.equal(final.scaling.factor, expected.factor)
    assert torch.equal(final.scaling.offset, expected.offset)
    assert not torch.equal(held_out.scaling.factor, final.scaling.factor)


@pytest.mark.parametrize("stop_after", [1, 2, 3])
def test_a_resumed_final_run_equals_the_uninterrupted_one(
    make_recipe, make_run, curve, tmp_path: Path, stop_after: int
):
    recipe = make_recipe(data__train_limit=None, data__label_noise=0.1, model__head__dropout=0.3, augment__flip=True)
    uninterrupted = exact(curve(recipe, make_run(folder=tmp_path / "whole", final=True)))
    killed = exact(curve(recipe, make_run(folder=tmp_path / "killed", final=True), stop_after=stop_after))
    resumed = exact(curve(recipe, make_run(folder=tmp_path / "killed", final=True)))
    assert killed == uninterrupted[:stop_after]
    assert resumed == uninterrupted[stop_after - 1 :]
    reached = [dict(workload.evaluate(recipe, make_run(folder=tmp_path / name, access=OPEN), ["noise:3"]))
               for name in ("whole", "killed")]  # fmt: skip
    assert reached[0] == reached[1]


def test_the_last_epoch_of_a_final_run_is_saved(make_recipe, make_run, curve, tmp_path: Path):
    curve(make_recipe(), make_run(folder=tmp_path / "run", final=True))
    saved = CheckpointFolder(tmp_path / "run" / "checkpoint").restore()
    assert saved is not None
    assert saved[1] == 3
    assert set(torch.load(saved[0] / STATE, weights_only=True)["scaling"]) == {"factor", "offset"}


def test_a_final_run_draws_in_the_streams_of_its_seed(make_recipe, make_run, curve):
    first, again, other = (exact(curve(make_recipe(epochs=1), make_run(final=True, seed=seed))) for seed in (1, 1, 2))
    assert first == again != other
    weights = [Trainer.start(make_recipe(), make_run(final=final)).network.state_dict() for final in (False, True)]
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])


def test_a_diverging_final_run_yields_nan_in_its_epoch_and_ends(make_recipe, make_run, curve):
    recipe = make_recipe(optimizer__lr=1e30, model__norm="none", schedule__warmup_epochs=0, data__train_limit=None)
    [row] = curve(recipe, make_run(final=True))
    assert set(row) == FIGURES
    assert math.isnan(row["train_loss"])


@pytest.mark.parametrize("duplicates", [None, "keep", "refuse"])
def test_a_final_run_opens_no_test_file(
    make_recipe, make_run: Callable[..., Run], curve, cifar10_dir: Path, duplicates: str | None
):
    (cifar10_dir / "cifar-10-batches-py" / "test_batch").unlink()
    data = {"name": "cifar10", "validation": 40, "train_limit": None, "duplicates": duplicates}
    recipe = make_recipe(data=data, epochs=1)
    assert len(curve(recipe, make_run(data_dir=cifar10_dir, final=True))) == 1
