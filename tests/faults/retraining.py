"""Train every trial of a study again without interruption, and compare the metrics bit for bit.

python -m tests.faults.retraining RUNS STUDY WORKLOAD DATA
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from sweeps.artifacts.layout import RECIPE
from sweeps.runners.protocol import End, Epoch, Job
from sweeps.runners.worker import execute
from sweeps.storage.results import Results
from sweeps.storage.runs import open_results
from sweeps.study.stages import FINAL, HELD_OUT, OPENED
from sweeps.trial.seeds import stream
from sweeps.trial.trial import Status, Trial
from tests.faults.progress_log import timed


def differences(results: Results, workload: str, data: Path) -> Iterator[str]:
    """Yield a line for each trial whose metrics differ from those that `workload` gives with its recipe and seeds."""
    for trial in results.everything:
        rows = results.rows(trial.number, trial.stage)
        if not rows:
            continue
        with tempfile.TemporaryDirectory(prefix="retraining-") as folder:
            job = _job(results, trial, workload, data, Path(folder) / f"{trial.number:04d}")
            expected = [_figures(epoch.metrics) for epoch in _trained(job, len(rows))]
            recorded = [_figures(row) for row in rows]
            if recorded != expected:
                yield f"{trial.stage} {trial.number}: {recorded}, uninterrupted {expected}"
            if trial.stage == FINAL.name and trial.status is Status.COMPLETE:
                measured = _evaluated(job, results)
                if measured != trial.metrics:
                    yield f"{trial.stage} {trial.number}: {trial.metrics}, uninterrupted {measured}"


def _job(results: Results, trial: Trial, workload: str, data: Path, folder: Path) -> Job:
    study, paired = results.study, trial.replicate is not None
    folder.mkdir()
    return Job(
        stage=trial.stage,
        number=trial.number,
        workload=workload,
        settings=YAML(typ="safe", pure=True).load(results.trial_folder(trial.number, trial.stage) / RECIPE),
        seed=trial.seed,
        split_seed=stream(study.seed, trial.stage, trial.replicate, "split") if paired else 0,
        device="cpu",
        data_dir=data,
        folder=folder,
        access=HELD_OUT,
        final=trial.stage == FINAL.name,
    )


def _trained(job: Job, epochs: int) -> Iterator[Epoch]:
    with closing(execute(job)) as events:  # type: ignore[type-var]
        for event in events:
            assert not isinstance(event, End) or event.outcome.status is Status.COMPLETE, event
            if isinstance(event, Epoch):
                yield event
                epochs -= 1
            if not epochs and not job.final:
                return


def _evaluated(job: Job, results: Results) -> Mapping[str, Mapping[str, float]]:
    opened = Job(**{**vars(job), "access": OPENED, "evaluate": tuple(results.study.evaluate)})
    end = [*execute(opened)][-1]
    assert isinstance(end, End)
    return end.metrics


def _figures(metrics: Mapping[str, float]) -> dict[str, Any]:
    """Return the metrics that must be equal: all but times and the number of the epoch."""
    return {name: value for name, value in metrics.items() if not timed(name) and name != "epoch"}


if __name__ == "__main__":
    runs, name, workload, data = sys.argv[1:]
    mismatches = differences(open_results(Path(runs), name), workload, Path(data))
    json.dump([*mismatches], sys.stdout)
