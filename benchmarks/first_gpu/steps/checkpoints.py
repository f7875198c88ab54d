"""An epoch against a checkpoint: what saving adds to a training."""

from __future__ import annotations

import time
from collections.abc import Mapping
from functools import partial
from typing import Any

from benchmarks.first_gpu.parts import Part
from benchmarks.first_gpu.recipes import RESNET, large, merged, run_of, train
from benchmarks.first_gpu.setting import Setting
from cifar_sweep.recipe import Recipe
from cifar_sweep.training.trainer import Trainer
from sweeps.artifacts.checkpoint import EVERY_S, CheckpointFolder
from sweeps.artifacts.layout import CHECKPOINT
from sweeps.workload import Run

RECIPES: Mapping[str, Mapping[str, Any]] = {
    "resnet 512": {**RESNET, "batch_size": 512},
    "resnet 512 + ema + lookahead": {**RESNET, "batch_size": 512, "regularization": {"ema": 0.99, "lookahead": {}}},
}
EPOCHS = 5


class Unsaved(Run):
    """A run that keeps no checkpoint."""

    def save(self, *state: Any, **how: Any) -> None:
        """Leave the state alone."""


def parts(setting: Setting) -> list[Part]:
    """Return a part for each recipe; in a short setting the first alone."""
    names = list(RECIPES)[:1] if setting.short else RECIPES
    return [Part(f"checkpoint, {name}", partial(_measured, setting, RECIPES[name]), 5.0) for name in names]


def _measured(setting: Setting, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Train with checkpoints of every kind, and without any.

    Returns:
        `epoch_s`, the seconds of an epoch without checkpoints, and what each kind adds to it, in percent: `default`, as
        in a study; `beside`, one after each epoch, written while training goes on; `waiting`, one after each epoch, for
        which training waits. `write_s` and `mib` of one that is written while nothing else happens.
    """
    epochs = 2 if setting.short else EPOCHS
    recipe = large(setting, merged(settings, {"execution": "eager", "cudnn_benchmark": True, "epochs": epochs}))
    without_s = _train(recipe, run_of(setting, kind=Unsaved))
    every = {"default": EVERY_S, "beside": 0.0, "waiting": None}
    with_s = {kind: _train(recipe, run_of(setting, checkpoint_every=seconds)) for kind, seconds in every.items()}
    write_s, mib = _write(recipe, run_of(setting))
    return {
        "epoch_s": without_s / (epochs - 1),
        "epochs": epochs - 1,
        **{f"{kind}_adds_percent": 100 * (seconds / without_s - 1) for kind, seconds in with_s.items()},
        "write_s": write_s,
        "mib": mib,
    }


def _train(recipe: Recipe, run: Run) -> float:
    """Return the seconds from the end of the first epoch, in which all is set up, to that of the last one."""
    ends = [time.perf_counter() for _ in train(recipe, run)]
    return ends[-1] - ends[0]


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
