"""Search policies on the table. Each returns its steps in order, from which the regret at any budget follows."""

from __future__ import annotations

import json
import random
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

from benchmarks.tabulated import KEYS, Configuration, read_table
from sweeps.pruners.asha import Asha
from sweeps.pruners.base import Rule
from sweeps.pruners.hyperband import Hyperband
from sweeps.pruners.median import Median
from sweeps.pruners.one_epoch import OneEpoch

EPOCHS = 27
SPACE = {
    "lr": {"min": 0, "max": 7},
    "weight_decay": {"min": 0, "max": 2},
    **{key: {"values": [0, 1]} for key in KEYS[2:]},
}


@dataclass(frozen=True)
class Step:
    """One epoch of one trial."""

    trial: int
    configuration: Configuration
    epoch: int


Trace = list[Step]
Pick = Callable[[Sequence[Step]], Configuration]


def affordable(trace: Sequence[Step], seconds: float) -> list[Step]:
    """Return the steps that end within `seconds` of device time."""
    table, spent, within = read_table(), 0.0, []
    for step in trace:
        spent += table.epoch_seconds[step.configuration]
        if spent > seconds:
            break
        within.append(step)
    return within


def best_finished(steps: Sequence[Step]) -> Configuration:
    """Return the best of the configurations that were trained longest."""
    table, last = read_table(), {step.trial: step for step in steps}
    longest = max(step.epoch for step in last.values())
    named = [step.configuration for step in last.values() if step.epoch == longest]
    return max(named, key=lambda name: table.curves[name][longest - 1])


def best_last_value(steps: Sequence[Step]) -> Configuration:
    """Return the configuration with the best last value, as Ray Tune's `get_best_result` does by default."""
    table, last = read_table(), {step.trial: step for step in steps}
    return max(last.values(), key=lambda step: table.curves[step.configuration][step.epoch - 1]).configuration


# -- the engine itself ------------------------------------------------------------------------------------------------


class Spent(Exception):
    """The device time is spent."""


class Recorder:
    """An observer that records the steps and raises `Spent` once `seconds` are spent."""

    def __init__(self, seconds: float) -> None:
        self.trace: Trace = []
        self._left = seconds
        self._names: dict[int, Configuration] = {}

    def on_stage(self, stage: str, wanted: int) -> None:
        """Ignore the event."""

    def on_note(self, text: str) -> None:
        """Ignore the event."""

    def on_start(self, stage: str, number: int, label: str, resumed_at: int) -> None:
        """Record the trial's configuration."""
        settings = dict(part.split("=") for part in label.split())
        self._names[number] = tuple(int(settings[key]) for key in KEYS)

    def on_epoch(self, stage: str, number: int, epoch: int, metrics: Mapping[str, float]) -> None:
        """Record a step."""
        self.trace.append(Step(number, self._names[number], epoch))
        self._left -= read_table().epoch_seconds[self._names[number]]
        if self._left < 0:
            raise Spent

    def on_settled(self, study: Any, notes: Sequence[str]) -> None:
        """Ignore the event."""

    def on_pause(self, stage: str, number: int, epoch: int) -> None:
        """Ignore the event."""

    def on_end(self, trial: Any) -> None:
        """Ignore the event."""

    def on_interrupt(self, why: str) -> None:
        """Ignore the event."""


def engine(seed: int, seconds: float, early_terminate: Mapping[str, Any] | None, method: str = "bayes") -> Trace:
    """Run a study with the engine in this process, as `sweep run --runner inline` does."""
    from sweeps.engine import execute as engines
    from sweeps.prepare.prepared import settle
    from sweeps.runners.inline import InlineRunner
    from sweeps.study.document import from_text
    from sweeps.study.stages import RunRequest, stages_of
    from sweeps.study.study import parse
    from sweeps.workload import load

    content = {
        "name": "table", "question": "Which configuration is best?", "workload": "benchmarks.tabulated",
        "baseline": {"epochs": EPOCHS}, "method": method, "metric": {"name": "val_accuracy", "goal": "maximize"},
        "run_cap": len(read_table().curves), "parameters": SPACE, "seed": seed,
        **({"early_terminate": early_terminate} if early_terminate else {}),
    }  # fmt: skip
    study, recorder = parse(from_text(json.dumps(content), "table.yaml")), Recorder(seconds)
    with tempfile.TemporaryDirectory(prefix="search-quality-", dir=_memory()) as folder:
        prepared = settle(study, load(study.workload), Path(folder), {})
        with suppress(Spent):
            request = RunRequest(stages_of(study))
            engines.run(prepared, Path(folder) / "table", InlineRunner, recorder, request, cache=False)
    return recorder.trace


def _memory() -> str | None:
    """Return a folder in memory if there is one, so that the disk's speed does not matter."""
    return "/dev/shm" if Path("/dev/shm").is_dir() else None


# -- random draws, by the engine's own rules ---------------------------------------------------------------------------


def drawn(seed: int) -> Iterator[Configuration]:
    """Return an iterator over all configurations in random order."""
    names = list(product(*(range(size) for size in read_table().sizes)))
    random.Random(seed).shuffle(names)
    return iter(names)


def one_by_one(seed: int, seconds: float, rule: Rule | None) -> Trace:
    """Train random draws one after another, each until the rule stops it."""
    table, trace, curves, left = read_table(), Trace(), dict[int, dict[int, float]](), seconds
    for trial, name in enumerate(drawn(seed)):
        curves[trial] = {}
        for epoch in range(1, EPOCHS + 1):
            left -= table.epoch_seconds[name]
            trace.append(Step(trial, name, epoch))
            curves[trial][epoch] = table.curves[name][epoch - 1]
            if left < 0:
                return trace
            if epoch < EPOCHS and rule is not None and rule.stops(trial, curves):
                break
    return trace


def one_epoch(seed: int, seconds: float, top: int) -> Trace:
    """Train draws for one epoch, as many as leave time for it, then the `top` best of them to the end."""
    table, rule = read_table(), OneEpoch(1, top, "maximize")
    slowest = max(table.epoch_seconds.values())
    left, names = seconds - top * (EPOCHS - 1) * slowest, list[Configuration]()
    for name in drawn(seed):
        left -= table.epoch_seconds[name]
        if left < 0:
            break
        names.append(name)
    first = [Step(trial, name, 1) for trial, name in enumerate(names)]
    best = rule.best({trial: {1: table.curves[name][0]} for trial, name in enumerate(names)})
    return first + [Step(trial, names[trial], epoch) for trial in best for epoch in range(2, EPOCHS + 1)]


RULES: Mapping[str, Rule] = {
    "asha": Asha(1, EPOCHS, 3, "maximize"),
    "hyperband": Hyperband(1, EPOCHS, 3, "maximize"),
    "median": Median(1, 5, "maximize"),
}


# -- Ray Tune ----------------------------------------------------------------------------------------------------------


def stock(seed: int, seconds: float) -> Trace:
    """Run Ray Tune with `OptunaSearch` and `ASHAScheduler`, as in its documentation, one trial at a time."""
    from ray import tune
    from ray.tune.schedulers import ASHAScheduler
    from ray.tune.search.optuna import OptunaSearch

    table, trace, numbers = read_table(), Trace(), dict[str, int]()
    curves = {key: tuple(curve) for key, curve in table.curves.items()}

    class Watch(tune.Stopper):  # type: ignore[misc]
        """Records every result and ends the search once `seconds` are spent."""

        left = seconds

        def __call__(self, trial_id: str, result: dict[str, Any]) -> bool:
            name = tuple(int(result["config"][key]) for key in KEYS)
            trace.append(Step(numbers.setdefault(trial_id, len(numbers)), name, int(result["training_iteration"])))
            self.left -= table.epoch_seconds[name]
            return False

        def stop_all(self) -> bool:
            return self.left < 0

    def objective(config: dict[str, int]) -> None:
        for accuracy in curves[tuple(int(config[key]) for key in KEYS)]:
            tune.report({"val_accuracy": accuracy})

    sizes = dict(zip(KEYS, table.sizes, strict=True))
    ordered = {key: tune.randint(0, sizes[key]) for key in ("lr", "weight_decay")}
    with tempfile.TemporaryDirectory(prefix="search-quality-", dir=_memory()) as folder:
        tune.Tuner(
            objective,
            param_space={**ordered, **{key: tune.choice(list(range(sizes[key]))) for key in KEYS[2:]}},
            tune_config=tune.TuneConfig(
                metric="val_accuracy", mode="max", search_alg=OptunaSearch(seed=seed), num_samples=-1,
                scheduler=ASHAScheduler(max_t=EPOCHS, grace_period=1, reduction_factor=3),
                reuse_actors=True, max_concurrent_trials=1,
            ),
            run_config=tune.RunConfig(storage_path=folder, verbose=0, stop=Watch()),
        ).fit()  # fmt: skip
    return trace


@dataclass(frozen=True)
class Policy:
    """A search policy.

    Attributes:
        search: Trains for (seed, seconds) and returns the steps.
        pick: Selects a configuration from the steps.
        anytime: Whether a shorter search is a prefix of a longer one.
    """

    search: Callable[[int, float], Trace]
    pick: Pick = best_finished
    anytime: bool = True


POLICIES: Mapping[str, Policy] = {
    "sweep: TPE, asha": Policy(lambda seed, seconds: engine(seed, seconds, {"type": "asha"})),
    "sweep: TPE, hyperband": Policy(lambda seed, seconds: engine(seed, seconds, {"type": "hyperband"})),
    "sweep: TPE, median": Policy(lambda seed, seconds: engine(seed, seconds, {"type": "median"})),
    "sweep: TPE, all trained fully": Policy(lambda seed, seconds: engine(seed, seconds, None)),
    "Ray Tune: OptunaSearch, ASHAScheduler": Policy(stock, best_last_value),
    "random, all trained fully": Policy(lambda seed, seconds: one_by_one(seed, seconds, None)),
    "random, asha": Policy(lambda seed, seconds: one_by_one(seed, seconds, RULES["asha"])),
    "random, hyperband": Policy(lambda seed, seconds: one_by_one(seed, seconds, RULES["hyperband"])),
    "random, median": Policy(lambda seed, seconds: one_by_one(seed, seconds, RULES["median"])),
    "random, one_epoch, top 1": Policy(lambda seed, seconds: one_epoch(seed, seconds, 1), anytime=False),
    "random, one_epoch, top 3": Policy(lambda seed, seconds: one_epoch(seed, seconds, 3), anytime=False),
}
OURS = next(iter(POLICIES))
STOCK = "Ray Tune: OptunaSearch, ASHAScheduler"
