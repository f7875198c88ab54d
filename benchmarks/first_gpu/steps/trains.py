"""Does anything train? The losses of the first steps, beside those of the CPU, by precision."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache, partial
from typing import Any, get_args

from benchmarks.first_gpu.parts import Part
from benchmarks.first_gpu.recipes import NARROW, NARROW_FAST, merged, rehearsing, run_of, small, train
from benchmarks.first_gpu.records import Wrong
from benchmarks.first_gpu.setting import Setting
from cifar_sweep.recipe import Recipe
from cifar_sweep.tune.execution import difference

NETWORKS: Mapping[str, Mapping[str, Any]] = {"resnet": NARROW, "preset fast": NARROW_FAST}
PRECISIONS = [precision for precision in get_args(Recipe.model_fields["precision"].annotation) if precision != "auto"]
TOLERANCES = {"fp32": 1e-3, "tf32": 1e-2, "bf16": 5e-2, "fp16": 2e-2}
"""By precision, how far the losses of the first 8 steps may be from the CPU's in fp32, as a share of them."""
LEARNT = 0.9  # of the chance level's loss, which a network that has learnt anything is below


def parts(setting: Setting) -> list[Part]:
    """Return a part for each network and precision, and one that trains whole epochs."""
    compared = [
        Part(f"{name}, {precision}", partial(_losses_beside_cpu, setting, name, precision))
        for name in NETWORKS
        for precision in PRECISIONS
    ]
    return [*compared, Part("learns", partial(_learns, setting))]


def _losses_beside_cpu(setting: Setting, name: str, precision: str) -> dict[str, Any]:
    """Return the losses of the first steps on the device and those on the CPU in fp32."""
    cpu = _cpu_losses(replace(setting, device="cpu"), name)
    device = _first_losses(setting, merged(NETWORKS[name], {"precision": precision}))
    share, allowed = difference(device, cpu), TOLERANCES[precision]
    figures = {"difference": share, "allowed": allowed, "losses": device, "cpu_losses": cpu}
    if not share <= allowed:  # NaN fails too
        raise Wrong(f"the losses of the first steps are {share:.2g} from the CPU's, allowed {allowed:g}", figures)
    return figures


@cache
def _cpu_losses(setting: Setting, name: str) -> Sequence[float]:
    return _first_losses(setting, NETWORKS[name])


def _first_losses(setting: Setting, settings: Mapping[str, Any]) -> Sequence[float]:
    """Return the losses of the first steps of a small recipe."""
    with rehearsing(small(setting, settings), setting) as rehearsal:
        return rehearsal.losses()[0]


def _learns(setting: Setting) -> dict[str, Any]:
    """Train for some epochs; the loss must fall below the chance level's."""
    rows = list(train(small(setting, merged(NARROW, {"epochs": 6})), run_of(setting)))
    figures = {key: rows[-1][key] for key in ("train_loss", "val_loss", "val_accuracy")}
    if not figures["train_loss"] < LEARNT * math.log(10):
        raise Wrong(f"after {len(rows)} epochs the loss is {figures['train_loss']:.3f}: nothing was learnt", figures)
    return figures
