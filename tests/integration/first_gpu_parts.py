"""Parts of a step of `benchmarks.first_gpu` that end in every way there is."""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping
from typing import Any

from benchmarks.first_gpu.parts import Part
from benchmarks.first_gpu.records import NotHere, Wrong
from benchmarks.first_gpu.setting import Setting


def parts(setting: Setting) -> list[Part]:
    """Return a part for each way of ending."""
    return [
        Part("measures", lambda: {"images_per_s": 12.5}),
        Part("finds", _find),
        Part("raises", _raise),
        Part("lacks", _lack),
        Part("dies", _die),
        Part("goes on", lambda: {"pid": os.getpid()}),
        Part("takes too long", dict, needs_s=1e6),
    ]


def _find() -> Mapping[str, Any]:
    raise Wrong("the loss is 2.3", {"loss": 2.3})


def _raise() -> Mapping[str, Any]:
    raise RuntimeError("no kernel\nmore lines")


def _lack() -> Mapping[str, Any]:
    raise NotHere("no CIFAR-10")


def _die() -> Mapping[str, Any]:
    os.kill(os.getpid(), signal.SIGKILL)
    return {}
