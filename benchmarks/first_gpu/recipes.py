"""The images and recipes that the steps train on: small ones to compare figures, large ones to measure speed."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.first_gpu.setting import Setting
from cifar_sweep import workload
from cifar_sweep.inference.precision import backends
from cifar_sweep.recipe import Recipe
from cifar_sweep.tune.rehearsal import Rehearsal
from sweeps.workload import Run, Site

RESNET: Mapping[str, Any] = {
    "model": {"name": "resnet", "blocks": [1, 1, 1, 1], "widths": [64, 128, 256, 512], "strides": [1, 2, 2, 2]}
}
NARROW: Mapping[str, Any] = {"model": {"name": "resnet", "blocks": [1, 1], "widths": [8, 16], "strides": [1, 2]}}
NARROW_FAST: Mapping[str, Any] = {"preset": "fast", "model": {"name": "airbench", "widths": [8, 16, 16]}}
SMALL_COUNT, LARGE_COUNT, TEST_COUNT = 180, 50_000, 100


def small(setting: Setting, settings: Mapping[str, Any]) -> Recipe:
    """Return a recipe of a narrow network on 150 training and 30 validation images, for comparisons of figures."""
    base = {**NARROW, "batch_size": 32, "epochs": 2, "execution": "eager", "precision": "fp32"}
    base["cudnn_benchmark"] = False  # then fp32 has no TF32 in it
    return Recipe.model_validate(merged(_complete(base, setting, SMALL_COUNT, 30), settings))


def large(setting: Setting, settings: Mapping[str, Any]) -> Recipe:
    """Return a recipe on as many images as CIFAR-10 has; in a short setting on few, with narrow networks."""
    if not setting.short:
        return Recipe.model_validate(merged(_complete({}, setting, LARGE_COUNT, 5_000), settings))
    narrow = NARROW_FAST["model"] if settings.get("preset") else NARROW["model"]
    smaller = merged(settings, {"model": narrow, "batch_size": min(64, settings.get("batch_size", 64))})
    return Recipe.model_validate(merged(_complete({}, setting, SMALL_COUNT, 30), smaller))


def run_of(setting: Setting, kind: type[Run] = Run, **more: Any) -> Run:
    """Return a run in a new folder of the scratch folder; `more` are further attributes."""
    folder = Path(tempfile.mkdtemp(prefix="run-", dir=setting.scratch))
    defaults = {"seed": 0, "split_seed": 0, "device": setting.device, "data_dir": setting.scratch}
    return kind(**{**defaults, "folder": folder, **more})


def train(recipe: Recipe, run: Run) -> Iterator[Mapping[str, float]]:
    """Yield the metrics of each epoch, counting them as the engine does."""
    with closing(run):
        for metrics in workload.train(recipe, run):
            run.epoch += 1
            yield metrics
        run.finish()


@contextmanager
def rehearsing(recipe: Recipe, setting: Setting) -> Iterator[Rehearsal]:
    """Yield steps of a training that are counted into no epoch."""
    with backends(recipe, setting.device, training=True):
        yield Rehearsal.of(recipe, site_of(setting), run_of(setting).folder)


def site_of(setting: Setting) -> Site:
    """Return the site of the images of `small` and `large`."""
    return Site(setting.scratch, setting.device)


def merged(settings: Mapping[str, Any], overrides: Mapping[str, Any]) -> dict[str, Any]:
    """Return nested settings with others in their place; a section of another `name` is replaced as a whole."""
    result = dict(settings)
    for key, value in overrides.items():
        present = result.get(key)
        both = isinstance(value, Mapping) and isinstance(present, Mapping)
        if both and value.get("name", present.get("name")) == present.get("name"):
            result[key] = merged(present, value)
        else:
            result[key] = value
    return result


def _complete(base: Mapping[str, Any], setting: Setting, count: int, validation: int) -> dict[str, Any]:
    file = setting.scratch / f"images-{count}.npz"
    if not file.exists():
        write_images(file, count)
    shape = {"size": 32, "classes": 10, "channels": 3}
    return {**base, "data": {"name": "npz", "path": str(file), "validation": validation, **shape}}


def write_images(file: Path, count: int) -> None:
    """Write random images for training, and a few others for testing; their first channel tells their class."""
    generator = np.random.default_rng(0)
    labels = np.arange(count + TEST_COUNT) % 10
    pixels = generator.integers(0, 256, (len(labels), 32, 32, 3), np.uint8)
    pixels[..., 0] = pixels[..., 0] // 4 + (18 * labels)[:, None, None].astype(np.uint8)
    np.savez(file, x_train=pixels[:count], y_train=labels[:count], x_test=pixels[count:], y_test=labels[count:])
