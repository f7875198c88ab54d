"""Ray Tune's own searcher and scheduler, driven on the simulated clock as Tune's controller drives them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from benchmarks.search_quality.problems import Parameters
from benchmarks.search_quality.samplers import stored
from benchmarks.search_quality.simulator import Job, Policy, Task
from sweeps.space.space import Categorical, Dimension, Numeric

METRIC, EPOCH = "value", "training_iteration"


@dataclass(frozen=True)
class _Trial:
    """What the scheduler reads of Tune's trial."""

    trial_id: str


class Stock(Policy):
    """`OptunaSearch` and `ASHAScheduler` with their defaults, as in Tune's documentation.

    The order of the calls is that of `ray.tune.execution.tune_controller`: the scheduler sees a result first; the
    searcher sees it if the trial goes on, else it is told that the trial is complete.
    """

    def __init__(self, task: Task) -> None:
        import optuna
        from ray.tune.schedulers import ASHAScheduler
        from ray.tune.search.optuna import OptunaSearch

        optuna.logging.set_verbosity(optuna.logging.ERROR)
        domains = {dimension.key: domain_of(dimension) for dimension in task.space.dimensions}
        space = OptunaSearch.convert_search_space(domains)  # as the controller does
        self._searcher = OptunaSearch(space, metric=METRIC, mode="max", seed=task.seed)
        self._scheduler = ASHAScheduler(
            time_attr=EPOCH, metric=METRIC, mode="max", max_t=task.epochs, grace_period=1, reduction_factor=3
        )
        self._epochs = task.epochs
        self._trials: list[_Trial] = []
        self._last: dict[int, dict[str, Any]] = {}

    def next(self, now: float) -> Job | None:
        """Start the trial that the searcher suggests."""
        trial = _Trial(f"{len(self._trials):05d}")
        parameters = self._searcher.suggest(trial.trial_id)
        self._scheduler.on_trial_add(None, trial)
        self._trials.append(trial)
        return Job(len(self._trials) - 1, parameters, self._epochs)

    def moved(self, trial: int, parameters: Parameters) -> None:
        """Have the searcher believe that it suggested this."""
        searcher = self._searcher
        stored(searcher._ot_study, searcher._ot_trials[self._trials[trial].trial_id]).params = dict(parameters)

    def told(self, trial: int, epoch: int, value: float) -> bool:
        """Return whether the scheduler lets the trial go on."""
        result = {METRIC: value, EPOCH: epoch}
        self._last[trial] = result
        goes_on = self._scheduler.on_trial_result(None, self._trials[trial], result) != "STOP"
        if goes_on:
            self._searcher.on_trial_result(self._trials[trial].trial_id, result)
        return goes_on

    def left(self, trial: int) -> None:
        """Tell the scheduler, then the searcher."""
        self._scheduler.on_trial_complete(None, self._trials[trial], self._last[trial])
        self._searcher.on_trial_complete(self._trials[trial].trial_id, self._last[trial])


def domain_of(dimension: Dimension) -> Any:
    """Return a dimension as Tune describes it."""
    from ray import tune

    if isinstance(dimension, Categorical):
        return tune.choice(list(dimension.values))
    assert isinstance(dimension, Numeric)
    low, high = dimension.low, dimension.high
    if dimension.integer:
        return tune.randint(int(low), int(high) + 1)
    return tune.loguniform(low, high) if dimension.log else tune.uniform(low, high)
