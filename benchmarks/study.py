"""The time of one study with three engines and two trainers, and a check that they reach the same accuracies.

    python -m benchmarks.study [--rounds 1] [--epochs 9] [--cifar DIR --images 5000] [--out benchmarks/results/study]

24 configurations (4 learning rates x 3 weight decays x 2 batch sizes) of ResNet-8 on scikit-learn's digits, or on
--images of a CIFAR-10 folder, all trained fully with the same seed. The engines, with two workers of one thread:
`sweep run`, report included; a Ray Tune script with a function trainable and OptunaSearch, as in its documentation; an
Optuna script in two processes on one SQLite file. The trainers: `cifar_sweep`, and the naive one, a plain loop
(`benchmarks.plain_loop`). Wall time is that of the whole command. Processor time is that of the whole machine, which
has to be quiet.

The run is void unless each configuration reaches the same accuracy, digit for digit, with every engine, and the two
trainers' accuracies agree on average. Then ASHA and the one-epoch rule search the same 24 configurations; the result
has their time and the regret of the configuration that they select.
"""

from __future__ import annotations

import itertools
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import psutil  # type: ignore[import-untyped]

from benchmarks.common import machine, machine_line, options, require_quiet, spread, write_result

SPACE: Mapping[str, list[Any]] = {
    "optimizer.lr": [0.01, 0.03, 0.1, 0.3],
    "optimizer.weight_decay": [0.0, 5e-4, 5e-3],
    "batch_size": [64, 128],
}
NET = {"name": "resnet", "blocks": [1, 1, 1], "widths": [16, 32, 64], "strides": [1, 2, 2]}
WORKERS, METRIC, SEED = 2, "val_accuracy", 0
TRAINERS = {"our trainer": "cifar_sweep", "naive trainer": "benchmarks.plain_loop"}
AGREE_POINTS = 1.0  # what two trainers may differ by on average, in points of accuracy
TOP = 3

Scores = dict[str, float]  # by configuration: the accuracy after its last epoch


def configurations() -> list[dict[str, Any]]:
    """Return the 24 configurations by dotted key."""
    return [dict(zip(SPACE, values, strict=True)) for values in itertools.product(*SPACE.values())]


def name_of(parameters: Mapping[str, Any]) -> str:
    """Return a configuration's name."""
    return json.dumps({key: parameters[key] for key in SPACE})


def recipe_of(problem: Mapping[str, Any], parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Return the recipe of a configuration, as plain data."""
    recipe = json.loads(json.dumps(problem["baseline"]))
    for key, value in parameters.items():
        *sections, last = key.split(".")
        section_settings = recipe
        for section in sections:
            section_settings = section_settings.setdefault(section, {})
        section_settings[last] = value
    return recipe


# -- the engines: each trains all configurations in `folder` and returns their accuracies ------------------------------


def by_sweep(problem: Mapping[str, Any], trainer: str, folder: Path, **more: Any) -> Scores:
    """Run `sweep run` on a study file with the additional sections `more`."""
    from sweeps.storage.runs import open_results

    study = {
        "name": "bench",
        "question": "Which of 24?",
        "workload": trainer,
        "baseline": problem["baseline"],
        "method": "grid",
        "metric": {"name": METRIC, "goal": "maximize", "at": "last"},
        "run_cap": len(configurations()),
        "parameters": {key: {"values": values} for key, values in SPACE.items()},
        "seed": SEED,
        **more,
    }
    file = folder / "bench.yaml"
    file.write_text(json.dumps(study), encoding="utf-8")
    places = ["--runs-dir", str(folder / "runs"), "--reports-dir", str(folder / "reports")]
    words = ["run", str(file), *places, "--workers", str(WORKERS), "--data-dir", str(problem["data"])]
    subprocess.run([sys.executable, "-m", "sweeps", *words], check=True, capture_output=True)
    ranked = open_results(folder / "runs", "bench").ranked()
    return {name_of(trial.parameters): float(trial.value or 0.0) for trial in ranked}


def epochs_of(problem: Mapping[str, Any], trainer: str, parameters: Mapping[str, Any], folder: Path) -> Iterator[Any]:
    """Yield a trainer's metrics after each epoch, for the scripts without the engine."""
    from cifar_sweep.recipe import Recipe
    from sweeps.trial.seeds import stream
    from sweeps.workload import Run, load

    folder.mkdir(parents=True, exist_ok=True)
    access = frozenset({"train", "validation"})
    seed = stream(SEED, "search")  # the seed of a study's search
    run = Run(seed, 0, device="cpu", data_dir=Path(problem["data"]), folder=folder, access=access)
    yield from load(trainer).train(Recipe.model_validate(recipe_of(problem, parameters)), run)


def by_ray(problem: Mapping[str, Any], trainer: str, folder: Path) -> Scores:
    """Run a `Tuner` over a function with OptunaSearch, which starts with the configurations."""
    import ray
    from ray import tune
    from ray.tune.search.optuna import OptunaSearch

    def objective(config: dict[str, Any]) -> None:
        place = folder / "files" / tune.get_context().get_trial_id()
        for metrics in epochs_of(problem, trainer, config, place):
            tune.report({METRIC: metrics[METRIC]})

    ray.init(address="local", num_cpus=WORKERS, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
    grid = tune.Tuner(
        tune.with_resources(objective, {"cpu": 1}),
        param_space={key: tune.choice(values) for key, values in SPACE.items()},
        tune_config=tune.TuneConfig(
            metric=METRIC,
            mode="max",
            search_alg=OptunaSearch(points_to_evaluate=configurations(), seed=SEED),
            num_samples=len(configurations()),
        ),
        run_config=tune.RunConfig(storage_path=str(folder / "ray"), verbose=0),
    ).fit()
    scores = {name_of(each.config): float(each.metrics[METRIC]) for each in grid}
    ray.shutdown()
    return scores


def by_optuna(problem: Mapping[str, Any], trainer: str, folder: Path) -> Scores:
    """Run `study.optimize` in two processes on one SQLite file, with the configurations enqueued."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study(storage=f"sqlite:///{folder}/study.db", study_name="bench", direction="maximize")
    for parameters in configurations():
        study.enqueue_trial(parameters)
    command = [sys.executable, "-m", "benchmarks.study", "--optimize", trainer, "--folder", str(folder)]
    workers = [subprocess.Popen([*command, "--problem", json.dumps(problem)]) for _ in range(WORKERS)]
    assert [worker.wait() for worker in workers] == [0] * WORKERS
    return {name_of(trial.params): float(trial.value or 0.0) for trial in study.trials}


def optimize(problem: Mapping[str, Any], trainer: str, folder: Path) -> None:
    """Run one process of `by_optuna`."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)

    def objective(trial: optuna.Trial) -> float:
        parameters = {key: trial.suggest_categorical(key, values) for key, values in SPACE.items()}
        epochs = epochs_of(problem, trainer, parameters, folder / "files" / str(trial.number))
        for epoch, metrics in enumerate(epochs, start=1):
            trial.report(metrics[METRIC], epoch)
        return float(metrics[METRIC])

    study = optuna.load_study(storage=f"sqlite:///{folder}/study.db", study_name="bench")
    study.optimize(objective, n_trials=len(configurations()) // WORKERS)


ENGINES: dict[str, Callable[..., Scores]] = {"sweep": by_sweep, "Ray Tune script": by_ray, "Optuna script": by_optuna}

RULES = {
    "sweep, ASHA": {"early_terminate": {"type": "asha", "min_iter": 1, "eta": 3}},
    "sweep, one epoch": {"early_terminate": {"type": "one_epoch", "top": TOP}},
}


# -- measuring ------------------------------------------------------------------------------------------------------


def timed(arm: str, trainer: str, problem: Mapping[str, Any]) -> dict[str, Any]:
    """Run an arm in its own process; return wall seconds, the machine's processor seconds, and the scores."""
    with tempfile.TemporaryDirectory(prefix="study-") as folder:
        words = [sys.executable, "-m", "benchmarks.study", "--arm", arm, "--trainer", trainer, "--folder", folder]
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "RAY_USAGE_STATS_ENABLED": "0", "RAY_AIR_NEW_OUTPUT": "0"}
        began, used = time.perf_counter(), _machine_seconds()
        done = subprocess.run(
            [*words, "--problem", json.dumps(problem)], env=environment, capture_output=True, text=True
        )
        wall_s, cpu_s = time.perf_counter() - began, _machine_seconds() - used
        if done.returncode:
            raise RuntimeError(f"{arm}, {trainer}: {done.stderr[-3000:]}")
        return {"wall_s": wall_s, "cpu_s": cpu_s, "scores": json.loads(done.stdout.splitlines()[-1])}


def _machine_seconds() -> float:
    times = psutil.cpu_times()
    return float(times.user + times.nice + times.system + times.irq + times.softirq)


def require_same(runs: Mapping[str, list[dict[str, Any]]]) -> dict[str, float]:
    """Return the trainers' difference in points: mean and standard error. Raises SystemExit if the run is void."""
    mean_of: dict[str, list[float]] = {}
    for trainer in TRAINERS:
        scores = [run["scores"] for name, repeats in runs.items() if name.endswith(trainer) for run in repeats]
        if any(other != scores[0] for other in scores):
            raise SystemExit(f"void: with {trainer} the engines do not find the same accuracies")
        if set(scores[0]) != {name_of(parameters) for parameters in configurations()}:
            raise SystemExit(f"void: with {trainer} not all configurations were trained")
        mean_of[trainer] = [scores[0][name] for name in sorted(scores[0])]
    differences = [a - b for a, b in zip(*mean_of.values(), strict=True)]
    mean, error = statistics.mean(differences), statistics.stdev(differences) / len(differences) ** 0.5
    if abs(mean) > max(AGREE_POINTS, 2 * error):
        raise SystemExit(f"void: the trainers differ by {mean:.2f} points (standard error {error:.2f})")
    return {"mean": mean, "standard_error": error}


def table(result: dict[str, Any]) -> str:
    """Return all arms as Markdown, with ratios to the naive Ray Tune script, then the rules that stop early."""
    runs, count = result["runs"], len(configurations())
    naive = _median(runs["Ray Tune script, naive trainer"], "wall_s")
    lines = [
        f"{count} configurations x {result['epochs']} epochs of ResNet-8 on {result['data']}, all trained fully; "
        f"{result['rounds']} round(s) in turn, two workers of one thread.",
        "",
        "| engine, trainer | wall, s | processor, s | trials per CPU-hour | times as fast as Ray Tune, naive |",
        "| --- | ---: | ---: | ---: | ---: |",
    ]
    for name, repeats in runs.items():
        wall, cpu = ([run[key] for run in repeats] for key in ("wall_s", "cpu_s"))
        rate, ratio = count / statistics.median(cpu) * 3600, naive / statistics.median(wall)
        lines.append(f"| {name} | {spread(wall, '.1f')} | {spread(cpu, '.1f')} | {rate:,.0f} | {ratio:.2f} |")
    apart = result["trainers_differ"]
    lines += [
        "",
        "Every configuration reaches the same accuracy, digit for digit, whatever the engine. The trainers draw order "
        f"and augmentation differently: ours less naive is {apart['mean']:+.2f} points on average over the {count} "
        f"(standard error {apart['standard_error']:.2f}).",
        "",
        "| rule, our trainer | wall, s | regret, points |",
        "| --- | ---: | ---: |",
    ]
    best = max(runs["sweep, our trainer"][0]["scores"].values())
    full = runs["sweep, our trainer"][0]["scores"]
    lines.append(f"| all trained fully | {spread([run['wall_s'] for run in runs['sweep, our trainer']], '.1f')} | 0 |")
    for rule, repeats in result["rules"].items():
        selected = [max(run["scores"], key=run["scores"].get) for run in repeats]
        regrets = [best - full[name] for name in selected]
        lines.append(f"| {rule} | {spread([run['wall_s'] for run in repeats], '.1f')} | {spread(regrets, '.2f')} |")
    return "\n".join([*lines, "", machine_line(result["machine"])]) + "\n"


def _median(runs: list[dict[str, Any]], key: str) -> float:
    return statistics.median(run[key] for run in runs)


def problem_of(epochs: int, cifar: Path | None, images: int, scratch: Path) -> dict[str, Any]:
    """Return the baseline's recipe and the data folder, as plain data."""
    data: dict[str, Any] = {"name": "digits", "validation": 0.2}
    if cifar is not None:
        data = {"name": "cifar10", "validation": 1_000, "train_limit": images}
    baseline = {
        "data": data,
        "model": NET,
        "augment": {"crop": 4 if cifar else 1, "flip": cifar is not None},
        "schedule": {"name": "cosine", "warmup_epochs": 1},
        "epochs": epochs,
        "precision": "auto",
    }
    return {"baseline": baseline, "data": str(cifar or scratch)}


def compare(problem: Mapping[str, Any], rounds: int) -> dict[str, Any]:
    """Run every engine with every trainer in turn, then the rules."""
    arms = [(engine, trainer) for trainer in TRAINERS for engine in ENGINES]
    runs: dict[str, list[dict[str, Any]]] = {f"{engine}, {trainer}": [] for engine, trainer in arms}
    rules: dict[str, list[dict[str, Any]]] = {rule: [] for rule in RULES}
    for number in range(rounds):
        for name, (engine, trainer) in zip(runs, arms, strict=True):
            runs[name].append(timed(engine, TRAINERS[trainer], problem))
            print(f"round {number + 1}: {name}: {runs[name][-1]['wall_s']:.1f} s", file=sys.stderr)
        for rule in RULES:
            rules[rule].append(timed(rule, "cifar_sweep", problem))
            print(f"round {number + 1}: {rule}: {rules[rule][-1]['wall_s']:.1f} s", file=sys.stderr)
    return {"trainers_differ": require_same(runs), "runs": runs, "rules": rules}


def main() -> None:
    """Measure every arm; with --arm or --optimize, be one of its processes."""
    parser = options(__doc__)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--epochs", type=int, default=9)
    parser.add_argument("--cifar", type=Path, help="a data folder with CIFAR-10, instead of digits")
    parser.add_argument("--images", type=int, default=5_000, help="CIFAR images to train on")
    for hidden in ("--arm", "--trainer", "--folder", "--problem", "--optimize"):
        parser.add_argument(hidden, help="for the benchmark's own processes")
    chosen = parser.parse_args()
    if chosen.optimize:
        optimize(json.loads(chosen.problem), chosen.optimize, Path(chosen.folder))
        return
    if chosen.arm:
        more = RULES.get(chosen.arm, {})
        engine = ENGINES["sweep" if chosen.arm in RULES else chosen.arm]
        print(json.dumps(engine(json.loads(chosen.problem), chosen.trainer, Path(chosen.folder), **more)))
        return
    busy = require_quiet(chosen.loaded)
    with tempfile.TemporaryDirectory(prefix="study-data-") as scratch:
        comparison = compare(problem_of(chosen.epochs, chosen.cifar, chosen.images, Path(scratch)), chosen.rounds)
    result = {
        "epochs": chosen.epochs,
        "rounds": chosen.rounds,
        "data": f"{chosen.images:,} images of CIFAR-10" if chosen.cifar else "scikit-learn's digits",
        "machine": machine(busy, "ray", "optuna", "torch", "torchvision"),
        **comparison,
    }
    write_result(result, table(result), chosen.out)


if __name__ == "__main__":
    main()
