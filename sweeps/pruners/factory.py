"""Build the pruner that a study file asks for."""

from __future__ import annotations

from sweeps.pruners.asha import Asha
from sweeps.pruners.base import Goal, Rule
from sweeps.pruners.hyperband import Hyperband
from sweeps.pruners.median import Median
from sweeps.pruners.one_epoch import OneEpoch
from sweeps.study.sections import EarlyTerminate
from sweeps.study.study import Study
from sweeps.workload import Workload


def stopping_rule(study: Study, workload: Workload) -> Rule | None:
    """The early termination of a study; a full trial has the recipe's epochs where the file does not say."""
    section = study.early_terminate
    if section is None:
        return None
    epochs = section.max_iter or epochs_of(study, workload)
    assert epochs is not None, "sweeps.validation.checks refuses a study without either"
    return rule_of(section, epochs, study.metric.goal)


def epochs_of(study: Study, workload: Workload) -> int | None:
    """The epochs that a trial of the baseline trains for; None where the recipe has no key `epochs`."""
    try:
        return int(workload.schema.get(workload.schema.validate(study.settings(workload.schema)), "epochs"))
    except KeyError:
        return None


def rule_of(section: EarlyTerminate, epochs: int, goal: Goal) -> Rule:
    """The rule that a study file asks for; `epochs` are those of a full trial, where the file names no `max_iter`."""
    last = section.max_iter or epochs
    match section.type:
        case "asha":
            return Asha(_set(section.min_iter), last, _set(section.eta), goal)
        case "hyperband":
            return Hyperband(_set(section.min_iter), last, _set(section.eta), goal, section.brackets)
        case "median":
            return Median(_set(section.min_iter), _set(section.min_trials), goal)
        case "one_epoch":
            return OneEpoch(_set(section.epochs), _set(section.top), goal)


def _set(value: int | None) -> int:
    assert value is not None, "the section fills in what its type has"
    return value
