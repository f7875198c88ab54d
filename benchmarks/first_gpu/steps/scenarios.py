"""Does every kind of training give the CPU's figures, and as a graph the eager ones?"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Any

from benchmarks.first_gpu.kinds import DRAWN_ON_DEVICE, GRAPHS, KINDS
from benchmarks.first_gpu.parts import Part
from benchmarks.first_gpu.recipes import merged, run_of, small, train
from benchmarks.first_gpu.records import Wrong
from benchmarks.first_gpu.setting import Setting
from cifar_sweep.recipe import Recipe
from cifar_sweep.tune.execution import TOLERANCES, difference
from sweeps.artifacts.checkpoint import CheckpointFolder
from sweeps.artifacts.layout import CHECKPOINT
from sweeps.workload import Run
from sweeps.workload.run import Preempted

COMPARED = ("train_loss", "val_loss")
CPU_TOLERANCE = 1e-2  # of the losses after two epochs in fp32, as a share of them
BF16_TOLERANCE = 1e-1  # the same where a part computes in bf16 on a GPU: Muon's orthogonalisation
SHORT = ("plain", "augment.rand_augment", "optimizer.muon", "preset fast")


def parts(setting: Setting) -> list[Part]:
    """Return a part for each kind of training, those as graphs last; in a short setting a few of them."""
    kinds, graphs = (SHORT, SHORT[-1:]) if setting.short else (tuple(KINDS), GRAPHS)
    return [
        *(Part(name, partial(_beside_cpu, setting, name)) for name in kinds),
        *(Part(f"graph: {name}", partial(_graph_beside_eager, setting, KINDS[name])) for name in graphs),
        Part("resumed", partial(_resumed_beside_whole, setting)),
    ]


def _beside_cpu(setting: Setting, name: str) -> dict[str, Any]:
    """Train on the device and on the CPU. Where the device draws random numbers itself, it must only train."""
    settings = KINDS[name]
    device, cpu = _losses(setting, settings), _losses(replace(setting, device="cpu"), settings)
    if name in DRAWN_ON_DEVICE:
        return _compared(device, device, 0.0) | {"compared": "no: the device draws other numbers"}
    muon = settings.get("preset") == "fast" or settings.get("optimizer", {}).get("name") == "muon"
    return _compared(device, cpu, BF16_TOLERANCE if muon else CPU_TOLERANCE)


def _graph_beside_eager(setting: Setting, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Train in graphs and eagerly, both on the device."""
    graph = _losses(setting, merged(settings, {"execution": "graph"}))
    return _compared(graph, _losses(setting, settings), TOLERANCES["fp32"])


def _resumed_beside_whole(setting: Setting) -> dict[str, Any]:
    """Train two epochs at once, and with a pause and a checkpoint between them."""
    recipe, paused = small(setting, {}), run_of(setting, until=1)
    with suppress(Preempted):
        list(train(recipe, paused))
    restored = CheckpointFolder(paused.folder / CHECKPOINT).newest()
    resumed = run_of(setting, folder=paused.folder, restored=restored, epoch=paused.epoch)
    return _compared(_last_losses(recipe, resumed), _losses(setting, {}), TOLERANCES["fp32"])


def _losses(setting: Setting, settings: Mapping[str, Any]) -> list[float]:
    """Return the losses of the last epoch. Raises `Wrong` where steps fell back to eager ones."""
    run = run_of(setting)
    losses = _last_losses(small(setting, settings), run)
    log = run.folder / "log.txt"
    if log.exists() and "goes on eagerly" in (text := log.read_text(encoding="utf-8")):
        raise Wrong(text.strip(), {})
    return losses


def _last_losses(recipe: Recipe, run: Run) -> list[float]:
    row = list(train(recipe, run))[-1]
    return [row[name] for name in COMPARED]


def _compared(losses: list[float], expected: list[float], allowed: float) -> dict[str, Any]:
    share = difference(losses, expected)
    figures = {"difference": share, "allowed": allowed, "losses": losses, "expected": expected}
    if not share <= allowed:  # NaN fails too
        raise Wrong(f"the losses differ by {share:.2g}, allowed {allowed:g}", figures)
    return figures
