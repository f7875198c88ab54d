"""The share of a device that each trial of a study gets."""

from __future__ import annotations

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
