"""The size of a search in full trainings of the baseline, whichever of its limits is the tightest."""

from __future__ import annotations

from sweeps.pruners.promotion import Promotion
from sweeps.pruners.simulated import simulate
from sweeps.study.stages import SEARCH, limits
from sweeps.study.study import Study


def trainings(
    study: Study, epochs: int, *, epoch_s: float | None = None, share: float = 1.0, work: float = 1.0
) -> float | None:
    """Return how many full trainings of the baseline the limits of a search allow; None if they do not tell.

    Args:
        study: The study, settled or as written: a ladder that it does not give is taken to be (1, 2).
        epochs: The epochs of the baseline.
        epoch_s: Seconds of an epoch of the baseline, where they have been measured; else `budget.gpu_hours` says
            nothing.
        share: The devices that a trial holds, as in `sweeps.study.resources.device_share`.
        work: The mean work of a full training of the configurations searched, in trainings of the baseline.
    """
    sizes = [budgeted(study, epochs, epoch_s, share), _of_trials(study, epochs, work)]
    return min((size for size in sizes if size is not None), default=None)


def budgeted(study: Study, epochs: int, epoch_s: float | None, share: float) -> float | None:
    """Return how many full trainings of the baseline the budget allows; None if it does not tell. As `trainings`."""
    sizes = [study.budget.trainings, _of_hours(study, epochs, epoch_s, share)]
    return min((size for size in sizes if size is not None), default=None)


def _of_hours(study: Study, epochs: int, epoch_s: float | None, share: float) -> float | None:
    limit_s = limits(study).get(SEARCH.name)
    return None if limit_s is None or not epoch_s else limit_s / (epochs * epoch_s * share)


def _of_trials(study: Study, epochs: int, work: float) -> float | None:
    trials, section = study.most_trials, study.early_terminate
    if not trials:
        return None
    if section is None or section.mode == "stop" or section.type not in ("asha", "hyperband") or epochs < 2:
        return trials * work
    brackets = section.brackets if section.type == "hyperband" else 1
    rule = Promotion(section.min_iter or 1, section.max_iter or epochs, section.eta or 2, study.metric.goal, brackets)
    finalists = max(1, study.confirm.top if study.confirm is not None else 1)
    return simulate(rule, trials, None, finalists).epochs * work / epochs
