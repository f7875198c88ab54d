"""Does every scenario of tests/cuda give the CPU's figures on the device, and as a graph the eager ones?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Any

from benchmarks.first_gpu.parts import Part
from benchmarks.first_gpu.recipes import run_of, train
from benchmarks.first_gpu.records import NotHere, Wrong
from benchmarks.first_gpu.setting import Setting
from cifar_sweep.recipe import Recipe
from cifar_sweep.tune.execution import TOLERANCES, difference
from sweeps.artifacts.checkpoint import CheckpointFolder
from sweeps.artifacts.layout import CHECKPOINT
from sweeps.workload import Run, Unavailable
from sweeps.workload.run import Preempted
from tests.cuda.scenarios import GRAPHS, IMAGES, IMPRECISE, SCENARIOS, write_images

COMPARED = ("train_loss", "val_loss")
CPU_TOLERANCE = 1e-2  # of the losses after two epochs in fp32, as a share of them
BF16_TOLERANCE = 1e-1  # the same where a part computes in bf16 on a GPU: Muon's orthogonalisation
NOISES = ("iso_noise", "gaussian_noise")
RANDOM_LAYERS = ("dropout", "stochastic_depth")
OPTIONAL = ("sklearn", "wordllama", "torchvision")  # what single scenarios need
SHORT = ("plain", "augment.rand_augment", "technique.fast")


def parts(setting: Setting) -> list[Part]:
    """Return a part for each scenario; those that time may cut off last. In a short setting a few of them."""
    names, graphs = (SHORT, SHORT[-1:]) if setting.short else (tuple(SCENARIOS), GRAPHS)
    beside_cpu = [Part(name, partial(_beside_cpu, setting, name)) for name in names]
    return [
        beside_cpu[0],
        *(Part(f"graph: {name}", partial(_graph_beside_eager, setting, name)) for name in graphs),
        Part("resumed", partial(_resumed_beside_whole, setting)),
        *beside_cpu[1:],
    ]


def _beside_cpu(setting: Setting, name: str) -> dict[str, Any]:
    """Train on the device and on the CPU. Where the device draws random numbers itself, it must only train."""
    recipe = _recipe(setting, name)
    device = _losses(setting, recipe)
    if _draws_on_device(recipe):
        return _compared(device, device, 0.0) | {"compared": "no: the device draws other numbers"}
    cpu = _losses(replace(setting, device="cpu"), recipe)
    return _compared(device, cpu, BF16_TOLERANCE if name in IMPRECISE else CPU_TOLERANCE)


def _graph_beside_eager(setting: Setting, name: str) -> dict[str, Any]:
    """Train in graphs and eagerly, both on the device."""
    graph, eager = (_losses(setting, _recipe(setting, name, execution=way)) for way in ("graph", "eager"))
    return _compared(graph, eager, TOLERANCES["fp32"])


def _resumed_beside_whole(setting: Setting) -> dict[str, Any]:
    """Train two epochs at once, and with a pause and a checkpoint between them."""
    recipe, paused = _recipe(setting, "plain"), run_of(setting, until=1)
    with suppress(Preempted):
        list(train(recipe, paused))
    restored = CheckpointFolder(paused.folder / CHECKPOINT).newest()
    resumed = run_of(setting, folder=paused.folder, restored=restored, epoch=paused.epoch)
    return _compared(_last_losses(recipe, resumed), _losses(setting, recipe), TOLERANCES["fp32"])


def _recipe(setting: Setting, name: str, **settings: Any) -> Recipe:
    """Return the recipe of a kind. Without cuDNN's timing, fp32 has no TF32 in it."""
    if not (setting.scratch / IMAGES).exists():
        write_images(setting.scratch)
    return SCENARIOS[name].recipe(setting.scratch, cudnn_benchmark=False, **settings)


def _losses(setting: Setting, recipe: Recipe) -> list[float]:
    """Return the losses of the last epoch. Raises `Wrong` where steps fell back to eager ones."""
    run = run_of(setting)
    try:
        losses = _last_losses(recipe, run)
    except Unavailable as error:
        raise NotHere(str(error)) from error
    except ModuleNotFoundError as error:
        if error.name not in OPTIONAL:
            raise
        raise NotHere(str(error)) from error
    log = run.folder / "log.txt"
    if log.exists() and "goes on eagerly" in (text := log.read_text(encoding="utf-8")):
        raise Wrong(text.strip(), {})
    return losses


def _last_losses(recipe: Recipe, run: Run) -> list[float]:
    row = list(train(recipe, run))[-1]
    return [row[name] for name in COMPARED]


def _draws_on_device(recipe: Recipe) -> bool:
    """Return whether random numbers are drawn on the device, where a seed stands for others than on the CPU."""
    augment, model = recipe.augment.model_dump(), recipe.model.model_dump()
    noise = any(augment[name] for name in NOISES) or (augment["erasing"] or {}).get("value") == "random"
    return noise or any(value for key, value in _leaves(model) if key in RANDOM_LAYERS)


def _leaves(settings: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield the innermost settings with their keys."""
    for key, value in settings.items():
        if isinstance(value, Mapping):
            yield from _leaves(value)
        else:
            yield key, value


def _compared(losses: list[float], expected: list[float], allowed: float) -> dict[str, Any]:
    share = difference(losses, expected)
    figures = {"difference": share, "allowed": allowed, "losses": losses, "expected": expected}
    if not share <= allowed:  # NaN fails too
        raise Wrong(f"the losses differ by {share:.2g}, allowed {allowed:g}", figures)
    return figures
