"""What the surrogate is told of the trials of a search."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from itertools import accumulate

from sweeps.pruners.factory import epochs_of
from sweeps.space.space import Categorical, Numeric
from sweeps.study.sections import Metric
from sweeps.study.study import Study
from sweeps.surrogate.observed import Observed
from sweeps.trial.trial import Status, Trial
from sweeps.workload import Workload

EPOCHS = "epochs"
_BROKEN = (Status.DIVERGED, Status.OUT_OF_MEMORY)
_TOLD = (Status.COMPLETE, Status.PRUNED, Status.RUNNING, *_BROKEN)


class Observations:
    """Converts the trials of one search, each once for as long as it does not change.

    Args:
        epochs: The epochs of a full trial. What is measured later counts as measured then.
        metric: The metric of the study.
    """

    def __init__(self, epochs: int, metric: Metric) -> None:
        self._epochs = epochs
        better = max if metric.goal == "maximize" else min
        self._better = better if metric.at == "best" else None
        self._converted: dict[int, tuple[Trial, Observed]] = {}

    def of(self, trials: Iterable[Trial]) -> list[Observed]:
        """Return what is known of the trials, in their order, without those that say nothing about the metric.

        These are trials that a machine lost, and ones that were refused before they started.
        """
        return [self._observed(trial) for trial in trials if tells(trial)]

    def _observed(self, trial: Trial) -> Observed:
        source, observed = self._converted.get(trial.number, (None, None))
        if observed is None or source is not trial:  # the storage replaces the object of a trial that changes
            observed = Observed(trial.parameters, self._curve(trial), self._until(trial))
            self._converted[trial.number] = trial, observed
        return observed

    def _curve(self, trial: Trial) -> Mapping[int, float]:
        if trial.status in _BROKEN:
            # What it reached before is worth nothing, and the chance level that may stand for its last epoch was not
            # measured: it counts as the worst, from its first epoch on.
            last = min(max(trial.measured, default=0) + 1, self._epochs)
            return dict.fromkeys(range(1, last + 1), math.nan)
        epochs, values = sorted(trial.curve), [value for _, value in sorted(trial.curve.items())]
        if self._better is not None:
            values = list(accumulate(values, self._better))
        curve = {min(epoch, self._epochs): value for epoch, value in zip(epochs, values, strict=True)}
        if trial.value is not None:  # complete, perhaps before the last epoch, where its recipe stops it earlier
            curve[self._epochs] = trial.value
        return curve

    def _until(self, trial: Trial) -> int | None:
        """The epoch up to which a trial is being trained."""
        if trial.ended or trial.paused:
            return None
        decided = trial.decisions[-1].get("until") if trial.decisions else None
        return min(int(decided or self._epochs), self._epochs)


def tells(trial: Trial) -> bool:
    """Whether a trial says something about the metric, if only that it is being trained."""
    return trial.status in _TOLD


def full_epochs(study: Study, workload: Workload) -> int:
    """Return the epochs of the longest trial of a search; 1 where the workload has no setting `epochs`."""
    longest = [epochs_of(study, workload) or 1]
    for dimension in study.space.dimensions:
        if dimension.key == EPOCHS and isinstance(dimension, Numeric):
            longest.append(int(dimension.high))
        elif dimension.key == EPOCHS and isinstance(dimension, Categorical):
            longest += [value for value in dimension.values if isinstance(value, int)]
    return max(longest)
