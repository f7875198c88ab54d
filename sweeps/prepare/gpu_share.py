"""Resolve `resources: {gpu: auto}`: how many trials share a GPU.

The number is measured once for a study and kept in its environment.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from sweeps.study.resources import SHARING
from sweeps.study.sections import AUTO
from sweeps.study.study import Study
from sweeps.workload import Site, Workload

FINEST = 10_000  # Ray counts GPUs in parts of 1/10,000


def share_of(copies: int) -> float:
    """Return the largest share of a GPU of which `copies` fit."""
    # Rounded down to Ray's precision: three shares of 0.33334 would not fit.
    return FINEST // copies / FINEST


def settle_share(
    study: Study, workload: Workload, recipe: Any, site: Site, machine: tuple[int, int], previous: Mapping[str, Any]
) -> dict[str, Any]:
    """Find the share of a GPU that `gpu: auto` stands for.

    Args:
        study: The study.
        workload: Its workload, which measures with copies of the baseline.
        recipe: The baseline's recipe.
        site: Where the study runs; without `site.measure` nothing is measured.
        machine: The machine's cores and GPUs.
        previous: The environment of an earlier run; a share in it is kept.

    Returns:
        The share as `gpu`, a line for the user as `note`, and the measurements as `rows` if there are any. Empty where
        the study gives a number, and on the CPU.
    """
    if study.resources.gpu != AUTO or site.device == "cpu":
        return {}
    if SHARING in previous:
        return dict(previous[SHARING])
    cores, gpus = machine
    most = max(1, math.floor(cores / study.resources.cpu / max(1, gpus)))
    if most == 1 or not site.measure or site.device != "cuda":
        why = f"{cores} cores allow no more" if most == 1 else "not measured"
        return {"gpu": 1.0, "note": f"resources.gpu: auto is 1 trial on each GPU: {why}"}
    sharing = workload.gpu_share(recipe, site, most)
    share = share_of(max(1, min(sharing.copies, most)))
    return {
        "gpu": share,
        "note": f"resources.gpu: auto is {share:g}: {sharing.note}",
        "rows": [dict(row) for row in sharing.rows],
    }
