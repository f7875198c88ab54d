"""`--smoke`: the same study at the smallest scale, in a folder of its own."""

from __future__ import annotations

from typing import Any

from sweeps.grammar.document import from_text
from sweeps.grammar.sections import Confirm
from sweeps.study import Study, dump, parse
from sweeps.workload import Workload

TRIALS = 2
SEEDS = 2
SUFFIX = "-smoke"
NAME_LENGTH = 64


def shrink(study: Study, workload: Workload) -> Study:
    """`study` with two trials of the size that the workload calls `smoke`: another experiment, so another name.

    What `smoke` sets is not searched. Confirm and ablation have two seeds; final is left out, for it would open the
    test set.
    """
    shrunk = workload.smoke()
    conditions = {parent for item in study.parameters.values() for parent in item.when}
    kept = {key: item for key, item in study.parameters.items() if key not in shrunk or key in conditions}
    fixed = {key: value for key, value in shrunk.items() if key not in kept}
    changes: dict[str, Any] = {
        "name": study.name[: NAME_LENGTH - len(SUFFIX)] + SUFFIX,
        "baseline": workload.schema.merge(study.baseline, fixed),
        "parameters": kept,
        "method": "random" if study.method == "grid" else study.method,
        "run_cap": min(TRIALS, study.run_cap),
        "early_terminate": None,  # nothing to terminate within one epoch
        "confirm": study.confirm and Confirm(top=min(TRIALS, study.confirm.top), seeds=SEEDS),
        "ablation": study.ablation and study.ablation.model_copy(update={"seeds": SEEDS, "retune": None}),
        "final": None,
        "evaluate": (),
        "budget": type(study.budget)(),
    }
    # Through the grammar again: a copy would not be validated.
    return parse(from_text(dump(study.model_copy(update=changes)), f"{study.name} (smoke)"))
