"""Predictions of images: those of the very network, and of the very images, that a run's metrics are of."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from cifar_sweep import workload
from cifar_sweep.data.cache import load_images
from cifar_sweep.data.split import load_training
from cifar_sweep.inference import image_predictions
from cifar_sweep.recipe import Recipe
from sweeps.artifacts.predictions import ImagePredictions, read_predictions
from sweeps.workload import Run

OPEN = frozenset({"train", "validation", "test"})
LEVEL = {"name": "two_layer", "hidden": [16]}
GROUPS = [[0, 2, 4, 6, 8], [1, 3, 5, 7, 9]]
KINDS: dict[str, dict[str, Any]] = {
    "plain": {},
    "bf16": {"precision": "bf16"},
    "averaged": {"regularization__ema": 0.5, "regularization__lookahead": {"every": 2}},
    "views": {"tta": "mirror_translate", "augment__crop": 1, "augment__flip": True},
    "early stopping": {"epochs": 3, "regularization__early_stopping": {"patience": 1, "min_delta": 50.0}},
    "levels": {"model": {"name": "hierarchical", "coarse": LEVEL, "fine": LEVEL, "groups": GROUPS}},
    "contrastive": {"pretrain": {"epochs": 1, "batch_size": 64}},
    "label noise": {"data__label_noise": 0.3},
}


def kept(run: Run, set_name: str) -> ImagePredictions:
    read = read_predictions(run.folder, set_name)
    assert read is not None
    return read


@pytest.mark.parametrize("kind", KINDS)
def test_accuracy_of_the_kept_predictions_is_that_of_the_run_to_the_last_bit(
    make_recipe: Callable[..., Recipe], make_run: Callable[..., Run], curve: Callable[..., Any], kind: str
) -> None:
    recipe = make_recipe(**{"epochs": 1, "data__train_limit": 128, "data__validation": 101, **KINDS[kind]})
    run, bare = make_run(keeps_predictions=True), make_run()
    rows, rows_of_bare = curve(recipe, run), curve(recipe, bare)
    metrics = [{k: v for k, v in row.items() if k not in ("seconds", "images_per_s")} for row in rows]
    assert metrics == [{k: v for k, v in row.items() if k not in ("seconds", "images_per_s")} for row in rows_of_bare]
    predictions = kept(run, "validation")
    assert predictions.accuracy == rows[-1]["val_accuracy"]
    assert -predictions.label_log_probability.mean() == pytest.approx(rows[-1]["val_loss"], rel=2e-3)
    assert predictions.logits is None
    assert not (bare.folder / "predictions").exists()
    [(_, reached)] = workload.evaluate(recipe, make_run(folder=run.folder, access=OPEN, keeps_predictions=True), [])
    test = kept(run, "test")
    assert test.accuracy == reached["accuracy"]
    assert test.logits is not None
    assert (test.logits.argmax(1) == test.predicted).mean() > 0.99


def test_indices_are_those_of_the_images_in_their_part(
    make_recipe: Callable[..., Recipe], make_run: Callable[..., Run], curve: Callable[..., Any]
) -> None:
    recipe = make_recipe(epochs=1, data__validation=50)
    run = make_run(keeps_predictions=True, split_seed=3)
    curve(recipe, run)
    images, split = load_training(recipe.data, run)
    predictions = kept(run, "validation")
    np.testing.assert_array_equal(predictions.images, split.validation)
    np.testing.assert_array_equal(predictions.labels, images.labels[split.validation])
    dict(workload.evaluate(recipe, make_run(folder=run.folder, access=OPEN, keeps_predictions=True), ["noise:1"]))
    labels = load_images(recipe.data, run.data_dir, "test").labels
    for name in ("test", "noise 1"):
        np.testing.assert_array_equal(kept(run, name).images, np.arange(len(labels)))
        np.testing.assert_array_equal(kept(run, name).labels, labels)


def test_resumed_run_keeps_the_predictions_of_the_uninterrupted_one(
    make_recipe: Callable[..., Recipe], make_run: Callable[..., Run], curve: Callable[..., Any]
) -> None:
    recipe = make_recipe(epochs=2, data__validation=50)
    whole, cut = make_run(keeps_predictions=True), make_run(keeps_predictions=True)
    curve(recipe, whole)
    curve(recipe, cut, stop_after=1)
    assert not (cut.folder / "predictions").exists()  # after the last epoch only
    curve(recipe, make_run(folder=cut.folder, keeps_predictions=True))
    file = "predictions/validation.npz"
    assert (cut.folder / file).read_bytes() == (whole.folder / file).read_bytes()


def test_diverged_network_does_not_fail_for_its_predictions(make_run: Callable[..., Run]) -> None:
    run, log = make_run(), image_predictions.PredictionLog(keeps_logits=True)
    logits = torch.tensor([[float("nan"), 0.0], [float("inf"), 0.0]])
    log.add(logits, logits.argmax(1), torch.tensor([0, 1]))
    log.record(run, "test", torch.arange(2))
    assert np.isnan(kept(run, "test").top_probability).all()


def test_logits_that_take_too_much_space_are_left_out_and_this_is_logged(
    make_run: Callable[..., Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    run, log = make_run(), image_predictions.PredictionLog(keeps_logits=True)
    log.add(torch.zeros(3, 2), torch.zeros(3, dtype=torch.int64), torch.zeros(3, dtype=torch.int64))
    monkeypatch.setattr(image_predictions, "LOGITS_MOST", 11)
    log.record(run, "test", torch.arange(3))
    assert kept(run, "test").logits is None
    assert "test: the logits would take" in (run.folder / "log.txt").read_text()
