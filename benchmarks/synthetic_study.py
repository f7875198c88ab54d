"""Write a completed study of any size without training, for the benchmarks."""

from __future__ import annotations

import json
import os
import random
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, event

from benchmarks.noop_curve import Learner, accuracy
from sweeps.artifacts.layout import CURVES, RECIPE, SEARCH
from sweeps.prepare.prepared import settle
from sweeps.samplers.constraint_gate import ConstraintGate
from sweeps.storage.study_storage import StudyStorage
from sweeps.study.document import read
from sweeps.study.study import Study, parse
from sweeps.trial.seeds import stream
from sweeps.trial.trial import Status, Trial
from sweeps.workload import load

NAME, EPOCHS, DATA = "grown", 30, "data"
STUDY = """
name: grown
question: What does a study cost as it grows?
workload: benchmarks.noop_curve
method: bayes
metric: {{name: val_accuracy, goal: maximize}}
run_cap: {run_cap}
parameters:
  lr: {{distribution: log_uniform_values, min: 0.001, max: 1.0}}
  momentum: {{min: 0.8, max: 0.99}}
  width: {{values: [16, 32, 64, 128]}}
  activation: {{values: [relu, gelu, silu]}}
early_terminate: {{type: asha, min_iter: 3, max_iter: 30, eta: 3}}
"""
STARTED = datetime(2026, 1, 1, tzinfo=UTC)


def study_file(folder: Path, run_cap: int) -> Path:
    """Write the study file for `run_cap` trials into `folder` and return its path."""
    path = folder / f"{NAME}.yaml"
    path.write_text(STUDY.format(run_cap=run_cap), encoding="utf-8")
    return path


def write_study(folder: Path, trials: int) -> None:
    """Write a study of `trials` completed trials of 30 epochs each into `folder`/runs/grown."""
    study = parse(read(study_file(folder, trials)))
    prepared = settle(study, load(study.workload), folder / DATA, {})
    study_folder = folder / "runs" / NAME
    study_folder.mkdir(parents=True)
    with without_sync():
        storage = StudyStorage.open(study_folder, study)
        storage.write_environment({**prepared.environment, "id": NAME, "started": STARTED.isoformat(), "commands": []})
        finished = []
        for trial, settings in _trials(study, prepared.gate, trials):
            _write_files(storage.search.trial_folder(trial.number), trial, settings)
            storage.search.save_record(trial)
            finished.append((trial, {}))
        storage.search.restore(finished)
        storage.close()


def _trials(study: Study, gate: ConstraintGate, count: int) -> Iterator[tuple[Trial, Mapping[str, Any]]]:
    generator = random.Random(0)
    for number in range(count):
        parameters = study.space.draw(generator)
        feasibility = gate.assess(parameters)
        learner = Learner(**feasibility.settings)
        curve = {epoch: accuracy(learner, epoch) for epoch in range(1, EPOCHS + 1)}
        started = STARTED + timedelta(seconds=EPOCHS * number)
        trial = Trial(
            number=number,
            stage=SEARCH,
            status=Status.COMPLETE,
            parameters=parameters,
            value=max(curve.values()),
            curve=curve,
            cost=feasibility.cost,
            seed=stream(study.seed, SEARCH),
            seconds=float(EPOCHS),
            started=started,
            finished=started + timedelta(seconds=EPOCHS),
        )
        yield trial, feasibility.settings


def _write_files(folder: Path, trial: Trial, settings: Mapping[str, Any]) -> None:
    folder.mkdir(parents=True)
    (folder / RECIPE).write_text(json.dumps(dict(settings)) + "\n", encoding="utf-8")
    rows = [f"{epoch},1.0,{value!r}" for epoch, value in trial.curve.items()]
    (folder / CURVES).write_text("\n".join(["epoch,device_seconds,val_accuracy", *rows, ""]), encoding="utf-8")


@contextmanager
def without_sync() -> Iterator[None]:
    """Turn off syncs to disk, which a throwaway study does not need."""

    def turn_off_sync(connection: Any, _: Any) -> None:
        connection.execute("PRAGMA synchronous=OFF")

    fsync = os.fsync
    event.listen(Engine, "connect", turn_off_sync)
    os.fsync = lambda _: None
    try:
        yield
    finally:
        os.fsync = fsync
        event.remove(Engine, "connect", turn_off_sync)
