"""Optuna's TPE with its Hyperband pruner, both with their defaults: each epoch is reported, then asked about."""

from __future__ import annotations

import optuna

from benchmarks.search_quality.problems import Parameters
from benchmarks.search_quality.samplers import stored
from benchmarks.search_quality.simulator import Job, Policy, Task
from sweeps.space.distributions import distribution


class OptunaHyperband(Policy):
    """One search. The study is in memory."""

    def __init__(self, task: Task) -> None:
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        self._epochs = task.epochs
        self._distributions = {dimension.key: distribution(dimension) for dimension in task.space.dimensions}
        # The name matters: the pruner chooses a trial's bracket by a hash of it and of the trial's number.
        self._study = optuna.create_study(
            study_name=f"seed {task.seed}",
            direction="maximize",
            sampler=optuna.samplers.TPESampler(seed=task.seed),
            pruner=optuna.pruners.HyperbandPruner(min_resource=1, max_resource=task.epochs, reduction_factor=3),
        )
        self._trials: list[optuna.Trial] = []
        self._last: dict[int, tuple[int, float]] = {}

    def next(self, now: float) -> Job | None:
        """Ask for a trial."""
        trial = self._study.ask(self._distributions)
        self._trials.append(trial)
        return Job(len(self._trials) - 1, trial.params, self._epochs)

    def moved(self, trial: int, parameters: Parameters) -> None:
        """Have Optuna believe that it suggested this."""
        stored(self._study, self._trials[trial]).params = dict(parameters)

    def told(self, trial: int, epoch: int, value: float) -> bool:
        """Report an epoch, and ask whether the trial should be pruned."""
        self._last[trial] = epoch, value
        self._trials[trial].report(value, epoch)
        return not self._trials[trial].should_prune()

    def left(self, trial: int) -> None:
        """Tell the study how the trial ended."""
        epoch, value = self._last[trial]
        if epoch == self._epochs:
            self._study.tell(self._trials[trial], value)
        else:
            self._study.tell(self._trials[trial], state=optuna.trial.TrialState.PRUNED)
