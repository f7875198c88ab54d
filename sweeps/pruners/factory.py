"""Build the pruner of a study."""

from __future__ import annotations

from sweeps.pruners.asha import Asha
from sweeps.pruners.base import Rule
from sweeps.pruners.hyperband import Hyperband
from sweeps.pruners.median import Median
from sweeps.pruners.one_epoch import OneEpoch
from sweeps.pruners.promotion import Promotion
from sweeps.stats.goal import Goal
from sweeps.study.search.early_terminate import EarlyTerminate
from sweeps.study.study import Study
from sweeps.workload import Workload


def stopping_rule(study: Study, workload: Workload) -> Rule | None:
    """Return the pruner of a study; None if it has no early termination."""
    section = study.early_terminate
    if section is None:
        return None
    epochs = section.max_iter or epochs_of(study, workload)
    assert epochs is not None, "sweeps.validation.checks refuses a study without either"
    return rule_of(section, epochs, study.metric.goal)


def promotion_rule(study: Study, workload: Workload) -> Promotion | None:
    """Return the rule by which paused trials of a study go on; None if its trials do not pause at rungs."""
    section = study.early_terminate
    if section is None or not section.promotes:
        return None
    last = section.max_iter or epochs_of(study, workload)
    assert last is not None, "sweeps.validation.checks refuses a study without either"
    brackets = section.brackets if section.type == "hyperband" else 1
    return Promotion(_required(section.min_iter), last, _required(section.eta), study.metric.goal, brackets)


def epochs_of(study: Study, workload: Workload) -> int | None:
    """Return the epochs of a trial of the baseline; None if the recipe has no setting `epochs`."""
    try:
        return int(workload.schema.get(workload.schema.validate(study.settings(workload.schema)), "epochs"))
    except KeyError:
        return None


def rule_of(section: EarlyTerminate, epochs: int, goal: Goal) -> Rule:
    """Return the pruner that a section of a study file describes.

    Args:
        section: The section.
        epochs: The epochs of a full trial, for a section without `max_iter`.
        goal: The direction of the metric.
    """
    last = section.max_iter or epochs
    match section.type:
        case "asha":
            return Asha(_required(section.min_iter), last, _required(section.eta), goal)
        case "hyperband":
            return Hyperband(_required(section.min_iter), last, _required(section.eta), goal, section.brackets)
        case "median":
            return Median(_required(section.min_iter), _required(section.min_trials), goal)
        case "one_epoch":
            return OneEpoch(_required(section.epochs), _required(section.top), goal)


def _required(value: int | None) -> int:
    assert value is not None, "the section fills in the defaults of its type"
    return value
