"""Check a study against its workload: does the recipe have these settings, and accept their values and combinations?

Each section of a study file is checked in a module of its own. A check yields (path, rule) pairs.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Sequence

from sweeps.io.paths import KeyPath, Violation, dotted
from sweeps.recipe.synonyms import meant
from sweeps.study.document import TOP_LEVEL, Document
from sweeps.study.explain import as_written
from sweeps.study.problems import Mistake, StudyError
from sweeps.study.study import Study, parse, valid_part
from sweeps.validation.baseline import check_baseline, check_constraints, check_preference
from sweeps.validation.case import Case
from sweeps.validation.combinations import check_combinations
from sweeps.validation.components import check_components
from sweeps.validation.early_termination import check_early_termination
from sweeps.validation.final import check_evaluate, check_final
from sweeps.validation.parameters import check_parameters, check_toggles
from sweeps.workload import BadWorkload, Workload, load


def _check_resources(case: Case) -> Iterator[Violation]:
    """Yield why a trial cannot have several GPUs. Here, not in the section: studies begun with them can still be read.

    Trials on several GPUs at once need no setting: as many run as there are GPUs.
    """
    gpu = case.study.resources.gpu if hasattr(case.study, "resources") else None
    if isinstance(gpu, int | float) and gpu > 1:
        yield (
            ("resources", "gpu"),
            f"must be at most 1 but got {gpu:g}: one trial uses one GPU, and several GPUs run several trials at once, "
            f"one on each; leave gpu out, or write a share such as gpu: 0.5 for two trials on each",
        )


CHECKS = (
    check_baseline,
    check_constraints,
    check_parameters,
    check_toggles,
    check_early_termination,
    check_components,
    check_final,
    check_evaluate,
    check_preference,
    _check_resources,
)


def check(study: Study, workload: Workload, document: Document | None = None) -> None:
    """Check a study against the recipe and the capabilities of its workload.

    Combinations of settings are tried once every setting is valid by itself: all of a small space, a sample of a large
    one.

    Args:
        study: The study.
        workload: The workload that it names.
        document: The file that it was parsed from; with it, each mistake names its line.

    Raises:
        StudyError: With all the mistakes.
    """
    _check(study, workload, document, with_combinations=True)


def accept(document: Document, workload: Workload | None = None) -> tuple[Study, Workload]:
    """Parse a study file and check it against its workload.

    Args:
        document: The file.
        workload: The workload; by default it is loaded by the name in the file.

    Returns:
        The study and its workload.

    Raises:
        StudyError: With the mistakes of both kinds in one report.
        BadWorkload: The workload cannot be loaded, and the file has no other mistakes.
    """
    try:
        study, mistakes = parse(document), []
    except StudyError as error:
        study, mistakes = valid_part(document), error.mistakes
        if workload is None and not hasattr(study, "workload"):
            raise
    loaded = workload if workload is not None else _load(study.workload, document, mistakes)
    try:
        _check(study, loaded, document, with_combinations=not mistakes)
    except StudyError as error:
        raise StudyError([*mistakes, *error.mistakes]) from None
    if mistakes:
        raise StudyError(mistakes)
    return study, loaded


def _load(name: str, document: Document, mistakes: Sequence[Mistake]) -> Workload:
    try:
        return load(name)
    except BadWorkload as error:
        if not mistakes:
            raise
        raise StudyError([*mistakes, document.mistake(("workload",), str(error))]) from None


def _check(study: Study, workload: Workload, document: Document | None, with_combinations: bool) -> None:
    case = Case(study, workload)
    violations = [violation for check_section in CHECKS for violation in check_section(case)]
    # A value that is wrong by itself would be reported again in every combination.
    if with_combinations and not violations:
        violations = [*check_combinations(case)]
    if violations:
        raise StudyError(_mistake(path, rule, document) for path, rule in violations)


def _mistake(path: KeyPath, rule: str, document: Document | None) -> Mistake:
    if document is None:
        return Mistake("", dotted(path), rule)
    written = as_written(path, document.data)
    place = document.place(written)
    # `--set run_capp=3` is taken for a setting of the recipe, but may have meant one of the study.
    if place.startswith("--set ") and path[0] == "baseline" and rule.startswith("unknown setting"):
        similar = difflib.get_close_matches(str(path[1]), TOP_LEVEL, n=1)
        near = [name] if (name := meant(str(path[1]), TOP_LEVEL)) else similar
        rule += f"; or the study's {near[0]!r}?" if near else ""
    return Mistake(place, dotted(written), rule)
