"""Whole studies on machines with pretended GPUs: the command line, its probes, and Ray's workers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from sweeps.storage.runs import open_results
from sweeps.trial.trial import Status
from tests.cuda.machine import with_gpus
from tests.cuda.scenarios import BASE, IMAGES, write_images
from tests.sweeps.support import sweep


def study_of(data_dir: Path, **settings: Any) -> str:
    write_images(data_dir)
    baseline = {**BASE, "data": {**BASE["data"], "path": str(data_dir / IMAGES)}, "epochs": 1}
    return json.dumps(
        {
            "name": "rehearsed",
            "question": "Does a study run on GPUs?",
            "workload": "cifar_sweep",
            "baseline": baseline,
            "method": "grid",
            "metric": {"name": "val_accuracy", "goal": "maximize"},
            "parameters": {"optimizer.lr": {"values": [0.01, 0.02, 0.05, 0.1]}},
            "run_cap": 4,
            **settings,
        }
    )


@pytest.mark.xdist_group("ray")  # one Ray at a time on a small machine
def test_trials_share_two_gpus_through_ray(tmp_path: Path):
    (tmp_path / "rehearsed.yaml").write_text(study_of(tmp_path, resources={"cpu": 0.5, "gpu": 0.5}))
    seen = tmp_path / "seen"
    seen.mkdir()
    environment = {**with_gpus(2), "PRETENDED_GPUS_SEEN": str(seen)}
    done = sweep("run", "rehearsed.yaml", "--workers", "3", cwd=tmp_path, **environment)
    assert done.returncode == 0, done.stderr
    results = open_results(tmp_path / "runs", "rehearsed")
    assert [trial.status for trial in results.trials] == [Status.COMPLETE] * 4
    recorded = json.loads((tmp_path / "runs" / "rehearsed" / "environment.json").read_text())
    assert (recorded["device"], recorded["host"]["gpus"]) == ("cuda", 2)
    assert {file.read_text() for file in seen.iterdir()} >= {"0", "1"}  # of the workers; the others see all
