"""Drivers killed with SIGKILL, at random and at chosen points: nothing finished is lost, changed or run twice.

`audit.py` has the checks after every kill.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.faults.audit import Tally
from tests.faults.fork_server import ForkServer
from tests.faults.kill_points import KillPoint
from tests.faults.loop import InlineStudy, crash_loop
from tests.faults.studies import EACH, FILES

pytestmark = pytest.mark.xdist_group("faults")  # one fork server for all

SPAN_S = 2.0  # a driver is killed within this time of its start, mostly during training
SMALL: dict[str, Any] = {
    "run_cap": 3,
    "baseline": {"epochs": 2, "spread": 1.0, "saves": 2},
    "confirm": {"top": 1, "seeds": 2},
    "ablation": {"components": {"handicap": {"handicap": 4.0}}, "seeds": 2},
}
WRITTEN_BESIDE = "a state is written beside its training"
# Each driver of a group is killed at its point; the next one resumes and is killed at the next point.
KILL_POINTS = {
    "the storage is created": [
        KillPoint("statement CREATE TABLE", 1),
        KillPoint("statement CREATE TABLE", 2),
        KillPoint("statement CREATE UNIQUE INDEX", 1),
        KillPoint("statement CREATE INDEX", 1),
        KillPoint("statement INSERT INTO version_info"),
        KillPoint("statement INSERT INTO alembic_version"),
        KillPoint("statement INSERT INTO studies"),
        KillPoint("file before study.yaml"),
        KillPoint("file after study.yaml"),
        KillPoint("file before environment.json"),
        KillPoint("file after environment.json"),
        KillPoint("file before lock.json"),
    ],
    "a trial is suggested": [
        KillPoint("call after optuna.study.Study.enqueue_trial"),
        KillPoint("call before optuna.trial.Trial.suggest_float"),
        KillPoint("call before optuna.trial.Trial.suggest_categorical"),
        KillPoint("file before recipe.yaml"),
        KillPoint("file after recipe.yaml"),
        KillPoint("call before optuna.trial.Trial.suggest_categorical", 2),
        KillPoint("statement INSERT INTO trial_user_attributes", 3),
    ],
    "an epoch is recorded": [
        KillPoint("file before curves.csv"),
        KillPoint("call after sweeps.artifacts.curves.CurveFile.append", 1),
        KillPoint("line", 1),
        KillPoint("call after sweeps.artifacts.curves.CurveFile.append", 2),
        KillPoint("folder before sealed", 1),
        KillPoint("folder after displaced", 1),
        KillPoint("folder after sealed", 1),
        KillPoint("folder before sealed", 2),
        KillPoint("folder after sealed", 2),
    ],
    WRITTEN_BESIDE: [
        KillPoint("call after sweeps.artifacts.checkpoint.CheckpointFolder.create", 1),
        KillPoint("call before sweeps.workload.checkpoints.State.write", 1),
        KillPoint("call before sweeps.artifacts.checkpoint.HashingFile.write", 1),
        KillPoint("call after sweeps.artifacts.checkpoint.HashingFile.write", 1),
        KillPoint("call before sweeps.artifacts.checkpoint.HashingFile.flush_to_disk", 1),
        KillPoint("call after sweeps.artifacts.checkpoint.HashingFile.flush_to_disk", 1),
        KillPoint("file before manifest.json", 1),
        KillPoint("file after manifest.json", 1),
        KillPoint("folder before sealed", 1),
        KillPoint("folder after sealed", 1),
        KillPoint("call before sweeps.artifacts.checkpoint.HashingFile.write", 2),
        KillPoint("folder before sealed", 2),
        KillPoint("folder after sealed", 2),
        KillPoint("call before sweeps.artifacts.checkpoint.CheckpointFolder._prune", 3),
    ],
    "a trial ends": [
        KillPoint("call before optuna.study.Study.tell", 1),
        KillPoint("call before sweeps.artifacts.record.write_record", 1),
        KillPoint("file before record.json", 1),
        KillPoint("call after sweeps.artifacts.record.write_record", 1),
        KillPoint("call before optuna.study.Study.tell", 3),
        KillPoint("call before sweeps.artifacts.record.write_record", 3),
    ],
    "the test set is opened": [
        KillPoint("call before sweeps.storage.openings.Openings.record"),
        KillPoint("call after sweeps.storage.openings.Openings.record"),
        KillPoint("call before tests.faults.logged_workloads.toy.evaluate", 2),
        KillPoint("file before environment.json", 2),
        KillPoint("file before README.md"),
        KillPoint("file before index.html"),
    ],
    "the storage commits": [KillPoint("commit", call) for call in (2, 5, 9, 14, 20, 27, 35, 44, 54, 65)],
}


def test_drivers_killed_at_random_lose_and_repeat_nothing(tmp_path: Path, fork_server: ForkServer) -> None:
    tally = crash_loop(fork_server, tmp_path, kills=40, span_s=SPAN_S)
    assert tally.kills == 40
    assert not tally.broken


@pytest.mark.parametrize("moment", KILL_POINTS)
def test_driver_killed_while(moment: str, tmp_path: Path, fork_server: ForkServer) -> None:
    saving = EACH if moment == WRITTEN_BESIDE else FILES
    study = InlineStudy(fork_server, tmp_path / "study", 1, Tally(), saving, **SMALL)
    for kill_point in KILL_POINTS[moment]:
        code = study.start(kill_point=kill_point).wait()
        assert code == -9, f"{kill_point} was not reached: {code}\n{study.audit.output()}"
        study.audit.check()
    study.finish()
