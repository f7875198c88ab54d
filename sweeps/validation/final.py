"""Check whether the workload can run the stage final, and knows the labelled sets to evaluate."""

from __future__ import annotations

from collections.abc import Iterator

from sweeps.io.paths import KeyPath, Violation
from sweeps.validation.case import Case


def check_final(case: Case) -> Iterator[Violation]:
    """Yield why the stage final, if the study has it, cannot evaluate on a test set."""
    if case.study.final is None:
        return
    if not case.workload.has("evaluate"):
        yield ("final",), f"workload {case.workload.name} cannot open a test set: it has no 'evaluate'"
    metric = getattr(case.study, "metric", None)  # absent when it is faulty itself
    if metric is not None and metric.name.startswith("train_"):
        yield ("final",), f"{metric.name} is a metric of the training data: it cannot be measured on a test set"


def check_evaluate(case: Case) -> Iterator[Violation]:
    """Yield the labelled sets that the workload does not know, and those that are named twice."""
    seen = {"test"}
    for index, entry in enumerate(case.study.evaluate if case.recipe is not None else ()):
        path: KeyPath = ("evaluate", index)
        if not case.workload.has("evaluations"):
            yield path, f"workload {case.workload.name} has no further labelled sets: it has no 'evaluations'"
            return
        try:
            names = case.workload.evaluations(case.recipe, entry)
        except ValueError as error:
            yield path, str(error)
            continue
        for name in names:
            if name in seen:
                yield path, f"{name!r} is evaluated already"
            seen.add(name)
