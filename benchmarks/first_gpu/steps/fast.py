"""`preset: fast` on CIFAR-10: accuracy on the test images and seconds, beside what cifar10-airbench publishes."""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import partial
from typing import Any

from benchmarks.first_gpu.cifar10 import Images, images_at_hand
from benchmarks.first_gpu.parts import Part
from benchmarks.first_gpu.recipes import large, run_of, train
from benchmarks.first_gpu.setting import Setting, synchronise
from cifar_sweep import workload
from cifar_sweep.recipe import Recipe
from sweeps.artifacts.checkpoint import CheckpointFolder
from sweeps.artifacts.layout import CHECKPOINT
from sweeps.workload import Run

SEEDS = 5


@dataclass(frozen=True)
class Published:
    """A published result on the test images of CIFAR-10, after training on all 50,000 others.

    Attributes:
        accuracy: The mean accuracy in percent.
        runs: Over how many runs.
        seconds: The seconds of a training.
        device: On which device.
        source: Where it is published.
    """

    accuracy: float
    runs: int
    seconds: float
    device: str
    source: str


REPOSITORY = "https://github.com/KellerJordan/cifar10-airbench (commit f1c599c)"
PUBLISHED = {
    "published: airbench94_muon": Published(
        94.01, 200, 2.59, "A100 of 400 W, torch 2.4.1", f"{REPOSITORY}, airbench94_muon.py"
    ),
    "published: airbench94": Published(
        94.01, 1000, 3.83, "A100-SXM4-80GB, torch 2.1.2", f"{REPOSITORY}, legacy/airbench94.py"
    ),
}
"""Results to show beside ours. The preset is neither recipe: `cifar_sweep.recipe.presets` has the differences."""


def parts(setting: Setting) -> list[Part]:
    """Return a part for each seed, and one for each published result."""
    seeds = range(1 if setting.short else SEEDS)
    ours = [Part(f"seed {seed}", partial(_trained, setting, seed), 1.0 if setting.short else 5.0) for seed in seeds]
    published = [Part(name, partial(_as_figures, result), 0.0) for name, result in PUBLISHED.items()]
    return [*ours, *published]


def _trained(setting: Setting, seed: int) -> dict[str, Any]:
    """Train on all training images and measure the test images.

    Returns:
        `test_accuracy` in percent, where the images are CIFAR-10's; `seconds_of_epochs`, and `seconds_in_all` with the
        loading of the data, whitening, checkpoints and the set-up of the execution; and which images they were.
    """
    images = images_at_hand(setting)
    recipe = _recipe(setting, images)
    access = frozenset({"train", "validation", "test"})
    run = run_of(setting, seed=seed, data_dir=images.data_dir, final=True, access=access)
    started = time.perf_counter()
    rows = list(train(recipe, run))
    synchronise(setting.device)
    in_all = time.perf_counter() - started
    name = "accuracy_on_artificial_images" if images.artificial else "test_accuracy"
    return {
        name: _test_accuracy(recipe, run),
        "seconds_of_epochs": sum(row["seconds"] for row in rows),
        "seconds_in_all": in_all,
        "epochs": len(rows),
        "images": images.description,
    }


def _recipe(setting: Setting, images: Images) -> Recipe:
    fast = large(
        setting,
        {"preset": "fast", "execution": "graph", "cudnn_benchmark": True, **({"epochs": 2} if setting.short else {})},
    )
    return Recipe.model_validate({**fast.model_dump(mode="json"), "data": images.settings})


def _test_accuracy(recipe: Recipe, run: Run) -> float:
    restored = CheckpointFolder(run.folder / CHECKPOINT).newest()
    run.restored = restored
    return dict(workload.evaluate(recipe, run, ()))["test"]["accuracy"]


def _as_figures(result: Published) -> dict[str, Any]:
    return {
        "published_test_accuracy": result.accuracy,
        "published_seconds": result.seconds,
        "runs": result.runs,
        "on": result.device,
        "source": result.source,
    }
