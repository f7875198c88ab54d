"""The other side: Ray Tune's `OptunaSearch` and `ASHAScheduler`, as in its documentation, over a function.

In its favour: actors are reused, which is not the default, or each trial would import torch anew; its trainings save no
checkpoints; ordered settings are integers to it.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.known_table import KnownTable, kind
from benchmarks.search_real.searched import METRIC, WORKLOAD, Clock, Found, Task
from sweeps.space.space import Categorical, Numeric
from sweeps.workload import Run, load


def search(task: Task) -> Found:
    """Run the `Tuner` and return what it cost and found."""
    clock = Clock()

    import ray
    from ray import tune
    from ray.tune.schedulers import ASHAScheduler
    from ray.tune.search.optuna import OptunaSearch

    class Budget(tune.Stopper):  # type: ignore[misc]
        """Ends the search once the budget is spent."""

        spent_s = 0.0

        def __call__(self, trial_id: str, result: dict[str, Any]) -> bool:
            clock.handed_out += result["training_iteration"] == 1
            clock.epoch(result)
            self.spent_s += result["price_s"]
            return False

        def stop_all(self) -> bool:
            return self.spent_s >= task.budget_s

    ray.init(
        address="local", num_cpus=task.workers, include_dashboard=False, log_to_driver=False, logging_level="ERROR"
    )
    table, budget = task.table, Budget()
    grid = tune.Tuner(
        tune.with_resources(tune.with_parameters(trainable, task=task), {"cpu": 1}),
        param_space=param_space(table),
        tune_config=tune.TuneConfig(
            metric=METRIC,
            mode="max",
            search_alg=OptunaSearch(seed=task.seed),
            scheduler=ASHAScheduler(max_t=table.epochs, grace_period=1, reduction_factor=3),
            num_samples=-1,
            max_concurrent_trials=task.workers,
            reuse_actors=True,
        ),
        run_config=tune.RunConfig(storage_path=str(task.folder), verbose=0, stop=budget),
    ).fit()
    best = grid.get_best_result()
    last = best.metrics["training_iteration"], best.metrics[METRIC]
    found = clock.record(task, settings_of(table, best.config), last, budget.spent_s)
    ray.shutdown()
    return found


def trainable(config: Mapping[str, Any], task: Task) -> None:
    """Train a configuration and report each epoch."""
    from ray import tune

    workload, table = load(WORKLOAD), task.table
    searched = settings_of(table, config)
    settings = workload.schema.merge(table.study.baseline, searched)
    price_s = float(table.epoch_seconds[table.nearest(searched)])
    folder = task.folder / "files" / tune.get_context().get_trial_id()
    folder.mkdir(parents=True)
    for metrics in workload.train(workload.schema.validate(settings), _run(task, folder)):
        tune.report({METRIC: metrics[METRIC], "seconds": metrics["seconds"], "price_s": price_s})


def _run(task: Task, folder: Path) -> Run:
    """Return the run of a training that saves nothing until its last epoch."""
    return Run(0, 0, device="cpu", data_dir=task.data_dir, folder=folder, checkpoint_every=float("inf"))


def param_space(table: KnownTable) -> dict[str, Any]:
    """Return the space as Tune describes it; of a choice between values, their places."""
    from ray import tune

    space: dict[str, Any] = {}
    for dimension in table.space.dimensions:
        if isinstance(dimension, Categorical):
            count = len(dimension.values)
            ordered = kind(dimension).startswith("int")
            space[dimension.key] = tune.randint(0, count) if ordered else tune.choice(list(range(count)))
        else:
            assert isinstance(dimension, Numeric)
            space[dimension.key] = _range(dimension)
    return space


def _range(dimension: Numeric) -> Any:
    from ray import tune

    if dimension.integer:
        return tune.randint(int(dimension.low), int(dimension.high) + 1)
    return (tune.loguniform if dimension.log else tune.uniform)(dimension.low, dimension.high)


def settings_of(table: KnownTable, config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings that Tune's configuration stands for, by dotted key."""
    return {
        dimension.key: dimension.values[config[dimension.key]]
        if isinstance(dimension, Categorical)
        else config[dimension.key]
        for dimension in table.space.dimensions
    }
