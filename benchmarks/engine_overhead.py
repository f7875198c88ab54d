"""Seconds that the engine adds to a trial: a no-op workload, ours beside what a user would write with Ray and Optuna.

    python -m benchmarks.engine_overhead [--trials 40] [--rounds 3] [--out benchmarks/results/engine_overhead]

Every arm runs in a process of its own, for `--few` and for `--trials` trials, the arms in turn; the overhead is the
difference of the two times over the difference in trials, so that starting Ray does not count. Medians over the rounds.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from ray import __version__ as ray_version

STUDY = """
name: noop
question: What does a trial cost that does nothing?
workload: benchmarks.noop
method: bayes
metric: {{name: score, goal: maximize}}
run_cap: {trials}
parameters: {{x: {{min: 0.0, max: 1.0}}}}
"""
FEW = 8


def ours(trials: int, folder: Path, kind: str) -> float:
    """Seconds of `sweeps.engine.run` with its storage, records and curves, the runner being up."""
    from sweeps import engine
    from sweeps.grammar.document import from_text
    from sweeps.progress import Progress
    from sweeps.runners import Share, starting
    from sweeps.study import parse
    from sweeps.workload import load

    study = parse(from_text(STUDY.format(trials=trials), "noop.yaml"))
    starts = starting(kind, Share(cpu=1, gpu=0, workers=2), None)
    starts.ready()
    plan = engine.settle(study, load(study.workload), folder, {})
    began = time.perf_counter()
    with Progress(study, None, 1, quiet=True) as progress:
        finish = engine.run(plan, folder / "noop", starts.ready, progress)
    seconds = time.perf_counter() - began
    starts.close()
    assert finish.results.counted == trials
    return seconds


def stock(trials: int, folder: Path, *, reuse_actors: bool) -> float:
    """Seconds of a plain `Tuner` with `OptunaSearch` on the same space, as Ray's documentation writes it."""
    import ray
    from ray import tune
    from ray.tune.search.optuna import OptunaSearch

    def objective(config: dict[str, float]) -> None:
        tune.report({"score": config["x"]})

    ray.init(address="local", num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
    tuner = tune.Tuner(
        objective,
        param_space={"x": tune.uniform(0, 1)},
        tune_config=tune.TuneConfig(
            metric="score", mode="max", search_alg=OptunaSearch(), num_samples=trials, reuse_actors=reuse_actors
        ),
        run_config=tune.RunConfig(storage_path=str(folder), verbose=0),
    )
    began = time.perf_counter()
    results = tuner.fit()
    seconds = time.perf_counter() - began
    assert len(results) == trials
    return seconds


def plain_optuna(trials: int, folder: Path, storage: str | None) -> float:
    """Seconds of `study.optimize` on the same objective."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study(storage=storage and storage.format(folder=folder), direction="maximize")
    began = time.perf_counter()
    study.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=trials)
    return time.perf_counter() - began


ARMS: dict[str, Callable[[int, Path], float]] = {
    "sweep, ray": lambda trials, folder: ours(trials, folder, "ray"),
    "sweep, inline": lambda trials, folder: ours(trials, folder, "inline"),
    "Ray Tune + OptunaSearch, function": lambda trials, folder: stock(trials, folder, reuse_actors=False),
    "Ray Tune + OptunaSearch, function, reuse_actors": lambda trials, folder: stock(trials, folder, reuse_actors=True),
    "Optuna, SQLite": lambda trials, folder: plain_optuna(trials, folder, "sqlite:///{folder}/s.db"),
    "Optuna, in memory": lambda trials, folder: plain_optuna(trials, folder, None),
}


def measured(arm: str, trials: int) -> float:
    """Seconds of one arm in a process of its own."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "RAY_USAGE_STATS_ENABLED": "0", "RAY_AIR_NEW_OUTPUT": "0"}
    words = [sys.executable, "-m", "benchmarks.engine_overhead", "--arm", arm, "--trials", str(trials)]
    done = subprocess.run(words, env=environment, capture_output=True, text=True, check=True)
    return float(done.stdout.splitlines()[-1])


def compare(arms: Sequence[str], trials: int, rounds: int) -> dict[str, Any]:
    """Seconds per trial of every arm, `rounds` times in turn."""
    overheads: dict[str, list[float]] = {arm: [] for arm in arms}
    for number in range(rounds):
        for arm in arms:
            seconds = (measured(arm, trials) - measured(arm, FEW)) / (trials - FEW)
            overheads[arm].append(seconds)
            print(f"round {number + 1}: {arm}: {seconds:.4f} s per trial", file=sys.stderr)
    return {
        "trials": trials,
        "rounds": rounds,
        "cores": len(os.sched_getaffinity(0)),
        "python": platform.python_version(),
        "ray": ray_version,
        "seconds_per_trial": overheads,
    }


def table(result: dict[str, Any]) -> str:
    """The medians, their spread, and each arm's ratio to ours through Ray."""
    seconds = result["seconds_per_trial"]
    first = next(iter(seconds))
    reference = statistics.median(seconds[first])
    lines = [
        f"Engine overhead, no-op workload: seconds per trial between {FEW} and {result['trials']} trials, "
        f"{result['rounds']} rounds in turn, {result['cores']} cores, Ray {result['ray']}, 2 workers.",
        "",
        "| arm | median | min | max | times the first |",
        "| --- | ---: | ---: | ---: | ---: |",
    ]
    for arm, values in seconds.items():
        median = statistics.median(values)
        lines.append(f"| {arm} | {median:.4f} | {min(values):.4f} | {max(values):.4f} | {median / reference:.2f} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Measure one arm, or all of them."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--trials", type=int, default=40)
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--out", type=Path, help="where to keep the result, as .json and .md")
    options.add_argument("--only", action="append", choices=ARMS, help="this arm (again for more), not all of them")
    options.add_argument("--arm", choices=ARMS, help=argparse.SUPPRESS)
    chosen = options.parse_args()
    if chosen.arm:
        with tempfile.TemporaryDirectory(prefix="overhead-") as folder:
            print(ARMS[chosen.arm](chosen.trials, Path(folder)))
        return
    result = compare(chosen.only or list(ARMS), chosen.trials, chosen.rounds)
    print(table(result))
    if chosen.out:
        chosen.out.with_suffix(".json").write_text(json.dumps(result, indent=1) + "\n")
        chosen.out.with_suffix(".md").write_text(table(result))


if __name__ == "__main__":
    main()
