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
    """Return the measurements; none in a short setting: compiling for a CPU takes longer than all else together."""
    return [
        Part(f"{name}, {way}", partial(step_speed, setting, RECIPES[name], way, False), NEEDS_S)
        for name in (() if setting.short else NETWORKS)
        for way in WAYS
    ]
