"""Beyond one training: checkpoints, evaluation, prediction, tuning and distillation on the pretended device."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pytest
import torch

import cifar_sweep.data.cache
from cifar_sweep.train import train_network
from cifar_sweep.workload import evaluate, predict, prepare, tune_batch, tune_lr
from sweeps.artifacts.checkpoint import CheckpointFolder
from sweeps.workload import Site as Machine
from tests.cuda.pretended import Device, pretended
from tests.cuda.pretended.memory import MIB
from tests.cuda.scenarios import IMAGES, SCENARIOS
from tests.cuda.test_figures import assert_alike
from tests.cuda.training import Site, train

RESUMED = (
    *("plain", "augment.mixup", "optimizer.adamw", "optimizer.lion", "optimizer.muon", "technique.regularised"),
    *("technique.frozen_adamw", "technique.pseudo_labels", "technique.pretrained", "model.hierarchical"),
)
GRAPHED = ("plain", "optimizer.adamw", "technique.regularised", "technique.frozen_adamw")


def trained(site: Site, device: str, name: str = "plain", **overrides: Any) -> Path:
    """Train a scenario for an epoch and return its checkpoint."""
    run = site.run(device)
    train(SCENARIOS[name].recipe(site.data_dir, **{"epochs": 1, **overrides}), run)
    return checkpoint(run.folder)


def checkpoint(folder: Path) -> Path:
    restored = CheckpointFolder(folder / "checkpoint").restore()
    assert restored is not None
    return restored.folder


@pytest.mark.parametrize(
    ("name", "execution"),
    [*((name, "eager") for name in RESUMED), *((name, "graph") for name in GRAPHED)],
)
def test_resumed_curve_equals_uninterrupted(gpu: Device, site: Site, name: str, execution: str):
    recipe = SCENARIOS[name].recipe(
        site.data_dir, epochs=3, execution=execution, regularization__early_stopping={"patience": None}
    )
    whole = train(recipe, site.run("cuda"))
    folder = site.folder / "resumed"
    first = train(recipe, site.run("cuda", folder=folder, until=1))
    assert first + train(recipe, site.run("cuda", folder=folder)) == whole


@pytest.mark.parametrize("name", ["plain", "technique.regularised"])
def test_state_written_beside_the_training_is_that_of_its_epoch(gpu: Device, site: Site, name: str):
    recipe, folder = SCENARIOS[name].recipe(site.data_dir, epochs=3), site.folder / "beside"
    whole = train(recipe, site.run("cuda"))
    run = site.run("cuda", folder=folder, checkpoint_every=0.0)
    training = train_network(recipe, run)
    for _ in range(3):  # the third epoch is trained while the state after the second is written
        next(training)
        run.epoch += 1
    training.close()
    run.close()
    again = site.run("cuda", folder=folder)
    assert again.epoch == 2
    assert train(recipe, again) == whole[2:]


def test_checkpoint_of_a_gpu_goes_on_on_a_cpu_and_back(site: Site):
    recipe, folder = SCENARIOS["technique.regularised"].recipe(site.data_dir, epochs=3), site.folder / "moved"
    whole = train(recipe, site.run("cpu"))
    with pretended():
        rows = train(recipe, site.run("cuda", folder=folder, until=1))
    rows += train(recipe, site.run("cpu", folder=folder, until=2))
    with pretended():
        rows += train(recipe, site.run("cuda", folder=folder))
    assert_alike(rows, whole, 1e-5)


@pytest.mark.parametrize(
    ("name", "overrides"),
    [
        ("plain", {"tta": "mirror_translate"}),
        ("model.hierarchical", {}),
        ("technique.resized", {"tta": "mirror"}),
        ("technique.averaged", {}),
    ],
)
def test_evaluation_gives_the_figures_of_a_cpu(site: Site, name: str, overrides: dict[str, Any]):
    recipe = SCENARIOS[name].recipe(site.data_dir, epochs=1, **overrides)
    model = trained(site, "cpu", name, **overrides)
    access = frozenset({"train", "validation", "test"})
    sets = ["noise:3", "blur:1", "jpeg:2"]
    expected = list(evaluate(recipe, site.run("cpu", restored=model, access=access, keeps_predictions=True), sets))
    with pretended():
        run = site.run("cuda", restored=model, access=access, keeps_predictions=True)
        found = list(evaluate(recipe, run, sets))
    assert [name for name, _ in found] == [name for name, _ in expected]
    for (_, metrics), (_, others) in zip(found, expected, strict=True):
        assert metrics == pytest.approx(others, rel=1e-5)


def test_predictions_of_several_models_are_those_of_a_cpu(site: Site):
    recipe, images = SCENARIOS["plain"].recipe(site.data_dir, epochs=1), site.folder / "new.npy"
    models = [trained(site, "cpu"), trained(site, "cpu", optimizer__lr=0.05)]
    np.save(images, np.load(site.data_dir / IMAGES)["x_test"])
    expected = predict(recipe, models, Machine(site.data_dir, "cpu"), images, "mirror_translate")
    with pretended():
        found = predict(recipe, models, Machine(site.data_dir, "cuda"), images, "mirror_translate")
    assert (found.labels, found.warnings) == (expected.labels, expected.warnings)


def test_images_fitted_with_each_batch_give_the_figures_of_a_cpu(site: Site):
    recipe = SCENARIOS["technique.resized"].recipe(site.data_dir, tta="mirror")
    with mock.patch.object(cifar_sweep.data.cache, "ENLARGED_LIMIT_BYTES", 1):
        expected = train(recipe, site.run("cpu"))
        with pretended():
            rows = train(recipe, site.run("cuda"))
    assert_alike(rows, expected, 1e-3)  # a GPU resizes through floating point: a level apart at most


def test_student_learns_from_a_teacher_in_every_way(site: Site):
    folder = site.folder / "study" / "trials" / "0007"
    folder.mkdir(parents=True)
    teacher = SCENARIOS["plain"].recipe(site.data_dir, epochs=1, augment__normalise=False)
    train(teacher, site.run("cpu", folder=folder))
    (folder / "recipe.yaml").write_text(teacher.model_dump_json(), encoding="utf-8")
    student = {"distillation": {"teacher": "study:7"}, "augment__mix": {"mixup": 0.4}}
    recipe = SCENARIOS["plain"].recipe(site.data_dir, **student)
    expected = train(recipe, site.run("cpu"))
    for execution in ("eager", "graph"):
        with pretended():
            rows = train(recipe.model_copy(update={"execution": execution}), site.run("cuda"))
        assert_alike(rows, expected, 1e-5)


def test_largest_batch_is_measured_within_the_device_s_memory(gpu: Device, site: Site):
    gpu.memory.total = 16 * MIB
    tuned = tune_batch(SCENARIOS["plain"].recipe(site.data_dir), Machine(site.data_dir, "cuda"))
    sizes = {row["batch_size"]: row for row in tuned.rows}
    largest = tuned.settings["batch_size"]
    assert 8 <= largest < 64
    assert sizes[largest]["fits"]
    assert sizes[largest]["peak_mib"] < 0.9 * 16
    assert not all(row["fits"] for row in tuned.rows)
    assert (gpu.memory.fraction, gpu.memory.used) == (1.0, 0)


def test_learning_rate_range_is_that_of_a_cpu(site: Site):
    recipe = SCENARIOS["technique.depth"].recipe(site.data_dir)
    expected = tune_lr(recipe, Machine(site.data_dir, "cpu"))
    with pretended():
        before = torch.get_rng_state()
        found = tune_lr(recipe, Machine(site.data_dir, "cuda"))
        assert torch.equal(torch.get_rng_state(), before)
    assert found.settings == expected.settings


@pytest.mark.parametrize(("bf16", "precision"), [(True, "bf16"), (False, "fp16")])
def test_precision_follows_the_device(site: Site, bf16: bool, precision: str):
    recipe = SCENARIOS["plain"].recipe(site.data_dir, precision="auto", execution="auto")
    with pretended(bf16=bf16):
        settled = prepare(recipe, Machine(site.data_dir, "cuda", measure=False)).settings
    assert (settled["precision"], settled["execution"]) == (precision, "eager")
