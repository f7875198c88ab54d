"""Engine overhead in seconds per trial: a no-op workload with `sweep`, and with scripts for Ray Tune and Optuna.

    python -m benchmarks.engine_overhead [--trials 100] [--rounds 3] [--out benchmarks/results/engine_overhead]

Every arm runs in its own process, the arms in turn. Its figure is the time from the end of its first trial to the end
of its last one, over the trials in between, so that starting Ray and the workers does not count. Medians over the
rounds. The arm that starts a process per trial runs a quarter of the trials.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.common import machine, machine_line, options, require_quiet, write_result

STUDY = """
name: noop
question: How long does a trial take that does nothing?
workload: benchmarks.noop
method: bayes
metric: {{name: score, goal: maximize}}
run_cap: {trials}
parameters: {{x: {{min: 0.0, max: 1.0}}}}
"""
SLOW_ARM = "Ray Tune + OptunaSearch, function"  # starts a process per trial, so it runs a quarter of the trials


class Clock:
    """An observer that records the time at which each trial ended."""

    def __init__(self) -> None:
        self.ends: list[float] = []

    def on_stage(self, stage: str, wanted: int | None) -> None:
        """Ignore the event."""

    def on_note(self, text: str) -> None:
        """Ignore the event."""

    def on_start(self, stage: str, number: int, label: str, resumed_at: int) -> None:
        """Ignore the event."""

    def on_epoch(self, stage: str, number: int, epoch: int, metrics: Mapping[str, float]) -> None:
        """Ignore the event."""

    def on_pause(self, stage: str, number: int, epoch: int) -> None:
        """Ignore the event."""

    def on_trainings(self, spent: float, budget: float) -> None:
        """Ignore the event."""

    def on_end(self, trial: object) -> None:
        """Record the time."""
        self.ends.append(time.perf_counter())

    def on_interrupt(self, why: str) -> None:
        """Ignore the event."""

    def seconds_per_trial(self, trials: int) -> float:
        """Return the mean time between the ends of two trials."""
        assert len(self.ends) == trials, f"{len(self.ends)} of {trials} trials ended"
        return (self.ends[-1] - self.ends[0]) / (trials - 1)


def ours(trials: int, folder: Path, kind: str) -> float:
    """Run a study with the engine, including storage, records and curves."""
    from sweeps.engine import execute as engine
    from sweeps.prepare.prepared import settle
    from sweeps.runners.protocol import TrialResources
    from sweeps.runners.startup import start_runner
    from sweeps.study.document import from_text
    from sweeps.study.stages import RunRequest, stages_of
    from sweeps.study.study import parse
    from sweeps.workload import load

    study = parse(from_text(STUDY.format(trials=trials), "noop.yaml"))
    starts = start_runner(kind, TrialResources(cpu=1, gpu=0, workers=2), None)
    clock = Clock()
    prepared = settle(study, load(study.workload), folder, {})
    engine.run(prepared, folder / "noop", starts.ready, clock, RunRequest(stages_of(study)))
    starts.close()
    return clock.seconds_per_trial(trials)


def stock(trials: int, folder: Path, *, reuse_actors: bool) -> float:
    """Run a `Tuner` with `OptunaSearch` on the same space, as in Ray's documentation."""
    import ray
    from ray import tune
    from ray.tune.search.optuna import OptunaSearch

    clock = Clock()

    class Ends(tune.Callback):  # type: ignore[misc]
        def on_trial_complete(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
            clock.on_end(trial)

    def objective(config: dict[str, float]) -> None:
        tune.report({"score": config["x"]})

    ray.init(address="local", num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
    tune.Tuner(
        objective,
        param_space={"x": tune.uniform(0, 1)},
        tune_config=tune.TuneConfig(
            metric="score", mode="max", search_alg=OptunaSearch(), num_samples=trials, reuse_actors=reuse_actors
        ),
        run_config=tune.RunConfig(storage_path=str(folder), verbose=0, callbacks=[Ends()]),
    ).fit()
    return clock.seconds_per_trial(trials)


def plain_optuna(trials: int, folder: Path, storage: str | None) -> float:
    """Run `study.optimize` on the same objective."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    clock = Clock()
    study = optuna.create_study(storage=storage and storage.format(folder=folder), direction="maximize")
    study.optimize(
        lambda trial: trial.suggest_float("x", 0, 1),
        n_trials=trials,
        callbacks=[lambda study, trial: clock.on_end(trial)],
    )
    return clock.seconds_per_trial(trials)


ARMS: dict[str, Callable[[int, Path], float]] = {
    "sweep, ray": lambda trials, folder: ours(trials, folder, "ray"),
    "sweep, inline": lambda trials, folder: ours(trials, folder, "inline"),
    SLOW_ARM: lambda trials, folder: stock(trials, folder, reuse_actors=False),
    "Ray Tune + OptunaSearch, function, reuse_actors": lambda trials, folder: stock(trials, folder, reuse_actors=True),
    "Optuna, SQLite": lambda trials, folder: plain_optuna(trials, folder, "sqlite:///{folder}/s.db"),
    "Optuna, in memory": lambda trials, folder: plain_optuna(trials, folder, None),
}


def measured(arm: str, trials: int) -> float:
    """Return the seconds per trial of one arm, in its own process."""
    trials = max(8, trials // 4) if arm == SLOW_ARM else trials
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "RAY_USAGE_STATS_ENABLED": "0", "RAY_AIR_NEW_OUTPUT": "0"}
    words = [sys.executable, "-m", "benchmarks.engine_overhead", "--arm", arm, "--trials", str(trials)]
    done = subprocess.run(words, env=environment, capture_output=True, text=True, check=True)
    return float(done.stdout.splitlines()[-1])


def compare(arms: Sequence[str], trials: int, rounds: int) -> dict[str, list[float]]:
    """Return the seconds per trial of every arm, `rounds` times in turn."""
    overheads: dict[str, list[float]] = {arm: [] for arm in arms}
    for number in range(rounds):
        for arm in arms:
            overheads[arm].append(measured(arm, trials))
            print(f"round {number + 1}: {arm}: {overheads[arm][-1]:.4f} s per trial", file=sys.stderr)
    return overheads


def table(result: dict[str, Any]) -> str:
    """Return the medians, ranges and ratios to the first arm, as Markdown."""
    seconds = result["seconds_per_trial"]
    first = next(iter(seconds))
    reference = statistics.median(seconds[first])
    lines = [
        f"Engine overhead, no-op workload: seconds per trial over {result['trials']} trials, "
        f"{result['rounds']} rounds in turn, 2 workers.",
        "",
        "| arm | median | min | max | times the first |",
        "| --- | ---: | ---: | ---: | ---: |",
    ]
    for arm, values in seconds.items():
        median = statistics.median(values)
        lines.append(f"| {arm} | {median:.4f} | {min(values):.4f} | {max(values):.4f} | {median / reference:.2f} |")
    return "\n".join([*lines, "", machine_line(result["machine"])]) + "\n"


def main() -> None:
    """Measure one arm, or all of them."""
    parser = options(__doc__)
    parser.add_argument("--trials", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", action="append", choices=ARMS, help="this arm (again for more), not all of them")
    parser.add_argument("--arm", choices=ARMS, help="for the benchmark's own processes")
    chosen = parser.parse_args()
    if chosen.arm:
        with tempfile.TemporaryDirectory(prefix="overhead-") as folder:
            print(ARMS[chosen.arm](chosen.trials, Path(folder)))
        return
    busy = require_quiet(chosen.loaded)
    result = {
        "trials": chosen.trials,
        "rounds": chosen.rounds,
        "machine": machine(busy, "ray", "optuna"),
        "seconds_per_trial": compare(chosen.only or list(ARMS), chosen.trials, chosen.rounds),
    }
    write_result(result, table(result), chosen.out)


if __name__ == "__main__":
    main()
