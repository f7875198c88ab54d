"""How many trials share the device best, as `resources: {gpu: auto}` measures it."""

from __future__ import annotations

from dataclasses import asdict
from functools import partial
from typing import Any

from benchmarks.first_gpu.parts import Part
from benchmarks.first_gpu.recipes import RESNET, large, merged, site_of
from benchmarks.first_gpu.records import NotHere, Wrong
from benchmarks.first_gpu.setting import Setting
from cifar_sweep.tune.copies import train_copies
from cifar_sweep.tune.sharing import SharingMeasurement, best_copies, stop_reason

MOST = 6
TIMED_S, SHORT_S = 4.0, 0.2


def parts(setting: Setting) -> list[Part]:
    """Return a part for each number of copies, and one that decides."""
    measured: list[SharingMeasurement] = []
    most = 1 if setting.short else MOST
    numbers = [
        Part(f"{copies} at once", partial(_measured, setting, copies, most, measured), 2.0 if setting.short else 15.0)
        for copies in range(1, most + 1)
    ]
    return [*numbers, Part("decision", partial(_decided, measured, most), 0.0)]


def _measured(setting: Setting, copies: int, most: int, measured: list[SharingMeasurement]) -> dict[str, Any]:
    """Train copies at once, unless the rule of `gpu: auto` has decided already."""
    reason = stop_reason(measured, most)
    if reason:
        raise NotHere(f"not needed: {reason}")
    recipe = large(setting, merged(RESNET, {"batch_size": 128, "execution": "graph", "cudnn_benchmark": True}))
    timeout_s = max(1.0, setting.left_s())
    results = train_copies(recipe, site_of(setting), copies, SHORT_S if setting.short else TIMED_S, timeout_s)
    measurement = SharingMeasurement.of(results, setting.device)
    measured.append(measurement)
    if measurement.failure:
        raise Wrong(measurement.failure, asdict(measurement))
    return asdict(measurement)


def _decided(measured: list[SharingMeasurement], most: int) -> dict[str, Any]:
    if not measured:
        raise NotHere("nothing was measured")
    return {"best_copies": best_copies(measured), "why": stop_reason(measured, most) or "no time was left for more"}
