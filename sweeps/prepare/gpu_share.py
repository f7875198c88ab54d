"""`resources: {gpu: auto}`: how many trials share a GPU, found once for a study and kept in its environment."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from sweeps.study.resources import SHARING
from sweeps.study.sections import AUTO
from sweeps.study.study import Study
from sweeps.workload import Site, Workload

FINEST = 10_000  # Ray counts devices in such parts


def share_of(copies: int) -> float:
    """The share of a GPU of each of so many trials: the largest of which so many fit."""
    return FINEST // copies / FINEST


def settle_share(
    study: Study, workload: Workload, recipe: Any, site: Site, machine: tuple[int, int], known: Mapping[str, Any]
) -> dict[str, Any]:
    """What `gpu: auto` stands for at `site`, on a `machine` of so many cores and GPUs: `gpu`, a share, and the `note`.

    What the environment `known` has of it stays. Empty where the study gives a number, and where trials run on the CPU.
    """
    if study.resources.gpu != AUTO or site.device != "cuda":
        return {}
    if SHARING in known:
        return dict(known[SHARING])
    cores, gpus = machine
    most = max(1, math.floor(cores / study.resources.cpu / max(1, gpus)))
    if most == 1 or not site.measure:
        why = "not measured" if most > 1 else f"{cores} cores allow no more"
        return {"gpu": 1.0, "note": f"resources.gpu: auto is 1 trial on each GPU: {why}"}
    found = workload.gpu_share(recipe, site, most)
    share = share_of(max(1, min(found.copies, most)))
    return {
        "gpu": share,
        "note": f"resources.gpu: auto is {share:g}: {found.note}",
        "rows": [dict(r) for r in found.rows],
    }
