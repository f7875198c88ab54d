"""Seconds from typing `sweep run` to the first training step of a study on scikit-learn's digits.

    python -m benchmarks.first_step [--rounds 5] [--out benchmarks/results/first_step]

Through Ray and inline, in turn; beside them what Python takes to import torch and Ray, which is part of it.
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

from benchmarks.kept import keep, machine, machine_line, options, require_quiet, spread
from cifar_sweep import workload as cifar
from cifar_sweep.recipe import Recipe
from sweeps.workload import Run

MOMENT = "FIRST_STEP_FILE"  # the environment's variable with the file in which the moment is noted
STUDY = {
    "name": "first",
    "question": "When does it begin?",
    "workload": "benchmarks.first_step",
    "baseline": {"data": {"name": "digits"}, "epochs": 1},
    "method": "random",
    "metric": {"name": "val_accuracy", "goal": "maximize"},
    "run_cap": 2,
    "parameters": {"optimizer.lr": {"distribution": "log_uniform_values", "min": 0.01, "max": 0.3}},
}
prepare, cost = cifar.prepare, cifar.cost


def train(recipe: Recipe, run: Run) -> Iterator[Mapping[str, float]]:
    """The workload: `cifar_sweep`'s training, which notes when its first step has ended, and is not needed after it."""
    from cifar_sweep.training.trainer import Trainer

    learn = Trainer.learn

    def noting(trainer: Trainer, mixed: Any) -> Any:
        result = learn(trainer, mixed)
        Path(os.environ[MOMENT]).write_text(str(time.time()), encoding="utf-8")
        Trainer.learn = learn  # type: ignore[method-assign]
        return result

    if not Path(os.environ[MOMENT]).exists():
        Trainer.learn = noting  # type: ignore[method-assign]
    yield from cifar.train(recipe, run)


def seconds(runner: str) -> float:
    """From the start of the command to the end of the first step of whichever worker is first."""
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
    """What a Python takes to start and import `modules`."""
    began = time.time()
    subprocess.run([sys.executable, "-c", f"import {modules}"], check=True)
    return time.time() - began


def table(result: dict[str, Any]) -> str:
    """A line each."""
    lines = [
        f"Seconds from `sweep run` to the end of the first training step, digits, {result['rounds']} rounds in turn.",
        "",
        "| | median (range) |",
        "| --- | ---: |",
        *(f"| {name} | {spread(values, '.1f')} |" for name, values in result["seconds"].items()),
    ]
    return "\n".join([*lines, "", machine_line(result["machine"])]) + "\n"


def main() -> None:
    """Measure both runners."""
    parser = options(__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    chosen = parser.parse_args()
    busy = require_quiet(chosen.loaded)
    ways = {
        "through Ray": lambda: seconds("ray"),
        "inline": lambda: seconds("inline"),
        "Python with torch and Ray Tune": lambda: importing("torch, ray.tune"),
    }
    found: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(chosen.rounds):
        for name, measure in ways.items():
            found[name].append(measure())
    result = {"rounds": chosen.rounds, "machine": machine(busy, "torch", "ray"), "seconds": found}
    keep(result, table(result), chosen.out)


if __name__ == "__main__":
    main()
