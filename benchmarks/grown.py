"""A study of any size for the benchmarks, put into its folder without training and without waiting for the disk."""

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

from benchmarks.learning import Learner, accuracy
from sweeps.artifacts.layout import CURVES, RECIPE, SEARCH
from sweeps.prepare.prepared import settle
from sweeps.samplers.feasibility import ConstraintGate
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
workload: benchmarks.learning
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
    """The study file for `run_cap` trials, written into `folder`."""
    path = folder / f"{NAME}.yaml"
    path.write_text(STUDY.format(run_cap=run_cap), encoding="utf-8")
    return path


def grow(folder: Path, trials: int) -> None:
    """Put `trials` completed trials of 30 epochs each into `folder`/runs/grown."""
    study = parse(read(study_file(folder, trials)))
    plan = settle(study, load(study.workload), folder / DATA, {})
    home = folder / "runs" / NAME
    home.mkdir(parents=True)
    with _without_waiting():
        store = StudyStorage.open(home, study)
        store.write_environment({**plan.environment, "id": NAME, "started": STARTED.isoformat(), "commands": []})
        grown = []
        for trial, settings in _trials(study, plan.gate, trials):
            _write_files(store.search.trial_folder(trial.number), trial, settings)
            store.search.save_record(trial)
            grown.append((trial, {}))
        store.search.restore(grown)
        store.close()


def _trials(study: Study, gate: ConstraintGate, count: int) -> Iterator[tuple[Trial, Mapping[str, Any]]]:
    generator = random.Random(0)
    for number in range(count):
        parameters = study.space.draw(generator)
        assessment = gate.assess(parameters)
        learner = Learner(**assessment.settings)
        curve = {epoch: accuracy(learner, epoch) for epoch in range(1, EPOCHS + 1)}
        started = STARTED + timedelta(seconds=EPOCHS * number)
        trial = Trial(
            number=number,
            stage=SEARCH,
            status=Status.COMPLETE,
            parameters=parameters,
            value=max(curve.values()),
            curve=curve,
            cost=assessment.cost,
            seed=stream(study.seed, SEARCH),
            seconds=float(EPOCHS),
            started=started,
            finished=started + timedelta(seconds=EPOCHS),
        )
        yield trial, assessment.settings


def _write_files(folder: Path, trial: Trial, settings: Mapping[str, Any]) -> None:
    folder.mkdir(parents=True)
    (folder / RECIPE).write_text(json.dumps(dict(settings)) + "\n", encoding="utf-8")
    rows = [f"{epoch},1.0,{value!r}" for epoch, value in trial.curve.items()]
    (folder / CURVES).write_text("\n".join(["epoch,device_seconds,val_accuracy", *rows, ""]), encoding="utf-8")


@contextmanager
def _without_waiting() -> Iterator[None]:
    """Nothing written in here waits for the disk: the study is thrown away should the machine lose its power."""

    def careless(connection: Any, _: Any) -> None:
        connection.execute("PRAGMA synchronous=OFF")

    synced = os.fsync
    event.listen(Engine, "connect", careless)
    os.fsync = lambda _: None
    try:
        yield
    finally:
        os.fsync = synced
        event.remove(Engine, "connect", careless)
