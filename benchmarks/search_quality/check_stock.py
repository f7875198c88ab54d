"""Check the simulated stock search against real `Tuner` runs: equal trials, epochs and regrets for the same seeds."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from benchmarks.search_quality.problems import Problem, regret
from benchmarks.search_quality.samplers import stored
from benchmarks.search_quality.simulator import Step, Task, Trace, handed_over, simulate
from benchmarks.search_quality.stock import EPOCH, METRIC, Stock, domain_of

PROBLEMS = ("digits", "taskset_patch128_LSTM128_bs64")
SEEDS = 5
TRAININGS = (5, 10)


@dataclass(frozen=True)
class Pair:
    """One search, run by Tune and on the simulated clock."""

    problem: Problem
    seed: int
    real: Trace
    simulated: Trace

    @property
    def equal(self) -> bool:
        """Whether both trained the same configurations in the same order for the same epochs."""
        return self.real == self.simulated

    @property
    def first_difference(self) -> str | None:
        """The first step in which they differ."""
        pairs = zip(_in_words(self.real), _in_words(self.simulated), strict=False)
        differences = (f"Tune: {real}; simulated: {simulated}" for real, simulated in pairs if real != simulated)
        lengths = f"Tune: {len(self.real.steps)} steps; simulated: {len(self.simulated.steps)}"
        return None if self.equal else next(differences, lengths)

    def regrets(self, trace: Trace) -> list[float]:
        """Return the regret of what stock hands over at each of `TRAININGS`."""
        full = self.problem.full_seconds
        return [round(regret(self.problem, handed_over(trace.until(budget * full))), 6) for budget in TRAININGS]


def check(problems: Sequence[Problem], seeds: int = SEEDS) -> dict[str, Any]:
    """Run both for each problem and seed; return what they trained and handed over."""
    os.environ.update(RAY_USAGE_STATS_ENABLED="0", RAY_AIR_NEW_OUTPUT="0")
    import ray

    ray.init(address="local", num_cpus=1, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
    try:
        pairs = [_pair(problem, seed) for problem in problems for seed in range(seeds)]
    finally:
        ray.shutdown()
    return {
        "versions": {name: version(name) for name in ("ray", "optuna")},
        "trainings": list(TRAININGS),
        "runs": [
            {
                "problem": pair.problem.name,
                "seed": pair.seed,
                "trials": len(pair.real.parameters),
                "epochs": len(pair.real.steps),
                "regret": {"tune": pair.regrets(pair.real), "simulated": pair.regrets(pair.simulated)},
                "equal": pair.equal,
                "first_difference": pair.first_difference,
            }
            for pair in pairs
        ],
    }


def text(result: Mapping[str, Any]) -> str:
    """Return the comparison as Markdown."""
    runs = result["runs"]
    versions = ", ".join(f"{name} {number}" for name, number in result["versions"].items())
    lines = [
        f"Stock on the simulated clock against `Tuner` runs with {versions}, one trial at a time, budgets of "
        f"{' and '.join(map(str, result['trainings']))} full trainings: {sum(run['equal'] for run in runs)} of "
        f"{len(runs)} runs are equal in every configuration, its order and its epochs.",
        "",
        "| problem | seed | trials | epochs | regret of Tune | regret simulated | equal |",
        "| --- | ---: | ---: | ---: | ---: | ---: | --- |",
    ]
    for run in runs:
        regrets = [" / ".join(f"{value:.3f}" for value in run["regret"][kind]) for kind in ("tune", "simulated")]
        equal = "yes" if run["equal"] else f"no: {run['first_difference']}"
        cells = (run["problem"], run["seed"], run["trials"], run["epochs"], *regrets, equal)
        lines.append(f"| {' | '.join(map(str, cells))} |")
    return "\n".join(lines) + "\n"


def _pair(problem: Problem, seed: int) -> Pair:
    trainings = max(TRAININGS)
    task = Task(problem.space, problem.epochs, 1, trainings, seed)
    # Without `until` it would also name a trial whose first epoch ends after the budget.
    simulated = simulate(problem, Stock(task), trainings).until(trainings * problem.full_seconds)
    return Pair(problem, seed, tuned(problem, seed, trainings), simulated)


def tuned(problem: Problem, seed: int, trainings: float) -> Trace:
    """Return what Tune's own loop trains with `OptunaSearch` and `ASHAScheduler`, as in its documentation.

    Args:
        problem: The problem. A table's proposals are moved to its rows, and the searcher is told, as in `Stock`.
        seed: The seed of the searcher.
        trainings: The budget in full trainings. Ray must be running.
    """
    from ray import tune
    from ray.tune.schedulers import ASHAScheduler
    from ray.tune.search.optuna import OptunaSearch

    trace, numbers, limit = Trace(), dict[str, int](), trainings * problem.full_seconds
    train = problem.search()

    class Moved(OptunaSearch):  # type: ignore[misc]
        """Suggests what is trained."""

        def suggest(self, trial_id: str) -> dict[str, Any] | None:
            parameters = train(super().suggest(trial_id)).parameters
            stored(self._ot_study, self._ot_trials[trial_id]).params = dict(parameters)
            return dict(parameters)

    class Watch(tune.Stopper):  # type: ignore[misc]
        """Records each result and ends the search once the time is spent."""

        spent = 0.0

        def __call__(self, trial_id: str, result: dict[str, Any]) -> bool:
            trial = numbers.setdefault(trial_id, len(numbers))
            parameters = trace.parameters.setdefault(trial, result["config"])
            self.spent += problem.train(parameters).epoch_seconds
            trace.steps.append(Step(self.spent, trial, int(result[EPOCH]), float(result[METRIC])))
            return False

        def stop_all(self) -> bool:
            return self.spent > limit

    def objective(config: dict[str, Any]) -> None:
        for value in problem.train(config).curve:
            tune.report({METRIC: float(value)})

    with tempfile.TemporaryDirectory(prefix="search-quality-", dir=_memory()) as folder:
        tune.Tuner(
            objective,
            param_space={dimension.key: domain_of(dimension) for dimension in problem.space.dimensions},
            tune_config=tune.TuneConfig(
                metric=METRIC, mode="max", search_alg=Moved(seed=seed), num_samples=-1,
                scheduler=ASHAScheduler(max_t=problem.epochs, grace_period=1, reduction_factor=3),
                reuse_actors=True, max_concurrent_trials=1,
            ),
            run_config=tune.RunConfig(storage_path=folder, verbose=0, stop=Watch()),
        ).fit()  # fmt: skip
    return trace.until(limit)


def _memory() -> str | None:
    """Return a folder in memory if there is one, so that the disk's speed does not matter."""
    return "/dev/shm" if Path("/dev/shm").is_dir() else None


def _in_words(trace: Trace) -> list[str]:
    return [f"trial {step.trial} epoch {step.epoch} of {dict(trace.parameters[step.trial])}" for step in trace.steps]
