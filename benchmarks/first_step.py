"""Seconds from typing `sweep run` to the first training step of a study on scikit-learn's digits.

    python -m benchmarks.first_step [--rounds 5] [--out benchmarks/results/first_step]

Through Ray and inline, in turn; for comparison, the seconds to start Python and import torch and Ray, which are part of
it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from benchmarks.common import machine, machine_line, options, require_quiet, spread, write_result
from cifar_sweep import workload as cifar
from cifar_sweep.recipe import Recipe
from sweeps.workload import Run

MOMENT = "FIRST_STEP_FILE"  # the environment variable with the file for the time of the first step
STUDY = {
    "name": "first",
    "question": "When does training begin?",
    "workload": "benchmarks.first_step",
    "baseline": {"data": {"name": "digits"}, "epochs": 1},
    "method": "random",
    "metric": {"name": "val_accuracy", "goal": "maximize"},
    "run_cap": 2,
    "parameters": {"optimizer.lr": {"distribution": "log_uniform_values", "min": 0.01, "max": 0.3}},
}
prepare, cost = cifar.prepare, cifar.cost


def train(recipe: Recipe, run: Run) -> Iterator[Mapping[str, float]]:
    """Train as `cifar_sweep` does, and write the time at which the first step ended to a file."""
    from cifar_sweep.training.trainer import Trainer

    learn = Trainer.learn

    def timed_learn(trainer: Trainer, mixed: Any) -> Any:
        result = learn(trainer, mixed)
        Path(os.environ[MOMENT]).write_text(str(time.time()), encoding="utf-8")
        Trainer.learn = learn  # type: ignore[method-assign]
        return result

    if not Path(os.environ[MOMENT]).exists():
        Trainer.learn = timed_learn  # type: ignore[method-assign]
    yield from cifar.train(recipe, run)


def seconds(runner: str) -> float:
    """Return the seconds from the start of the command to the end of the first step of any worker."""
    with tempfile.TemporaryDirectory(prefix="first-step-") as scratch:
        folder = Path(scratch)
        (folder / "first.yaml").write_text(json.dumps(STUDY), encoding="utf-8")
        moment = folder / "moment"
        places = ["--runs-dir", folder / "runs", "--reports-dir", folder / "reports", "--data-dir", folder / "data"]
        words = [sys.executable, "-m", "sweeps", "run", folder / "first.yaml", "--runner", runner, *places]
        began = time.time()
        subprocess.run(words, env={**os.environ, MOMENT: str(moment)}, check=True, capture_output=True)
        return float(moment.read_text(encoding="utf-8")) - began


def importing(modules: str) -> float:
    """Return the seconds to start Python and import `modules`."""
    began = time.time()
    subprocess.run([sys.executable, "-c", f"import {modules}"], check=True)
    return time.time() - began


def table(result: dict[str, Any]) -> str:
    """Return the result as Markdown, a row per way."""
    lines = [
        f"Seconds from `sweep run` to the end of the first training step, digits, {result['rounds']} rounds in turn.",
        "",
        "| | median (range) |",
        "| --- | ---: |",
        *(f"| {name} | {spread(values, '.1f')} |" for name, values in result["seconds"].items()),
    ]
    return "\n".join([*lines, "", machine_line(result["machine"])]) + "\n"


def main() -> None:
    """Measure both runners and the imports."""
    parser = options(__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    chosen = parser.parse_args()
    busy = require_quiet(chosen.loaded)
    ways = {
        "through Ray": lambda: seconds("ray"),
        "inline": lambda: seconds("inline"),
        "Python with torch and Ray Tune": lambda: importing("torch, ray.tune"),
    }
    durations: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(chosen.rounds):
        for name, measure in ways.items():
            durations[name].append(measure())
    result = {"rounds": chosen.rounds, "machine": machine(busy, "torch", "ray"), "seconds": durations}
    write_result(result, table(result), chosen.out)


if __name__ == "__main__":
    main()
