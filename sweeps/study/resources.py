"""The share of a device that each trial of a study is given."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sweeps.study.sections import AUTO
from sweeps.study.study import Study


def device_share(study: Study, device: str) -> float:
    """The part of a device (on a CPU: the cores) that one trial is given: an hour of it is this many device-hours."""
    if device == "cuda":
        return study.resources.gpu_share
    return study.resources.cpu


SHARING = "sharing"
"""The key of an environment under which stands what was found."""


def with_share(study: Study, environment: Mapping[str, Any]) -> Study:
    """`study` with the share that `environment` settled in place of auto; as if none were given where it has none."""
    if study.resources.gpu != AUTO:
        return study
    settled = environment.get(SHARING, {}).get("gpu")
    return study.model_copy(update={"resources": study.resources.model_copy(update={"gpu": settled})})
