"""The speed of the ways of execution that compile: half a minute each, so they come last of their step."""

from __future__ import annotations

from functools import partial
from typing import get_args

from benchmarks.first_gpu.parts import Part
from benchmarks.first_gpu.setting import Setting
from benchmarks.first_gpu.steps.speed import NETWORKS, RECIPES, step_speed
from cifar_sweep.recipe import Recipe

WAYS = [way for way in get_args(Recipe.model_fields["execution"].annotation) if way not in ("auto", "eager", "graph")]
NEEDS_S = 30.0


def parts(setting: Setting) -> list[Part]:
    """Return the measurements; in a short setting one of each way, since compiling takes long on a CPU too."""
    names, needs_s = (NETWORKS[:1], 2.0) if setting.short else (NETWORKS, NEEDS_S)
    return [
        Part(f"{name}, {way}", partial(step_speed, setting, RECIPES[name], way, False), needs_s)
        for name in names
        for way in WAYS
    ]
