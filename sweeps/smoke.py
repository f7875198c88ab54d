"""`--smoke`: the same study at the smallest scale, in a folder of its own."""

from __future__ import annotations

from sweeps.recipe import merge
from sweeps.study import Study
from sweeps.workload import Workload

TRIALS = 2
SUFFIX = "-smoke"


def shrink(study: Study, workload: Workload) -> Study:
    """`study` with two trials of the size of the workload's `smoke`: a different experiment, so another name."""
    shrunk = {key: value for key, value in workload.smoke().items() if key not in study.parameters}
    return study.model_copy(
        update={
            "name": study.name + SUFFIX,
            "baseline": merge(study.baseline, shrunk),
            "method": "random" if study.method == "grid" else study.method,
            "run_cap": min(TRIALS, study.run_cap),
            "early_terminate": None,  # nothing to terminate within one epoch
        }
    )
