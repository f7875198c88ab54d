"""The share of a device that each trial of a study gets."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from sweeps.study.sections import AUTO
from sweeps.study.study import Study

SHARING = "sharing"
"""The key of an environment that holds the measured number of trials per GPU."""


def device_share(study: Study, device: str) -> float:
    """Return the devices that one trial holds: an hour of a trial costs this many device-hours.

    Args:
        study: The study with its resources.
        device: "cpu", "cuda" or "mps".

    Returns:
        A number of GPUs, a fraction where several trials share one; on a CPU, a number of cores.
    """
    return study.resources.cpu if device == "cpu" else study.resources.gpu_share


def with_share(study: Study, environment: Mapping[str, Any]) -> Study:
    """Return `study` with the measured share of a GPU in place of auto.

    Args:
        study: The study as written.
        environment: The environment of the study; it has no share where none was measured.

    Returns:
        `study` itself unless its `resources.gpu` is auto. Without a measured share, auto counts as not given.
    """
    if study.resources.gpu != AUTO:
        return study
    share = environment.get(SHARING, {}).get("gpu")
    return study.model_copy(update={"resources": study.resources.model_copy(update={"gpu": share})})


def slots(study: Study, device: str, cores: int, gpus: int, workers: int | None) -> int:
    """Return how many trials run at once, at least one.

    Args:
        study: The study, for the resources of a trial.
        device: "cpu", "cuda" or "mps".
        cores: CPU cores of the machine.
        gpus: GPUs of the machine.
        workers: The most trials that run at once; None: as many as the machine holds.
    """
    fitting = math.floor(cores / study.resources.cpu)
    if device != "cpu":
        # Shares are not split over two GPUs: with 0.3 each, one GPU holds 3 trials and two hold 6.
        fitting = min(fitting, gpus * math.floor(1 / study.resources.gpu_share))
    return max(1, min(fitting, workers or fitting))
