"""The stages of a new study file: as large as a first answer needs, and only those that the workload allows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from sweeps.formatting import unit_of
from sweeps.stats import seeds_for_sign_flip
from sweeps.validation.case import EPOCHS
from sweeps.workload import Workload

CANDIDATES, SEEDS = 3, 3
FEWEST_PAIRS = 5
MARGIN_PERCENT = 0.5


def stages(data: Mapping[str, Any], workload: Workload) -> dict[str, dict[str, Any]]:
    """Return the sections early_terminate, confirm, ablation and final of a new study.

    Args:
        data: The study file so far. It has a `method` if it searches, and `ablation.components` if it ablates.
        workload: The workload.

    Returns:
        The sections by name. A section that the study cannot have is left out: early termination where the epochs are
        unknown or searched, the stage final where the workload opens no test set.
    """
    return dict(_sections(data, workload))


def _sections(data: Mapping[str, Any], workload: Workload) -> Iterator[tuple[str, dict[str, Any]]]:
    searches = "method" in data
    if searches and data["baseline"].get(EPOCHS, 0) >= 2 and EPOCHS not in (data.get("parameters") or {}):
        yield "early_terminate", {"type": "asha"}
    if searches:
        size = data["run_cap"] if "run_cap" in data else int(data["budget"]["trainings"])
        yield "confirm", {"top": max(1, min(CANDIDATES, size)), "seeds": SEEDS}
    if "ablation" in data:
        yield "ablation", _ablation(data, workload, "best" if searches else "given")
    if workload.has("evaluate") and not data["metric"]["name"].startswith("train_"):
        yield "final", {"seeds": SEEDS}


def _ablation(data: Mapping[str, Any], workload: Workload, baseline: str) -> dict[str, Any]:
    components = data["ablation"]["components"]
    ablation = {"baseline": baseline, "design": "leave_one_out", "components": components}
    # As many pairs as the exact test needs to tell every component apart from none.
    ablation["seeds"] = max(FEWEST_PAIRS, seeds_for_sign_flip(len(components)))
    if unit_of(data["metric"]["name"], workload.percentages()) == "%":
        ablation["margin"] = MARGIN_PERCENT
    return ablation
