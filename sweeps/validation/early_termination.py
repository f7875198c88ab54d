"""Check early termination against the epochs of a trial."""

from __future__ import annotations

from collections.abc import Iterator

from sweeps.io.paths import Violation
from sweeps.study.search.early_terminate import EarlyTerminate
from sweeps.validation.case import EPOCHS, Case


def check_early_termination(case: Case) -> Iterator[Violation]:
    """Yield what does not fit the recipe's epochs: they must be known, not searched, and above the first decision."""
    rule = case.study.early_terminate
    if rule is None:
        return
    # A constant under `parameters` is no dimension.
    if EPOCHS in case.study.parameters and EPOCHS in {dimension.key for dimension in case.study.space.dimensions}:
        yield (
            ("parameters", EPOCHS),
            "searched epochs with early_terminate would favour short schedules: "
            "fix epochs in the baseline, or leave early_terminate out",
        )
    last = rule.max_iter if rule.max_iter is not None else case.epochs
    if last is None and (case.recipe is not None or EPOCHS not in case.keys):
        yield _unknown_epochs(rule)
    if rule.max_iter is not None and case.epochs is not None and rule.max_iter > case.epochs:
        yield ("early_terminate", "max_iter"), f"must not be above epochs = {case.epochs} but got {rule.max_iter}"
    elif last is not None:
        first = "epochs" if rule.type == "one_epoch" else "min_iter"
        if (getattr(rule, first) or 1) >= last:
            yield (
                ("early_terminate", first),
                f"must be below the trial's {last} epochs but got {getattr(rule, first) or 1}",
            )


def _unknown_epochs(rule: EarlyTerminate) -> Violation:
    if "max_iter" in rule.defaults[rule.type]:
        return ("early_terminate", "max_iter"), "is required: the recipe has no setting epochs"
    return (
        ("early_terminate", "type"),
        f"{rule.type} needs a recipe with the setting epochs: write type: asha with max_iter",
    )
