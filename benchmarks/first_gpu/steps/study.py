"""A study of three minutes at full width: through the engine or, where its libraries are missing, in a plain loop."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.first_gpu.cifar10 import images_at_hand
from benchmarks.first_gpu.needs import ENGINE, RAY, missing
from benchmarks.first_gpu.parts import Part
from benchmarks.first_gpu.recipes import NARROW, large, run_of, train
from benchmarks.first_gpu.records import NotHere, Wrong
from benchmarks.first_gpu.setting import Setting
from cifar_sweep.recipe import Recipe
from cifar_sweep.workload import cost
from sweeps.api.study import Study

STUDY = Path(__file__).parents[3] / "studies" / "resnet_budget.yaml"
BUDGET_S, SHORT_S = 180.0, 8.0
OUT_OF_TIME = 75  # the exit code of a study that was stopped or has used its budget
LEAVE_S = 12.0  # before the step's end the engine is told to stop: it ends the epoch and writes its report
WAY = {"execution": "graph", "cudnn_benchmark": True}
LOOP_EPOCHS = 8  # of each configuration of the plain loop, which stops none early


def parts(setting: Setting) -> list[Part]:
    """Return the search through the engine where that is installed, else the plain loop; both in a short setting."""
    engine = Part("through the engine", partial(_engine, setting), 5.0 if setting.short else 30.0)
    loop = Part("plain loop", partial(_loop, setting), 2.0 if setting.short else 20.0)
    if missing(ENGINE):
        return [loop]
    return [loop, engine] if setting.short else [engine]


def _engine(setting: Setting) -> dict[str, Any]:
    """Run the study's search by `sweep run`, and return what it recorded."""
    from sweeps.storage.runs import open_results

    runner = "inline" if setting.device == "cpu" or missing(RAY) else "ray"
    folder = setting.scratch / "study"
    folder.mkdir()
    file, seconds = folder / "study.yaml", _seconds(setting)
    images = images_at_hand(setting)
    file.write_text(json.dumps(_study(setting, runner, seconds, images.settings)), encoding="utf-8")
    folders = {"runs": folder / "runs", "reports": folder / "reports", "data": images.data_dir}
    places = [word for name, path in folders.items() for word in (f"--{name}-dir", str(path))]
    started = time.perf_counter()
    code = _run_to_its_end(["run", str(file), "--runner", runner, "--quiet", *places], setting)
    results = open_results(folders["runs"], STUDY.stem)
    ranked = results.ranked()
    figures = {
        "runner": runner,
        "seconds": time.perf_counter() - started,
        "budget_s": seconds,
        **{status.value: count for status, count in results.counts().items()},
        "epochs": sum(len(trial.curve) for trial in results.trials),
        "best_val_accuracy": ranked[0].value if ranked else None,
        "best": ranked[0].parameters if ranked else None,
        "images": images.description,
    }
    if code not in (0, OUT_OF_TIME) or not ranked:
        raise Wrong(f"sweep run ended with {code} and {len(ranked)} trials with a result: see log.txt", figures)
    return figures


def _run_to_its_end(words: list[str], setting: Setting) -> int:
    """Run `sweep` with `words`; shortly before the step's end it is asked to stop. Return its exit status."""
    environment = {**os.environ, "SWEEP_GRACE_S": "5"}
    process = subprocess.Popen([sys.executable, "-m", "sweeps", *words], stdout=sys.stderr, env=environment)
    try:
        return process.wait(max(1.0, setting.left_s() - LEAVE_S))
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGTERM)
        return process.wait()


def _study(setting: Setting, runner: str, seconds: float, data: Mapping[str, Any]) -> dict[str, Any]:
    """Return the search of the study file as data, on the images at hand and within a budget of seconds."""
    written = Study.from_file(STUDY).definition.written()
    kept = ("name", "question", "workload", "constraints", "method", "metric", "parameters", "early_terminate", "seed")
    study = {key: written[key] for key in kept} | {"baseline": {**written["baseline"], "data": data}, "run_cap": 60}
    share = {"cpu": {"gpu": 0, "cpu": 1}, "ray": {"gpu": 0.5, "cpu": 1}, "inline": {"gpu": 1, "cpu": 1}}
    study["resources"] = share["cpu" if setting.device == "cpu" else runner]
    study["budget"] = {"gpu_hours": seconds / 3600}
    return study | _narrow(study) if setting.short else study


def _narrow(study: Mapping[str, Any]) -> dict[str, Any]:
    """Return the sections that make the study train two small trials."""
    baseline = {**study["baseline"], **NARROW, "epochs": 1, "batch_size": 32, "schedule": {"name": "constant"}}
    rates = {"optimizer.lr": study["parameters"]["optimizer.lr"]}
    return {"baseline": baseline, "parameters": rates, "early_terminate": None, "run_cap": 2, "budget": {}}


def _loop(setting: Setting) -> dict[str, Any]:
    """Train random configurations of the study within its limit of parameters, one after another."""
    study, generator = Study.from_file(STUDY), random.Random(0)
    images = images_at_hand(setting)
    ends = time.monotonic() + _seconds(setting)
    trained: list[dict[str, Any]] = []
    rejected = 0
    while time.monotonic() < ends and len(trained) < (2 if setting.short else 60):
        parameters = study.definition.space.draw(generator)
        recipe = _recipe(setting, study, parameters, images.settings)
        if any(limit.violation(cost(recipe)) > 0 for limit in study.definition.constraints):
            rejected += 1
            continue
        trained.append(_trained(setting, recipe, images.data_dir, ends) | {"parameters": parameters})
    if not trained:
        raise NotHere("no time was left to train a configuration")
    best = max(trained, key=lambda one: one["val_accuracy"])
    return {
        "runner": "plain loop of random configurations, without the engine",
        "trials": len(trained),
        "rejected": rejected,
        "epochs": sum(one["epochs"] for one in trained),
        "best_val_accuracy": best["val_accuracy"],
        "images": images.description,
        "trained": trained,
    }


def _recipe(setting: Setting, study: Study, parameters: Mapping[str, Any], data: Mapping[str, Any]) -> Recipe:
    """Return the recipe of a configuration; in a short setting of a narrow network."""
    definition = study.definition
    if setting.short:
        rate = {"optimizer": {"lr": parameters["optimizer.lr"]}}
        return large(setting, {**NARROW, **rate, "epochs": 1, "batch_size": 32})
    overrides = definition.space.overrides(parameters, {})
    settings = study.workload.schema.merge(definition.baseline, overrides)
    return Recipe.model_validate({**settings, "data": data, "epochs": LOOP_EPOCHS, **WAY})


def _trained(setting: Setting, recipe: Recipe, data_dir: Path, ends: float) -> dict[str, Any]:
    """Train a recipe, not beyond `ends`, and return its last accuracy, its epochs and its seconds."""
    rows, started = [], time.perf_counter()
    for row in train(recipe, run_of(setting, data_dir=data_dir)):
        rows.append(row)
        if time.monotonic() > ends:
            break
    seconds = time.perf_counter() - started
    return {"val_accuracy": rows[-1]["val_accuracy"], "epochs": len(rows), "seconds": seconds}


def _seconds(setting: Setting) -> float:
    """Return the seconds of the budget: three minutes, or what the step has left."""
    return SHORT_S if setting.short else max(10.0, min(BUDGET_S, setting.left_s() - LEAVE_S))
