"""An epoch against a checkpoint: what saving adds to a training."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.first_gpu.parts import Part
from benchmarks.first_gpu.recipes import RESNET, large, merged, run_of, train
from benchmarks.first_gpu.setting import Setting
from cifar_sweep.recipe import Recipe
from cifar_sweep.training.trainer import Trainer
from sweeps.artifacts.checkpoint import CheckpointFolder
from sweeps.artifacts.layout import CHECKPOINT
from sweeps.workload import Run

RECIPES: Mapping[str, Mapping[str, Any]] = {
    "resnet 512": {**RESNET, "batch_size": 512},
    "resnet 512 + ema + lookahead": {**RESNET, "batch_size": 512, "regularization": {"ema": 0.99, "lookahead": {}}},
    "preset fast 1024": {"preset": "fast", "batch_size": 1024},
}
EPOCHS = 6


class Unsaved(Run):
    """A run that keeps no checkpoint."""

    @contextmanager
    def checkpoint(self) -> Iterator[Path]:
        """Yield a folder that nobody reads."""
        yield self.folder


def parts(setting: Setting) -> list[Part]:
    """Return a part for each recipe; in a short setting the first alone."""
    names = list(RECIPES)[:1] if setting.short else RECIPES
    return [Part(f"checkpoint, {name}", partial(_measured, setting, RECIPES[name]), 5.0) for name in names]


def _measured(setting: Setting, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Train with the engine's checkpoints and without any, and write one while nothing else happens.

    Returns:
        `epoch_s`, the seconds of an epoch without checkpoints; `added_s`, what the checkpoints add to `epochs` of them,
        and `added_percent`; `write_s` and `mib` of one checkpoint that is written while nothing else happens.
    """
    epochs = 2 if setting.short else EPOCHS
    recipe = large(setting, merged(settings, {"execution": "eager", "cudnn_benchmark": True, "epochs": epochs}))
    without_s, with_s = _train(recipe, run_of(setting, kind=Unsaved)), _train(recipe, run_of(setting))
    write_s, mib = _write(recipe, run_of(setting))
    return {
        "epoch_s": without_s / (epochs - 1),
        "epochs": epochs - 1,
        "added_s": with_s - without_s,
        "added_percent": 100 * (with_s - without_s) / without_s,
        "write_s": write_s,
        "mib": mib,
    }


def _train(recipe: Recipe, run: Run) -> float:
    """Return the seconds from the end of the first epoch, in which all is set up, to the end of the training."""
    started = 0.0
    for _ in train(recipe, run):
        started = started or time.perf_counter()
    return time.perf_counter() - started


def _write(recipe: Recipe, run: Run) -> tuple[float, float]:
    """Return the seconds and the size in MiB of a checkpoint that is written while nothing else happens."""
    trainer = Trainer.start(recipe, run)
    trainer.run_epoch()
    started = time.perf_counter()
    with CheckpointFolder(run.folder / CHECKPOINT).save(1) as folder:
        trainer.save(folder)
    seconds = time.perf_counter() - started
    files = [path for path in (run.folder / CHECKPOINT).rglob("*") if path.is_file()]
    return seconds, sum(path.stat().st_size for path in files) / 2**20
