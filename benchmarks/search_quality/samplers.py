"""Samplers of configurations: at random, and Optuna's TPE."""

from __future__ import annotations

import random
import warnings
from typing import Protocol

import optuna

from benchmarks.search_quality.problems import Parameters
from benchmarks.search_quality.simulator import Task
from sweeps.space.distributions import distribution
from sweeps.space.encoding import identity

STARTUP = 10  # the engine's random start for 30 configurations and more
REPEATS_ALLOWED = 3  # as the engine does, an untried cell of a grid is taken after that many repeats


class Sampler(Protocol):
    """Proposes configurations. In a finite space it proposes none twice."""

    def ask(self, trial: int) -> Parameters | None:
        """Return the configuration of a new trial; None if every one was proposed."""

    def sent(self, trial: int, until: int) -> None:
        """Take note that a trial trains up to an epoch, unless it is stopped before."""

    def moved(self, trial: int, parameters: Parameters) -> None:
        """Take note that a new trial trains this configuration instead."""

    def told(self, trial: int, epoch: int, value: float) -> None:
        """Take the metric of an epoch."""

    def left(self, trial: int, complete: bool) -> None:
        """Take note that a trial has left its worker, for good if it is complete."""


class Untried:
    """The configurations of a finite space that were not proposed yet; a continuum is never exhausted."""

    def __init__(self, task: Task) -> None:
        self._space, self._rng = task.space, random.Random(task.seed)
        self._tried: set[str] = set()

    @property
    def exhausted(self) -> bool:
        """Whether every configuration was proposed."""
        return self._space.size is not None and len(self._tried) >= self._space.size

    def take(self, parameters: Parameters) -> bool:
        """Mark a configuration as proposed; return whether it may be."""
        if self._space.size is None:
            return True
        new = identity(parameters) not in self._tried
        self._tried.add(identity(parameters))
        return new

    def draw(self) -> Parameters:
        """Return and mark a random configuration that was not proposed yet."""
        while not self.take(parameters := self._space.draw(self._rng)):
            pass
        return parameters


class Random:
    """Draws at random."""

    def __init__(self, task: Task) -> None:
        self._untried = Untried(task)

    def ask(self, trial: int) -> Parameters | None:
        """Draw a configuration."""
        return None if self._untried.exhausted else self._untried.draw()

    def sent(self, trial: int, until: int) -> None:
        """Ignore the start."""

    def moved(self, trial: int, parameters: Parameters) -> None:
        """Ignore the move."""

    def told(self, trial: int, epoch: int, value: float) -> None:
        """Ignore the metric."""

    def left(self, trial: int, complete: bool) -> None:
        """Ignore the end."""


class Tpe:
    """Optuna's TPE as the engine sets it: multivariate, with a constant liar and `STARTUP` random draws.

    A trial that has left is PRUNED with the values it had, unless it is complete. One that comes back is changed in
    place, since Optuna knows no trial that goes on.
    """

    def __init__(self, task: Task) -> None:
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            sampler = optuna.samplers.TPESampler(
                seed=task.seed, n_startup_trials=STARTUP, multivariate=True, constant_liar=True
            )
        self._study = optuna.create_study(direction="maximize", sampler=sampler)
        self._distributions = {dimension.key: distribution(dimension) for dimension in task.space.dimensions}
        self._untried = Untried(task)
        self._trials: dict[int, optuna.Trial] = {}
        self._curves: dict[int, dict[int, float]] = {}

    def ask(self, trial: int) -> Parameters | None:
        """Sample a configuration; in a grid an untried one at random where the sampler repeats itself."""
        for _ in range(REPEATS_ALLOWED):
            asked = self._study.ask(self._distributions)
            if self._untried.take(asked.params):
                return self._take(trial, asked)
            self._study.tell(asked, state=optuna.trial.TrialState.FAIL)
            if self._untried.exhausted:
                return None
        self._study.enqueue_trial(dict(self._untried.draw()))
        return self._take(trial, self._study.ask(self._distributions))

    def _take(self, trial: int, asked: optuna.Trial) -> Parameters:
        self._trials[trial], self._curves[trial] = asked, {}
        return asked.params

    def sent(self, trial: int, until: int) -> None:
        """Ignore the start: Optuna believes that the trial has ended."""

    def moved(self, trial: int, parameters: Parameters) -> None:
        """Have Optuna believe that it proposed this."""
        stored(self._study, self._trials[trial]).params = dict(parameters)

    def told(self, trial: int, epoch: int, value: float) -> None:
        """Keep the metric until the trial leaves."""
        self._curves[trial][epoch] = value

    def left(self, trial: int, complete: bool) -> None:
        """Tell Optuna what the trial has reached."""
        state = optuna.trial.TrialState.COMPLETE if complete else optuna.trial.TrialState.PRUNED
        epoch, value = max(self._curves[trial].items())
        record = stored(self._study, self._trials[trial])
        if record.state.is_finished():
            record.intermediate_values, record.value, record.state = {epoch: value}, value, state
        else:
            self._trials[trial].report(value, epoch)
            self._study.tell(self._trials[trial], value if complete else None, state=state)


def stored(study: optuna.Study, trial: optuna.Trial) -> optuna.trial.FrozenTrial:
    """Return the record of a trial of a study in memory, to be changed in place.

    Optuna has no public way to change what was trained, nor to go on with a trial that has ended.
    """
    return study._storage._get_trial(trial._trial_id)  # type: ignore[attr-defined, no-any-return]
